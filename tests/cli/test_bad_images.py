"""Images that only their voxels give away: one run of the command over many people at once.

Everybody but two has something wrong; each is named in a sentence. Those two are complete: a good
one, and one with the T1w image of another person, which is told as a problem.
"""

import gzip
import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from nigra.cli import main

EXAMPLE = Path(__file__).parents[2] / 'bids_example'
WHOLE = 'sub-04'
EXCHANGED, OTHER = 'sub-85', 'sub-06'
pytestmark = pytest.mark.slow


def voxels(change, part='phase'):
    """Change the voxels of an image of the gradient echo."""

    def apply(folder):
        path = next(folder.glob(f'*part-{part}_T2starw.nii.gz'))
        image = nib.load(path)
        data = change(np.asanyarray(image.dataobj).astype(np.float32))
        nib.save(nib.Nifti1Image(np.asarray(data), image.affine), path)

    return apply


def cut(folder):
    """Half of the file, whose header still reads."""
    path = next(folder.glob('*part-phase_T2starw.nii.gz'))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def changed(folder):
    """One byte is another than when the file was packed, as on a failing disk."""
    path = next(folder.glob('*part-phase_T2starw.nii.gz'))
    content = bytearray(gzip.compress(gzip.decompress(path.read_bytes()), 0))
    content[len(content) // 2] ^= 0x40
    path.write_bytes(content)


def swap(folder):
    mag, phase = (next(folder.glob(f'*part-{p}_T2starw.nii.gz')) for p in ('mag', 'phase'))
    other = folder / 'other'
    mag.rename(other)
    phase.rename(mag)
    other.rename(phase)


def ramp(data):
    """Unwrapped phase without a unit: no scale of a scanner."""
    return np.broadcast_to(np.linspace(-19.7, 33.7, data.shape[0])[:, None, None], data.shape)


CASES = {
    'sub-14': (cut, 'cannot be read to its end'),
    'sub-14changed': (changed, 'cannot be read to its end (CRC check failed'),
    'sub-35': (voxels(np.ones_like), 'part-phase_T2starw.nii.gz'),
    'sub-37': (voxels(lambda data: np.full_like(data, np.nan)), 'part-phase_T2starw.nii.gz'),
    'sub-39': (swap, 'T2starw.nii.gz'),
    'sub-50': (voxels(np.zeros_like, 'mag'), 'part-mag_T2starw.nii.gz: has no value above 0'),
    'sub-74': (voxels(ramp), 'part-phase_T2starw.nii.gz'),
}
"""What is wrong, by a participant with the number of the case, and what a refusal must name."""


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """Output folder, exit status, and the log of the run."""
    root = tmp_path_factory.mktemp('voxels')
    raw = root / 'raw'
    raw.mkdir()
    shutil.copy(EXAMPLE / 'dataset_description.json', raw)
    fine = dict.fromkeys((WHOLE, EXCHANGED), (lambda folder: None, ''))
    for who, (spoil, _) in {**CASES, **fine}.items():
        folder = raw / who / 'anat'
        folder.mkdir(parents=True)
        for path in (EXAMPLE / WHOLE / 'anat').iterdir():
            shutil.copy(path, folder / path.name.replace(WHOLE, who))
        if who == EXCHANGED:
            t1w = EXAMPLE / OTHER / 'anat' / f'{OTHER}_T1w.nii.gz'
            shutil.copy(t1w, folder / f'{who}_T1w.nii.gz')
        elif (
            who != WHOLE
        ):  # a head that fails at once, for the images beside it are what is tested
            t1w = folder / f'{who}_T1w.nii.gz'
            nib.save(nib.Nifti1Image(np.ones((20, 20, 20), np.int16), np.diag([8, 8, 8, 1])), t1w)
        spoil(folder)
    out = root / 'out'
    with pytest.MonkeyPatch.context() as patch:
        told = []
        for level in ('error', 'warning'):
            patch.setattr(f'nigra.cli.app.LOGGER.{level}', lambda t, *args: told.append(t % args))
        status = main([
            str(raw), str(out), 'participant', '--registration', 'testing', '--nprocs', '2',
            '--skip-bids-validation',
        ])  # fmt: skip
    return out, status, told


def test_the_one_with_good_images_is_complete(run):
    out, status, told = run
    assert status == 1
    assert (out / f'{WHOLE}.html').exists()
    markers = sorted((out / 'logs' / 'complete').iterdir())
    assert [p.stem for p in markers if json.loads(p.read_text())['Outputs']] == [
        WHOLE, EXCHANGED
    ]  # fmt: skip
    assert not any(f'{WHOLE} failed' in sentence for sentence in told)
    assert not list(out.rglob('.part-*'))


@pytest.mark.parametrize('who', CASES)
def test_each_other_is_named_with_a_reason(run, who):
    out, _, told = run
    own = [sentence for sentence in told if sentence.startswith(f'{who} failed: ')]
    assert any(CASES[who][1] in sentence for sentence in own), own
    assert not any('Traceback' in sentence or '\n' in sentence for sentence in own)
    assert not (out / f'{who}.html').exists()


def test_the_image_of_another_person_is_a_problem_that_is_told(run):
    """Case 85."""
    out, _, told = run
    found = {
        who: json.loads((out / who / 'anat' / f'{who}_quality.json').read_text())
        for who in (WHOLE, EXCHANGED)
    }
    assert 'other_head' in found[EXCHANGED]['problems']
    assert 'other_head' not in found[WHOLE]['problems']
    assert 'seem to be of different people' in (out / f'{EXCHANGED}.html').read_text()
    assert any('seems to show another head' in text and EXCHANGED in text for text in told)
