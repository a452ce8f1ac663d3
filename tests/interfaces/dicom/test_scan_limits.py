"""Which series make a scan: at the limits of echo times, slices, and field maps."""

import pytest

from nigra.interfaces.dicom.roles import SHORT_ECHOES
from nigra.interfaces.dicom.scans import assemble
from nigra.interfaces.dicom.series import SAME_TIME, Header, Series, Volume


def series(number, *parts, times=(5.0, 10.0, 15.0), slices=9, kinds=(), geometry=(9, 9), **fields):
    chosen = {'scanning_sequence': ('GR',), 'acquisition': '3D', 'repetition_time': 40.0}
    volumes = tuple(
        Volume(part, time, slices, kinds=tuple(kinds)) for part in parts for time in times
    )
    return Series(
        Header(series=str(number), number=number, **(chosen | fields)), volumes, geometry
    )


@pytest.mark.parametrize(('apart', 'fits'), [(0.9, True), (1.1, False)])
def test_halves_have_the_same_echo_times_up_to_rounding(apart, fits):
    later = [t + apart * SAME_TIME for t in (5.0, 10.0, 15.0)]
    scans, readings = assemble([series(1, 'mag'), series(2, 'phase', times=later)])
    assert bool(scans) == fits
    if not fits:
        assert 'at 5 ms is missing' in readings[0].reason


@pytest.mark.parametrize(
    ('change', 'together'),
    [({}, True), ({'repetition_time': 41.0}, False), ({'flip_angle': 9.0}, False),
     ({'acquisition': '2D'}, False), ({'geometry': (9, 8)}, False)],
)  # fmt: skip
def test_halves_share_geometry_and_timing(change, together):
    scans, _ = assemble([series(1, 'mag'), series(2, 'phase', **change)])
    assert bool(scans) == together


def test_echoes_in_series_of_their_own_share_a_name():
    alike = [
        series(n, 'mag', 'phase', times=(t,), description='a') for n, t in ((1, 5.0), (2, 9.0))
    ]
    (scan,), _ = assemble(alike)
    assert [image.echo for image in scan.images] == [1, 2, 1, 2]
    other = [alike[0], series(2, 'mag', 'phase', times=(9.0,), description='b')]
    scans, _ = assemble(other)
    assert [scan.suffix for scan in scans] == ['T2starw', 'T2starw']
    assert [scan.acquisition for scan in scans] == ['s1', 's2']
    assert all(image.echo == 0 for scan in scans for image in scan.images)


@pytest.mark.parametrize(
    ('one', 'role', 'words'),
    [
        (series(1, 'mag', 'phase', times=(4.0, SHORT_ECHOES - 0.1), acquisition='2D'), 'none',
         'a field map'),
        (series(1, 'mag', 'phase', times=(4.0, SHORT_ECHOES), acquisition='2D'), 'gre', ''),
        (series(1, 'mag', 'phase', times=(4.0, 5.0, 6.0), acquisition='2D'), 'gre', ''),
        (series(1, 'mag', 'phase', times=(4.0, 6.0)), 'gre', ''),
        (series(1, 'mag', 'phase', times=(4.0, 6.0), description='gre_field_mapping'), 'gre',
         'echoes up to 6 ms show little iron at 3 T'),
        (series(1, 'mag', 'phase', times=(4.0, 26.0), description='gre_field_mapping'), 'gre',
         'called a field map'),
        (series(1, 'mag', 'phase', description='gre_field_mapping', acquisition='2D'), 'none',
         'a field map'),
    ],
)  # fmt: skip
def test_field_maps_are_2d_and_short_or_called_so(one, role, words):
    _, (reading,) = assemble([one])
    assert reading.role == role
    assert words in reading.reason
    if 'called' in words:
        assert 'little iron' not in reading.reason


@pytest.mark.parametrize('beside', ['another scan', 'echo-planar images'])
def test_what_is_called_a_field_map_is_one_where_others_are_measured(beside):
    named = series(1, 'mag', 'phase', description='gre_field_mapping')
    other = (
        series(2, 'mag', 'phase', times=(20.0,), description='qsm')
        if beside == 'another scan'
        else series(2, 'mag', scanning_sequence=('EP', 'GR'), description='bold')
    )
    _, readings = assemble([named, other])
    assert 'a field map' in readings[0].reason
    assert readings[0].role == 'none'


@pytest.mark.parametrize(
    ('times', 'parts', 'kept'),
    [((20.0,), ('mag', 'phase'), False), ((10.0, 20.0), ('mag', 'phase'), True),
     ((20.0,), ('real', 'imag'), True)],
)  # fmt: skip
def test_one_phase_of_a_susceptibility_weighted_scan_is_filtered(times, parts, kept):
    one = series(1, *parts, times=times, description='swi3d')
    scans, (reading,) = assemble([one])
    assert bool(scans) == kept
    assert kept or 'whose phase scanners filter' in reading.reason
    forced, _ = assemble([one], {'1': 'gre'})
    assert len(forced) == 1


def test_a_phase_for_two_echoes_is_their_difference_unless_somebody_says_otherwise():
    pair = [series(1, 'mag', times=(5.0, 7.5)), series(2, 'phase', times=(7.5,))]
    scans, readings = assemble(pair)
    assert not scans
    assert 'one phase for 2 echoes' in readings[0].reason
    one = [series(1, 'mag', times=(7.5,)), series(2, 'phase', times=(7.5,))]
    assert len(assemble(one)[0]) == 1


@pytest.mark.parametrize(('first', 'second', 'named'), [(False, False, True), (False, True, False),
                                                        (True, True, True)])  # fmt: skip
def test_images_after_contrast_have_names_of_their_own(first, second, named):
    made = [
        series(n, 'mag', times=(3.0,), inversion_time=900.0, contrast='Gd' if after else '')
        for n, after in ((1, first), (2, second))
    ]
    scans, _ = assemble(made)
    assert [scan.suffix for scan in scans] == ['T1w', 'T1w']
    assert [scan.acquisition for scan in scans] == (['s1', 's2'] if named else ['', ''])
