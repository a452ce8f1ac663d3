"""Small files that tests write."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from nigra.cli import main
from nigra.interfaces.bids import find_visits, select_images
from nigra.interfaces.gre import load_gre
from nigra.interfaces.scans import build_scan, group_runs
from nigra.interfaces.tables import read_table
from nigra.nodes.errors import InputError


def write_image(path, data=None, *, shape=(6, 7, 5), affine=None, dtype=np.int16):
    """Write a NIfTI file, ramped so that it is not constant."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if data is None:
        data = np.arange(np.prod(shape)).reshape(shape)
    affine = np.diag([2.0, 2.0, 2.0, 1.0]) if affine is None else affine
    nib.save(nib.Nifti1Image(np.asarray(data).astype(dtype), affine), path)
    return path


def write_sidecar(path, **content):
    """Write the JSON file beside an image."""
    path = Path(str(path).removesuffix('.nii.gz') + '.json')
    path.write_text(json.dumps(content))
    return path


def anat(raw):
    """Folder of the first participant of the `raw` data set."""
    return raw / 'sub-01' / 'anat'


def refused(raw, match, participant='sub-01', **options):
    """Message, one line that matches, with which a participant's scans are refused."""
    with pytest.raises(InputError, match=match) as caught:
        find_visits(raw, participant, **options)
    assert str(caught.value).count('\n') == 0
    return str(caught.value)


def add_run(folder, prefix, parts=('part-mag_', 'part-phase_')):
    """Write a single-echo run with sidecars."""
    for part in parts:
        path = write_image(folder / f'{prefix}_{part}T2starw.nii.gz')
        write_sidecar(path, EchoTime=0.02, MagneticFieldStrength=3)


def people(raw, *rows):
    """Write the table of participants."""
    text = '\n'.join(['participant_id\tgroup\tage\tsex', *rows])
    (raw / 'participants.tsv').write_text(text + '\n')


def look(raw, *options, levels=('participant',)):
    """Exit status, table of scans, and problems as (level, about, sentence)."""
    out = raw.parent / 'out'
    arguments = [str(raw), str(out), *levels, '--dry-run', '--skip-bids-validation', *options]
    status = main(arguments)
    logs = out / 'logs'
    if not (logs / 'look.tsv').is_file():
        return status, None, []
    problems = read_table(logs / 'problems.tsv')
    return status, read_table(logs / 'look.tsv'), list(problems.itertuples(index=False, name=None))


def renamed(old, new):
    """What gives images and sidecars of the first participant another part in their names."""

    def apply(raw):
        for path in list(anat(raw).glob(f'*{old}*')):
            path.rename(path.with_name(path.name.replace(old, new)))

    return apply


def first_is_left_out(raw, sentence):
    """A look leaves the first of two participants out, says why, and processes the other."""
    status, scans, problems = look(raw)
    assert status == 1
    told = [text for level, about, text in problems if (level, about) == ('error', 'sub-01')]
    assert any(sentence in text for text in told), told
    assert not any('\n' in text for text in told)
    states = dict(zip(scans.participant_id, scans.state, strict=True))
    assert states == {'sub-01': 'left out', 'sub-02': 'process'}


def load_only_scan(bids, who='sub-01'):
    """The only gradient-echo scan of a participant, and its images as the pipeline reads them."""
    gre, _ = select_images(bids / who, (), {})
    (files,) = group_runs(gre)
    scan = build_scan(bids, files)
    return scan, load_gre(
        scan.magnitude, scan.phase, scan.echo_times, units=scan.metadata.get('Units'),
        complex_parts=scan.complex_parts,
    )  # fmt: skip
