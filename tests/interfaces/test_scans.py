"""Scans: echoes and parts belong together, and what a user reads where they do not."""

import numpy as np
import pytest
from helpers import add_run, anat, look, refused, write_image, write_sidecar

from nigra.interfaces.bids import find_visits


def test_echoes_are_sorted_by_time_and_keep_their_pairs(raw):
    (visit,) = find_visits(raw, 'sub-02')
    (scan,) = visit.scans
    assert visit.prefix == 'sub-02_ses-a'
    assert scan.prefix == 'sub-02_ses-a_run-01'  # the zero stays
    assert scan.echo_times == (0.01, 0.02, 0.03)
    assert [p.name.split('_')[3] for p in scan.phase] == ['echo-2', 'echo-3', 'echo-1']
    assert [p.name.split('_')[3] for p in scan.magnitude] == ['echo-2', 'echo-3', 'echo-1']


def test_missing_phase(raw):
    for path in anat(raw).glob('*phase*'):
        path.unlink()
    assert 'part-phase' in refused(raw, 'has no part-phase image')


def test_missing_magnitude(raw):
    for path in anat(raw).glob('*part-mag*'):
        path.unlink()
    refused(raw, 'has no part-mag image')


def test_shapes_differ_and_both_are_named(raw):
    write_image(anat(raw) / 'sub-01_part-phase_T2starw.nii.gz', shape=(6, 7, 4))
    refused(raw, r'phase_T2starw.*\(6, 7, 4\).*mag_T2starw.*\(6, 7, 5\)')


def test_affines_differ(raw):
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[0, 3] = 3.0
    write_image(anat(raw) / 'sub-01_part-phase_T2starw.nii.gz', affine=affine)
    refused(raw, r'3\.00 mm from sub-01_part-mag')


def test_4d_image(raw):
    write_image(anat(raw) / 'sub-01_part-mag_T2starw.nii.gz', shape=(6, 7, 5, 2))
    refused(raw, r'shape \(6, 7, 5, 2\) where one 3D image per echo')


def test_echo_without_phase(raw):
    folder = raw / 'sub-02' / 'ses-a' / 'anat'
    (folder / 'sub-02_ses-a_run-01_echo-3_part-phase_MEGRE.nii.gz').unlink()
    refused(raw, 'magnitude echoes', participant='sub-02')


def test_missing_middle_echo_is_a_warning(raw):
    folder = raw / 'sub-02' / 'ses-a' / 'anat'
    for path in folder.glob('*echo-2*'):
        path.unlink()
    (visit,) = find_visits(raw, 'sub-02')
    assert visit.scans[0].warnings == ('Echo 2 is missing between 1 and 3.',)


def test_real_and_imaginary_parts(raw):
    in_parts(raw)
    (visit,) = find_visits(raw, 'sub-01')
    (scan,) = visit.scans
    assert scan.complex_parts
    assert [path.name for path in (*scan.magnitude, *scan.phase)] == [
        f'sub-01_part-{part}_T2starw.nii.gz' for part in ('real', 'imag')
    ]
    assert (scan.echo_times, scan.b0) == ((0.02,), 1.5)


def test_magnitude_and_phase_go_before_real_and_imaginary_parts(raw):
    add_run(anat(raw), 'sub-01', parts=('part-real_', 'part-imag_'))
    (scan,) = find_visits(raw, 'sub-01')[0].scans
    assert not scan.complex_parts
    for path in anat(raw).glob('*phase*'):
        path.unlink()
    (scan,) = find_visits(raw, 'sub-01')[0].scans
    assert scan.complex_parts


def test_a_run_of_parts_is_complete_beside_one_without_phase(raw):
    in_parts(raw)
    add_run(anat(raw), 'sub-01_run-2', parts=('part-mag_',))
    (visit,) = find_visits(raw, 'sub-01')
    (scan,) = visit.scans
    assert scan.complex_parts
    assert 'sub-01_run-2_part-mag' in visit.warnings[0]


@pytest.mark.parametrize('part', ['real', 'imag'])
def test_half_of_a_complex_image_is_refused(raw, part):
    in_parts(raw)
    (anat(raw) / f'sub-01_part-{part}_T2starw.nii.gz').unlink()
    refused(raw, f'has no part-{part} image')


def test_real_and_imaginary_parts_of_every_echo_are_needed(raw):
    folder = raw / 'sub-02' / 'ses-a' / 'anat'
    in_parts(raw, folder)
    next(folder.glob('*echo-2*imag*.nii.gz')).unlink()
    refused(raw, 'has real echoes .* but imaginary echoes', 'sub-02')


def in_parts(raw, folder=None):
    """Rename the parts of a participant's runs."""
    for path in (folder or anat(raw)).glob('*_part-*'):
        path.rename(path.with_name(path.name.replace('mag', 'real').replace('phase', 'imag')))


def test_no_run_with_phase(raw):
    (anat(raw) / 'sub-01_part-phase_T2starw.nii.gz').unlink()
    assert '--bids-filter-file' not in refused(raw, 'has no part-phase image')
    add_run(anat(raw), 'sub-01_acq-fl2d', ['part-mag_'])
    refused(raw, 'has no part-phase image.*--bids-filter-file')


@pytest.mark.parametrize(
    ('b0', 'time', 'told'),
    [
        (3, 0.0046, True),
        (3, 0.0099, True),
        (3, 0.0101, False),
        (1.5, 0.0198, True),
        (1.5, 0.0202, False),
        (7, 0.0046, False),
    ],
)
def test_echoes_too_short_for_iron_are_told_by_their_field(raw, b0, time, told):
    for part in ('mag', 'phase'):
        write_sidecar(anat(raw) / f'sub-01_part-{part}_T2starw.nii.gz', EchoTime=time,
                      MagneticFieldStrength=b0)  # fmt: skip
    (visit,) = find_visits(raw, 'sub-01')
    assert any('little iron' in text for text in visit.scans[0].warnings) == told


def test_the_longest_echo_counts(raw):
    (visit,) = find_visits(raw, 'sub-02')  # the first of three comes after 10 ms
    assert visit.scans[0].warnings == ()


def test_the_look_tells_of_short_echoes(raw):
    for part in ('mag', 'phase'):
        write_sidecar(anat(raw) / f'sub-01_part-{part}_T2starw.nii.gz', EchoTime=0.0046,
                      MagneticFieldStrength=3)  # fmt: skip
    _, _, problems = look(raw)
    sentence = 'Echoes up to 4.6 ms show little iron at 3 T'
    assert any(about == 'sub-01' and text.startswith(sentence) for _, about, text in problems)
