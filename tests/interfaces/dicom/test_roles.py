"""What a series is, from header fields alone: no DICOM file is needed for the decision."""

import pytest

from nigra.interfaces.dicom.roles import LONGEST_T1W_ECHO, judge, what_is_broken
from nigra.interfaces.dicom.series import Header, Series, Volume

GRE = {'scanning_sequence': ('GR',), 'acquisition': '3D'}
SE = {'scanning_sequence': ('SE',), 'acquisition': '3D'}


def series(*volumes, directions=1, kinds=(), **fields):
    """A series of volumes given as (part, echo time)."""
    made = tuple(Volume(part, time, slices=9, kinds=tuple(kinds)) for part, time in volumes)
    return Series(Header(**{**GRE, **fields}), made, directions=directions)


def mag(**fields):
    return series(('mag', 3.0), **fields)


@pytest.mark.parametrize(
    ('one', 'why'),
    [
        (mag(inversion_time=900), 'inversion time 900 ms'),
        (mag(variant=('SP', 'MP')), 'SequenceVariant MP'),
        (mag(scanning_sequence=('GR', 'IR')), 'ScanningSequence IR'),
        (mag(description='Sag 3D BRAVO'), "SeriesDescription 'Sag 3D BRAVO'"),
        (mag(description='t1_gre_fsp3d'), 't1_gre_fsp3d'),
        (mag(protocol='WIP T1W_3D_TFE'), "ProtocolName 'WIP T1W_3D_TFE'"),
        (mag(description='t1_mp2rage_UNI-DEN', inversion_time=700, kinds=['UNI']), '700'),
    ],
)
def test_t1w_images_are_known_and_the_field_that_says_so_is_named(one, why):
    reading = judge(one)
    assert reading.role == 'T1w'
    assert why in reading.reason


@pytest.mark.parametrize(
    'volumes',
    [
        [('mag', 20.0), ('phase', 20.0)],
        [('mag', 5.0), ('mag', 10.0)],
        [('phase', 5.0), ('phase', 10.0)],
        [('real', 5.0), ('imag', 5.0)],
    ],
)
@pytest.mark.parametrize('name', ['qsm', ''])
def test_gradient_echoes_are_known_whatever_their_name(volumes, name):
    reading = judge(series(*volumes, description=name))
    assert reading.role == 'gre'
    assert f'{volumes[0][1]:g}' in reading.reason


def test_several_echoes_with_phase_are_no_t1w_image_although_called_so():
    volumes = [(part, time) for part in ('mag', 'phase') for time in (2.3, 4.6)]
    assert judge(series(*volumes, description='t1w_mfc_3dflash')).role == 'gre'


@pytest.mark.parametrize(
    ('one', 'why'),
    [
        (mag(modality='CT'), 'Modality CT'),
        (mag(description='localizer', directions=3), '3 directions'),
        (mag(description='AAHead_Scout_64ch'), 'localiser or calibration'),
        (mag(description='3-plane loc'), 'localiser or calibration'),
        (mag(description='MIP Images(SW)', kinds=['DERIVED', 'PRIMARY', 'MNIP']), 'MNIP'),
        (series(('mag', 20.0), kinds=['ORIGINAL', 'PRIMARY', 'M', 'SWI']), 'ImageType SWI'),
        (series(('phase', 20.0), description='FILT_PHA: Ax SWAN'), 'filtered'),
        (series(('mag', 30.0), scanning_sequence=('EP',)), 'ScanningSequence EP'),
        (series(('mag', 30.0), sequence_name='*epfid2d1_64'), 'echo-planar'),
        (series(('phase', 7.38), sequence_name='*fm2d2r'), 'difference of two echoes'),
        (series(('phase', 7.38), kinds=['ORIGINAL', 'PRIMARY', 'B0 MAP']), 'field map'),
        (series(('phase', 7.38), description='gre_phasediff'), 'gre_phasediff'),
        (series(('mag', 90.0), **SE), 'a spin echo'),
        (mag(inversion_time=2500, description='t2_space_dark-fluid FLAIR'), 'not T1w'),
        (mag(description='t1_fl2d_tra', acquisition='2D'), '2D slices'),
        (mag(description='t1_mp2rage_INV1', inversion_time=700), 'one inversion'),
        (mag(description='mp2rage UNI', inversion_time=700, kinds=['UNI']), 'noise in air'),
        (series(('mag', 1.7), ('mag', 3.6), description='MEMPRAGE', variant=('MP',)), '2 echoes'),
        (series(('signed', 5.0)), '--map'),
        (series(('mag', 0.0)), 'no echo time'),
    ],
)
def test_scans_for_something_else_are_not_taken_and_the_field_is_named(one, why):
    reading = judge(one)
    assert reading.role == 'none'
    assert why in reading.reason


@pytest.mark.parametrize('name', ['silocate', 'deployed_epiphany', 'a_gre_DYNshim', 'AHEAD'])
def test_names_are_read_by_words_and_not_by_letters(name):
    assert judge(series(('mag', 5.0), ('phase', 5.0), description=name)).role == 'gre'


@pytest.mark.parametrize(('role', 'read'), [('T1w', 'T1w'), ('phase', 'gre'), ('ignore', 'none')])
def test_what_somebody_says_goes_before_headers(role, read):
    reading = judge(mag(description='localizer', directions=3), role)
    assert reading.role == read
    assert '--map' in reading.reason


@pytest.mark.parametrize(
    ('volume', 'why'),
    [
        (Volume('mag', 5.0, slices=8, missing=1), 'magnitude at 5 ms lacks 1 of 9 slices'),
        (Volume('mag', 5.0, slices=8, copies=32), '32 images at one place'),
        (Volume('mag', 5.0, slices=1), 'single slice'),
        (Volume('mag', 5.0, slices=8), ''),
    ],
)
def test_what_is_broken_is_said(volume, why):
    found = what_is_broken(Series(Header(), (volume,)), 'mag')
    assert why in found
    assert bool(found) == bool(why)


@pytest.mark.parametrize(
    ('time', 'role'),
    [(LONGEST_T1W_ECHO, 'gre'), (LONGEST_T1W_ECHO - 0.1, 'T1w'), (20.0, 'gre'), (2.3, 'T1w')],
)
def test_one_long_echo_with_phase_is_no_t1w_image_although_called_so(time, role):
    """A short one with phase is a T1w image whose phase was kept."""
    both = [('mag', time), ('phase', time)]
    assert judge(series(*both, description='t1w_3d_flash')).role == role


@pytest.mark.parametrize(
    ('time', 'role'), [(LONGEST_T1W_ECHO, 'T1w'), (LONGEST_T1W_ECHO + 0.1, 'none')]
)
def test_an_echo_may_be_as_long_as_the_limit_for_t1w(time, role):
    assert judge(series(('mag', time), description='t1w', inversion_time=900)).role == role


@pytest.mark.parametrize(
    ('parts', 'role'),
    [(('mag', 'real', 'imag'), 'gre'), (('real', 'imag'), 'gre'), (('mag', 'real'), 'T1w'),
     (('mag',), 'T1w')],
)  # fmt: skip
def test_real_and_imaginary_parts_together_are_a_phase(parts, role):
    one = series(*((part, 20.0 if role == 'gre' else 3.0) for part in parts), description='t1w 3d')
    assert judge(one).role == role
