"""Whole conversions: synthetic series of several makers, and real ones, to a BIDS data set."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import toy_dicom as toy
from helpers import load_only_scan

from nigra.interfaces.dicom.bidsify import Request, bidsify
from nigra.interfaces.tables import read_table
from nigra.nodes.errors import InputError

ECHOES = (5.0, 10.0, 15.0)
SILENT = dict.fromkeys(toy.LETTERS)
"""ImageType without a word for the part."""


pytestmark = pytest.mark.usefixtures('dicom_programs')


def run(dicom, **options):
    return bidsify(Request(dicom, dicom.parent / 'bids', **options))


def image(bids, name, who='sub-01'):
    return nib.load(bids / who / 'anat' / f'{who}_{name}.nii.gz')


def sidecar(bids, name, who='sub-01'):
    return json.loads((bids / who / 'anat' / f'{who}_{name}.json').read_text())


def in_world(stored):
    """An array (columns, rows, slices) of axes L, P, S as its image in R, A, S."""
    return stored[::-1, ::-1]


def ge(folder, *parts, **options):
    toy.write_series(folder, maker='ge', parts=parts, number=2, kinds=SILENT, **options)


def ge_apart(folder, **options):
    for number, part in enumerate(('mag', 'phase'), 2):
        toy.write_series(folder, maker='ge', parts=(part,), number=number, kinds=SILENT, **options)


def enhanced(maker, *series):
    def write(folder, **options):
        for number, parts in enumerate(series, 2):
            toy.write_enhanced(folder, maker=maker, parts=parts, number=number, **options)

    return write


def enhanced_echoes(folder, *, times, **options):
    """A file for each echo, as XA writes them."""
    for time in times:
        enhanced('siemens', ('mag',), ('phase',))(folder, times=(time,), **options)


MAKERS = {
    'siemens': toy.write_pair,
    'ge real and imaginary': lambda d, **k: ge(d, 'mag', 'real', 'imag', ge_code=True, **k),
    'ge private code': lambda d, **k: ge(d, 'mag', 'phase', ge_code=True, **k),
    'ge without any word': lambda d, **k: ge(d, 'mag', 'phase', **k),
    'ge without any word, two series': ge_apart,
    'siemens XA': enhanced('siemens', ('mag',), ('phase',)),
    'siemens XA, a file an echo': enhanced_echoes,
    'philips enhanced': enhanced('philips', ('mag', 'phase')),
    'canon enhanced': enhanced('canon', ('mag', 'phase')),
    'canon': lambda d, **k: toy.write_series(
        d, maker='canon', parts=('mag', 'phase'), kinds=SILENT, component=True, **k
    ),
    'uih': lambda d, **k: [
        toy.write_series(d, maker='uih', parts=(p,), number=n, **k)
        for n, p in ((2, 'mag'), (3, 'phase'))
    ],
}


@pytest.mark.parametrize('maker', MAKERS)
def test_series_of_every_maker_become_the_scan_that_was_measured(tmp_path, maker):
    dicom, bids = tmp_path / 'dicom', tmp_path / 'bids'
    MAKERS[maker](dicom, times=ECHOES)
    outcome = run(dicom)
    assert not outcome.problems
    scan, read = load_only_scan(bids)
    assert scan.b0 == 3
    assert scan.echo_times == (0.005, 0.01, 0.015)
    canonical = nib.orientations.io_orientation(read['affine'])
    true = np.stack([in_world(toy.signal(t)) for t in ECHOES], axis=-1)
    for name, wanted in (('magnitude', np.abs(true)), ('phase', np.angle(true))):
        found = nib.orientations.apply_orientation(read[name], canonical)
        apart = found - wanted
        if name == 'phase':
            signal = np.abs(true) > 50
            apart = np.angle(np.exp(1j * apart[signal]))
        assert np.abs(apart).max() < (0.75 if name == 'magnitude' else 0.02)  # rounded to integers


def test_the_axes_are_those_of_the_patient(tmp_path):
    dicom, bids = tmp_path / 'dicom', tmp_path / 'bids'
    toy.write_t1w(dicom, orientation=(0, 1, 0, 0, 0, -1))
    toy.write_pair(dicom, times=(20.0,))
    run(dicom)
    for name, extent in (('T1w', (12, 24, 20)), ('part-mag_T2starw', (24, 20, 12))):
        made = image(bids, name)
        assert np.allclose(np.abs(made.affine[:3, :3]) @ made.shape, extent)


@pytest.mark.parametrize('how', ['zip', 'tar.gz', 'zip in a folder', 'deep and unsorted'])
def test_archives_and_folders_of_any_order_are_read(tmp_path, how):
    plain, dicom = tmp_path / 'plain', tmp_path / 'dicom'
    toy.write_pair(plain, times=ECHOES)
    dicom.mkdir()
    if how == 'zip in a folder' or how == 'zip':
        with zipfile.ZipFile(dicom / 'export.ZIP', 'w') as archive:
            for path in plain.iterdir():
                archive.write(path, f'a/{path.name}')
    elif how == 'tar.gz':
        with tarfile.open(dicom / 'export.tar.gz', 'w:gz') as archive:
            archive.add(plain, 'a')
    else:
        rng = np.random.default_rng(0)
        for path in plain.iterdir():
            target = dicom / str(rng.integers(3)) / f'IM{rng.integers(10**9)}'
            target.parent.mkdir(exist_ok=True)
            shutil.copy(path, target)
        (dicom / 'DICOMDIR').write_bytes(b'x')
        (dicom / 'notes.txt').write_text('no image')
    outcome = bidsify(Request(next(dicom.iterdir()) if how == 'zip' else dicom, tmp_path / 'bids'))
    assert not outcome.problems
    assert len(outcome.written) == 6


@pytest.mark.parametrize(
    ('write', 'why'),
    [
        (
            lambda d: [
                toy.write_series(d, parts=('mag',), times=ECHOES, number=2),
                toy.write_series(d, parts=('phase',), times=ECHOES, number=3, slices=[0, 1, 3, 4]),
            ],
            'phase at 5 ms lacks 1 of 5 slices',
        ),
        (
            lambda d: [
                toy.write_series(d, parts=('mag',), times=(4.92, 7.38), number=2),
                toy.write_series(d, parts=('phase',), times=(7.38,), number=3),
            ],
            'one phase for 2 echoes',
        ),
        (
            lambda d: toy.write_pair(d, times=(20.0,), SeriesDescription='Pha_Images'),
            'whose phase scanners filter',
        ),
        (lambda d: ge(d, 'mag', 'real', 'imag', times=ECHOES), 'holds negative values'),
        (lambda d: toy.write_pair(d, times=(30.0,), ScanningSequence='EP'), 'echo-planar'),
        (lambda d: toy.write_pair(d, times=(2.5, 4.9), MRAcquisitionType='2D'), 'field map'),
    ],
)
def test_what_makes_no_map_is_refused_with_the_reason_and_the_rest_is_written(
    tmp_path, write, why
):
    dicom = tmp_path / 'dicom'
    write(dicom)
    toy.write_t1w(dicom)
    outcome = run(dicom)
    assert any(why in reason for reason in outcome.table.reason)
    assert set(outcome.table.role) == {'ignore', 'T1w'}
    assert any('no gradient echo with phase' in problem for problem in outcome.problems)
    assert [p.name for p in outcome.written] == ['sub-01_T1w.nii.gz']


def test_nothing_tells_who_or_when(tmp_path):
    dicom, bids = tmp_path / 'dicom', tmp_path / 'bids'
    toy.write_pair(dicom, times=ECHOES, patient='MRN-77123', SeriesDescription='gre for Doe')
    toy.write_t1w(dicom, patient='MRN-77123')
    run(dicom)
    secrets = [b'MRN', b'77123', b'doe', b'jane', b'20200102', b'2020-01-02', b'101112', b'1968']
    for path in bids.rglob('*'):
        if path.is_file():
            content = path.read_bytes()
            if path.suffix == '.gz':
                content = nib.load(path).header.binaryblock
            found = [s for s in secrets if s in content.lower() or s in path.name.lower().encode()]
            assert not found, path
    assert sidecar(bids, 'T1w')['SeriesDescription'] == 'MPRAGE'
    assert 'SeriesDescription' not in sidecar(bids, 'echo-1_part-mag_MEGRE')
    key = read_table(tmp_path / 'bids_key.tsv', text=['patient_id'])
    assert key.patient_id.tolist() == ['MRN-77123']


def test_private_entries_are_kept_where_asked_for(tmp_path):
    dicom = tmp_path / 'dicom'
    toy.write_pair(dicom, times=(20.0,))
    run(dicom, private=True)
    assert sidecar(tmp_path / 'bids', 'part-mag_T2starw')['PatientName']


def test_a_dry_run_decides_the_same_and_writes_nothing(tmp_path):
    dicom = tmp_path / 'dicom'
    toy.write_pair(dicom, times=ECHOES)
    toy.write_t1w(dicom)
    dry = run(dicom, dry_run=True)
    assert not dry.written
    assert [p.name for p in tmp_path.iterdir()] == ['dicom']
    assert run(dicom).table.equals(dry.table)


def test_nothing_is_written_over(tmp_path):
    dicom, bids = tmp_path / 'dicom', tmp_path / 'bids'
    toy.write_pair(dicom, times=ECHOES)
    run(dicom)
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in bids.rglob('*.nii.gz')}
    again = run(dicom)
    assert any('is there already' in told for told in again.warnings)
    assert not again.written
    toy.write_t1w(dicom)
    third = run(dicom)
    assert any(
        'without sub-01_T1w.nii.gz, and nothing is written over' in p for p in third.problems
    )
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in bids.rglob('*.nii.gz')} == before


def test_people_and_sessions_come_together_with_their_clinical_table(tmp_path):
    dicom, bids = tmp_path / 'dicom', tmp_path / 'bids'
    for patient, date in (('B', '20210101'), ('A', '20200102'), ('A', '20220101')):
        toy.write_pair(dicom / patient / date, times=(20.0,), patient=patient, date=date)
    clinical = tmp_path / 'clinical.csv'
    clinical.write_text('patient_id;group\nA;HC\nB;NMO\n')
    outcome = run(dicom, clinical_file=clinical)
    assert not outcome.problems
    assert {str(p.parent.relative_to(bids)) for p in outcome.written} == {
        'sub-01/ses-1/anat', 'sub-01/ses-2/anat', 'sub-02/anat'
    }  # fmt: skip
    table = read_table(bids / 'participants.tsv')
    assert dict(zip(table.participant_id, table.group, strict=True)) == {
        'sub-01': 'HC', 'sub-02': 'NMO'
    }  # fmt: skip
    assert table.sex.tolist() == ['F', 'F']


def test_later_visits_are_added_with_sessions_of_their_own(tmp_path):
    dicom, bids = tmp_path / 'dicom', tmp_path / 'bids'
    for year in ('2020', '2021'):
        toy.write_pair(dicom / year, times=(20.0,), date=f'{year}0101')
    run(dicom)
    toy.write_pair(dicom / '2023', times=(20.0,), date='20230101', PatientAge='055Y')
    outcome = run(dicom)
    assert not outcome.problems
    assert {p.parent.parent.name for p in outcome.written} == {'ses-3'}
    assert read_table(bids / 'participants.tsv').age.tolist() == [52]


def test_a_contradiction_with_the_table_that_is_there_stops_before_anything_is_written(tmp_path):
    dicom, bids = tmp_path / 'dicom', tmp_path / 'bids'
    toy.write_pair(dicom / 'A', times=(20.0,), patient='A')
    run(dicom)
    toy.write_pair(dicom / 'B', times=(20.0,), patient='B')
    clinical = tmp_path / 'clinical.csv'
    clinical.write_text('patient_id,sex\nA,M\nB,F\n')
    with pytest.raises(InputError, match='gives sex of sub-01 as F, the new table as M'):
        run(dicom, clinical_file=clinical)
    assert not (bids / 'sub-02').exists()


def test_one_who_cannot_be_converted_takes_nobody_along(tmp_path, monkeypatch):
    from nigra.interfaces.dicom import write

    real = write.convert

    def convert(converter, series, *rest):
        if series.header.patient_id == 'A':
            raise InputError('series 2', 'is broken', 'export it again')
        return real(converter, series, *rest)

    monkeypatch.setattr(write, 'convert', convert)
    for patient in 'AB':
        toy.write_pair(tmp_path / 'dicom' / patient, times=(20.0,), patient=patient)
    outcome = run(tmp_path / 'dicom')
    assert [p.startswith('sub-01: series 2') for p in outcome.problems] == [True]
    assert {p.name for p in (tmp_path / 'bids').glob('sub-*')} == {'sub-02'}
    table = read_table(tmp_path / 'bids' / 'participants.tsv')
    assert table.participant_id.tolist() == ['sub-02']


def cut_short(folder, pattern):
    """Cut the last file of a series within its pixels."""
    path = sorted(folder.glob(pattern))[-1]
    path.write_bytes(path.read_bytes()[:-100])


def test_a_t1w_image_that_was_cut_short_stays_behind_and_is_told(tmp_path):
    dicom = tmp_path / 'dicom'
    toy.write_pair(dicom, times=(20.0,))
    toy.write_t1w(dicom, number=9)
    cut_short(dicom, '9_*')
    outcome = run(dicom)
    assert {p.name for p in outcome.written} == {
        'sub-01_part-mag_T2starw.nii.gz', 'sub-01_part-phase_T2starw.nii.gz'
    }  # fmt: skip
    assert all(p.is_file() for p in outcome.written)
    assert not list((tmp_path / 'bids').rglob('*T1w*'))
    (told,) = outcome.problems
    assert told.startswith('sub-01: ')
    assert '9_0006.dcm' in told
    assert 'leaves out who has none in any session' in told
    assert f'move {tmp_path / "bids" / "sub-01" / "anat"} away' in told


def test_of_two_t1w_images_the_whole_one_serves(tmp_path):
    dicom = tmp_path / 'dicom'
    toy.write_pair(dicom, times=(20.0,))
    for number in (8, 9):
        toy.write_t1w(dicom, number=number)
    cut_short(dicom, '9_*')
    outcome = run(dicom)
    assert 'sub-01_acq-s8_T1w.nii.gz' in {p.name for p in outcome.written}
    (told,) = outcome.problems
    assert 'leaves out who has none' not in told


@pytest.mark.parametrize('broken', ['3_*', '[39]_*'])
def test_without_its_gradient_echo_a_visit_is_not_written(tmp_path, broken):
    dicom = tmp_path / 'dicom'
    toy.write_pair(dicom, times=(20.0,))
    toy.write_t1w(dicom, number=9)
    for number in broken.strip('[]_*'):
        cut_short(dicom, f'{number}_*')
    outcome = run(dicom)
    assert not outcome.written
    assert not (tmp_path / 'bids' / 'sub-01').exists()
    (told,) = outcome.problems
    assert 'is written without' not in told


@pytest.mark.parametrize('where', ['nothing', 'text'])
def test_folders_without_dicom_are_refused(tmp_path, where):
    if where == 'text':
        (tmp_path / 'dicom').mkdir()
        (tmp_path / 'dicom' / 'a.txt').write_text('x')
    with pytest.raises(InputError, match=r'no DICOM images|does not exist'):
        run(tmp_path / 'dicom')


def test_bids_folders_that_hold_something_else_are_refused(tmp_path):
    toy.write_t1w(tmp_path / 'dicom')
    (tmp_path / 'bids').mkdir()
    (tmp_path / 'bids' / 'thesis.txt').write_text('x')
    with pytest.raises(InputError, match='is no BIDS data set'):
        run(tmp_path / 'dicom')
    with pytest.raises(InputError, match='lies in'):
        bidsify(Request(tmp_path / 'dicom', tmp_path / 'dicom' / 'bids'))


def test_the_bids_validator_accepts_all_kinds(tmp_path):
    own = os.pathsep.join([str(Path(sys.executable).parent), os.environ['PATH']])
    validator = shutil.which('bids-validator-deno', path=own)
    if validator is None:
        pytest.skip('bids-validator-deno, which checks the data set, is not installed')
    dicom = tmp_path / 'dicom'
    toy.write_pair(dicom / 'a', times=ECHOES, patient='A')
    toy.write_t1w(dicom / 'a', patient='A')
    toy.write_t1w(dicom / 'a', patient='A', number=10, ContrastBolusAgent='Gd')
    toy.write_pair(dicom / 'b', times=(20.0,), patient='B', date='20190101')
    ge(dicom / 'c', 'real', 'imag', ge_code=True, times=ECHOES, patient='B', date='20210101')
    clinical = tmp_path / 'clinical.csv'
    clinical.write_text('patient_id,group,edss\nA,HC,\nB,NMO,4\n')
    assert not run(dicom, clinical_file=clinical).problems
    done = subprocess.run(
        [validator, '--json', str(tmp_path / 'bids')], capture_output=True, text=True, check=False
    )
    issues = json.loads(done.stdout)['issues']['issues']
    assert [i for i in issues if i['severity'] == 'error'] == []
