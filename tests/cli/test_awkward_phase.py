"""Phase as scanners store it, through the command line: the same nuclei as of the plain file.

Every run of a participant of the example has a phase stored otherwise, and the number of its case;
all are complete, what was done is told where it must be, and the nuclei agree with those of the
plain run.
"""

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from nigra.cli import main
from nigra.interfaces.files import read_json
from nigra.interfaces.tables import read_table
from nigra.nodes.field.wraps import wrap

EXAMPLE = Path(__file__).parents[2] / 'bids_example'
ONE_ECHO, THREE_ECHOES = 'sub-04', 'sub-02'
"""People of the example."""
WRAP = 8192
pytestmark = pytest.mark.slow


def stored(change, dtype=np.int16, **entries):
    """Store the phase otherwise, with entries of its sidecar."""

    def apply(folder):
        path = next(folder.glob('*part-phase_T2starw.nii.gz'))
        image = nib.load(path)
        data = np.asanyarray(image.dataobj).astype(np.float64)
        nib.save(nib.Nifti1Image(np.asarray(change(data), dtype), image.affine), path)
        sidecar = next(folder.glob('*part-phase_T2starw.json'))
        sidecar.write_text(json.dumps({**json.loads(sidecar.read_text()), **entries}))

    return apply


def shifted(offset):
    """Add `offset`, radians by slice, to the phase."""

    def change(data):
        turned = wrap(data * (2 * np.pi / WRAP) + offset(np.arange(data.shape[2])))
        return np.clip(np.rint(turned * WRAP / (2 * np.pi)), -WRAP // 2, WRAP // 2 - 1)

    return stored(change)


def unwrapped(data):
    """Case 36: radians over several turns, each voxel whole turns from the stored phase."""
    angle = data * (2 * np.pi / WRAP)
    for axis in (2, 1):  # along lines that begin outside of the head, then with their neighbours
        angle = np.unwrap(angle, axis=axis)
    return angle


def high_pass(folder):
    """Case 79: divided by its own low frequencies, as susceptibility-weighted products are."""
    paths = {p: next(folder.glob(f'*part-{p}_T2starw.nii.gz')) for p in ('mag', 'phase')}
    image = nib.load(paths['phase'])
    mag, phase = (np.asanyarray(nib.load(path).dataobj).astype(float) for path in paths.values())
    whole = mag * np.exp(2j * np.pi * phase / WRAP)
    window = [np.hanning(34)[1:-1] if n > 32 else np.ones(n) for n in whole.shape[:2]]
    low = np.zeros(whole.shape[:2])
    low[
        tuple(
            slice(n // 2 - w.size // 2, n // 2 + w.size // 2)
            for n, w in zip(whole.shape[:2], window, strict=True)
        )
    ] = np.outer(*window)
    plane = np.fft.ifftshift(low)[..., None]
    smooth = np.fft.ifft2(np.fft.fft2(whole, axes=(0, 1)) * plane, axes=(0, 1))
    data = np.rint(np.angle(whole * smooth.conj()) * (WRAP // 2 - 1) / np.pi)
    nib.save(nib.Nifti1Image(data.astype(np.int16), image.affine), paths['phase'])


def open_ended(folder):
    """Case 49: the phase turns about a line where the channels' sum vanished."""

    def change(data):
        i, j, k = np.indices(data.shape)
        line = np.angle((i - 50.4 - 0.2 * k) + 1j * (j - 70.4))
        angle = wrap(data * (2 * np.pi / WRAP) + line)
        return np.clip(np.rint(angle * WRAP / (2 * np.pi)), -WRAP // 2, WRAP // 2 - 1)

    stored(change)(folder)


def bipolar(folder):
    """Case 42: the second of three echoes read out the other way, a plane and an offset more."""
    path = next(folder.glob('*echo-2_part-phase_MEGRE.nii.gz'))
    image = nib.load(path)
    angle = np.asanyarray(image.dataobj) * (2 * np.pi / WRAP)
    angle = wrap(angle + 0.8 + 0.04 * np.arange(angle.shape[0])[:, None, None])
    data = np.clip(np.rint(angle * WRAP / (2 * np.pi)), -WRAP // 2, WRAP // 2 - 1)
    nib.save(nib.Nifti1Image(data.astype(np.int16), image.affine), path)


def philips(folder):
    """Case 33: whole numbers from 0 on, with slope and intercept to milliradians."""
    path = next(folder.glob('*part-phase_T2starw.nii.gz'))
    image = nib.load(path)
    data = np.asanyarray(image.dataobj)
    saved = nib.Nifti1Image(((data + WRAP // 2) // 2).astype(np.int16), image.affine)
    saved.header.set_slope_inter(2 * np.pi * 1000 / 4096, -np.pi * 1000)
    nib.save(saved, path)


def slope_of_zero(folder):
    """Case 38: a header that multiplies by 0, which NIfTI says means no scaling."""
    path = next(folder.glob('*part-phase_T2starw.nii.gz'))
    image = nib.load(path)
    saved = nib.Nifti1Image(np.asanyarray(image.dataobj), image.affine, image.header)
    saved.header['scl_slope'] = 0
    nib.save(saved, path)


def milliradians(data):
    """Case 83: as scanners of GE store it, the other way round and without 8192 in sight."""
    return np.rint(-1000 * data * (2 * np.pi / WRAP))


def strays(data):
    """Case 73: three voxels of a value that no phase has."""
    data = (data + WRAP // 2) // 2
    data[10, 10, 10] = data[60, 70, 20] = data[30, 90, 30] = 8191
    return data


def real_and_imaginary(folder):
    """Case 84."""
    paths = {p: next(folder.glob(f'*part-{p}_T2starw.nii.gz')) for p in ('mag', 'phase')}
    images = {part: nib.load(path) for part, path in paths.items()}
    mag, phase = (np.asanyarray(image.dataobj).astype(float) for image in images.values())
    whole = mag * np.exp(2j * np.pi * phase / WRAP)
    for part, other, data in (('mag', 'real', whole.real), ('phase', 'imag', whole.imag)):
        path = paths[part]
        image = nib.Nifti1Image(data.astype(np.float32), images[part].affine)
        nib.save(image, path.with_name(path.name.replace(f'part-{part}', f'part-{other}')))
        sidecar = Path(str(path).replace('.nii.gz', '.json'))
        sidecar.rename(sidecar.with_name(sidecar.name.replace(f'part-{part}', f'part-{other}')))
        path.unlink()


CASES = {
    32: (stored(lambda d: (d + WRAP // 2) // 2), None),
    33: (philips, None),
    34: (stored(lambda d: d / (WRAP // 2) * 180, np.float32, Units='arbitrary'), 'degrees'),
    36: (stored(unwrapped, np.float32, Units='rad'), 'may have been unwrapped before'),
    38: (slope_of_zero, None),
    40: (stored(lambda d: np.clip(-d, -WRAP // 2, WRAP // 2 - 2)), 'its sign was turned'),
    42: (bipolar, 'every second echo has a phase more that rises by'),
    73: (stored(strays), 'beyond the limits of the phase'),
    75: (stored(lambda d: d / (WRAP // 2) * 180, np.float32, Units='rad'), 'degrees'),
    81: (shifted(lambda z: 1.5 * np.sin(37.0 * z * z)), 'jumps from slice to slice'),
    82: (shifted(lambda z: np.pi * (z % 2)), 'alternate slices have the opposite phase'),
    83: (stored(milliradians, Manufacturer='GE MEDICAL SYSTEMS', Units='arbitrary',
                ImageType=['DERIVED', 'SECONDARY']), 'its sign was turned'),
    84: (real_and_imaginary, None),
}  # fmt: skip
"""How the phase is stored, by the number of the case, and a word that is told."""
PLAIN, FILTERED, OPEN = 1, 79, 49
RUNS = {
    ONE_ECHO: [PLAIN, FILTERED, OPEN, *(run for run in CASES if run != 42)],
    THREE_ECHOES: [PLAIN, 42],
}


def whose(run):
    return THREE_ECHOES if run == 42 else ONE_ECHO


@pytest.fixture(scope='module')
def out(tmp_path_factory):
    root = tmp_path_factory.mktemp('phase')
    raw, out = root / 'raw', root / 'out'
    raw.mkdir()
    shutil.copy(EXAMPLE / 'dataset_description.json', raw)
    ways = {PLAIN: lambda folder: None, FILTERED: high_pass, OPEN: open_ended}
    ways |= {run: store for run, (store, _) in CASES.items()}
    for who, runs in RUNS.items():
        anat = raw / who / 'anat'
        anat.mkdir(parents=True)
        for run in runs:
            folder = shutil.copytree(EXAMPLE / who / 'anat', root / who / str(run))
            ways[run](folder)
            for path in folder.iterdir():
                entity = '' if 'T1w' in path.name else f'_run-{run}'
                shutil.copy(path, anat / path.name.replace(who, who + entity))
    status = main([
        str(raw), str(out), 'participant', '--registration', 'testing', '--inversion', 'tkd',
        '--nprocs', '2', '--skip-bids-validation',
    ])  # fmt: skip
    assert status == 0
    return out


def nuclei(out, who, run):
    table = read_table(out / who / 'anat' / f'{who}_run-{run}_seg-dgm_regions.tsv')
    table = table[(table.hemisphere == 'both') & (table.region != 'brain')]
    return table.set_index('region').chi_mean


def slope(out, run):
    """Of the nuclei of a run against those of the plain one."""
    plain, found = (nuclei(out, whose(run), number) for number in (PLAIN, run))
    known = plain.notna() & found.notna()
    assert known.sum() >= 6
    return np.polyfit(plain[known], found[known], 1)[0]


def told(out, who, run):
    """Text of a run on the page of its participant."""
    page = (out / f'{who}.html').read_text().casefold()
    parts = page.split('<section id="run-')[1:]
    return parts[sorted(RUNS[who]).index(run)].split('</section>')[0]


@pytest.mark.parametrize('run', CASES)
def test_the_nuclei_are_those_of_the_plain_phase(out, run):
    # .97 was measured with strays, whose voxels are left out; .90 where slices of a single echo
    # were aligned, which takes out what is smooth along them (.93 if PDF weighs all depths alike)
    assert abs(slope(out, run) - 1) < (0.12 if run == 81 else 0.05)


@pytest.mark.parametrize('run', CASES)
def test_what_was_done_is_told(out, run):
    word = CASES[run][1]
    if word is not None:
        assert word in told(out, whose(run), run)
        assert word not in told(out, whose(run), PLAIN)


def test_a_filtered_phase_is_a_problem_that_is_told(out):
    """Case 79: no inversion brings back what the filter took."""
    quality = read_json(out / ONE_ECHO / 'anat' / f'{ONE_ECHO}_run-{FILTERED}_quality.json')
    assert quality['problems'] == ['phase_filtered']
    assert 'high-pass filtered' in told(out, ONE_ECHO, FILTERED)
    assert slope(out, FILTERED) < 0.7


def test_fringes_that_end_in_the_brain_are_a_problem_that_is_told(out):
    """Case 49: a magnitude as a sum of squares, and a phase that nothing can unwrap."""
    quality = read_json(out / ONE_ECHO / 'anat' / f'{ONE_ECHO}_run-{OPEN}_quality.json')
    assert 'open_fringes' in quality['problems']
    assert quality['open_fringe_mm'] > 40
    assert 'open-ended fringe line' in told(out, ONE_ECHO, OPEN)
    assert 'open-ended fringe line' not in told(out, ONE_ECHO, PLAIN)
    sidecar = read_json(out / ONE_ECHO / 'anat' / f'{ONE_ECHO}_run-{OPEN}_Chimap.json')
    assert sidecar['Parameters']['phase']['open_fringe_mm'] == quality['open_fringe_mm']


def test_the_sidecar_holds_what_alternated(out):
    """Case 42: .04 rad a voxel over a brain of some 90 voxels."""
    found = [
        read_json(out / THREE_ECHOES / 'anat' / f'{THREE_ECHOES}_run-{run}_Chimap.json')
        for run in (42, PLAIN)
    ]
    rises = [sidecar['Parameters']['phase']['alternation_rad'] for sidecar in found]
    assert 2 < rises[0] < 116 * 0.04
    assert rises[1] == 0
