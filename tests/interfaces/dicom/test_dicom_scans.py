"""Series put together: halves find each other, repeats are told apart, differences are refused."""

from dataclasses import replace

import pytest

from nigra.interfaces.dicom.scans import assemble, perhaps_stopped
from nigra.interfaces.dicom.series import Header, Series, Volume

ECHOES = (5.0, 10.0, 15.0)


def series(number, *parts, times=ECHOES, slices=9, kinds=(), geometry=(9, 9), missing=0, **fields):
    chosen = {'scanning_sequence': ('GR',), 'acquisition': '3D', 'repetition_time': 40.0}
    volumes = tuple(
        Volume(part, time, slices, missing, kinds=tuple(kinds)) for part in parts for time in times
    )
    header = Header(series=str(number), number=number, **{**chosen, **fields})
    return Series(header, volumes, geometry)


def t1w(number, **fields):
    return series(number, 'mag', times=(3.0,), inversion_time=900.0, geometry=(8, 8), **fields)


def test_magnitude_finds_its_phase_in_another_series():
    scans, readings = assemble([series(6, 'mag'), series(7, 'phase')])
    (scan,) = scans
    assert scan.suffix == 'MEGRE'
    assert [(i.part, i.echo, i.series.header.number) for i in scan.images] == [
        (part, echo, number) for part, number in (('mag', 6), ('phase', 7)) for echo in (1, 2, 3)
    ]
    assert {r.role for r in readings} == {'gre'}


@pytest.mark.parametrize('order', [[6, 7, 8, 9], [9, 8, 7, 6]], ids=['as measured', 'backwards'])
def test_repeats_have_names_of_their_own_and_their_own_phase(order):
    made = {n: series(n, part) for n, part in ((6, 'mag'), (7, 'phase'), (8, 'mag'), (9, 'phase'))}
    scans, _ = assemble([made[n] for n in order])
    assert [scan.acquisition for scan in scans] == ['s6', 's8']
    assert [{i.series.header.number for i in scan.images} for scan in scans] == [{6, 7}, {8, 9}]


@pytest.mark.parametrize(
    ('change', 'told'),
    [({}, ['series 6 has 7 slices where series 8 of the same name has 9; if it was stopped, '
           'leave it out with --map.']),
     ({'description': 'other'}, []), ({'geometry': (9, 8)}, []), ({'slices': 9}, [])],
)  # fmt: skip
def test_a_scan_that_was_perhaps_stopped_is_told(change, told):
    first = series(6, 'mag', 'phase', **({'slices': 7} | change))
    scans, _ = assemble([first, series(8, 'mag', 'phase'), t1w(9)])
    assert perhaps_stopped(scans) == told


def test_numbers_that_begin_anew_in_a_second_study_of_the_day_make_two_names():
    """The second scan was written over the first."""
    made = [
        replace(one, header=replace(one.header, study=study, series=f'{study}{n}'))
        for study in 'AB'
        for n, one in enumerate((series(6, 'mag', 'phase'), t1w(9)))
    ]
    scans, _ = assemble(made)
    assert [(scan.suffix, scan.acquisition) for scan in scans] == [
        ('MEGRE', 's6x1'), ('MEGRE', 's6x2'), ('T1w', 's9x1'), ('T1w', 's9x2'),
    ]  # fmt: skip


def test_one_echo_and_several_in_one_visit_are_told_apart():
    one = series(8, 'mag', 'phase', times=(20.0,), description='another')
    scans, _ = assemble([series(6, 'mag', 'phase'), one])
    assert {(s.suffix, s.acquisition) for s in scans} == {('MEGRE', 's6'), ('T2starw', 's8')}


def test_phase_goes_to_the_magnitude_with_the_same_correction():
    scans, readings = assemble([
        series(6, 'mag', kinds=['M', 'DIS2D']), series(7, 'mag', kinds=['M', 'ND']),
        series(8, 'phase', kinds=['P', 'ND']),
    ])  # fmt: skip
    assert {i.series.header.number for i in scans[0].images} == {7, 8}
    assert readings[0].role == 'none'
    assert 'no phase' in readings[0].reason


def test_echoes_in_series_of_their_own_are_one_scan():
    made = [series(n, 'mag', 'phase', times=(t,)) for n, t in ((5, 5.0), (6, 10.0), (7, 15.0))]
    (scan,), _ = assemble(made)
    assert [i.volume.echo_time for i in scan.images] == [*ECHOES, *ECHOES]


def test_real_and_imaginary_parts_make_a_scan_where_there_is_no_phase():
    (scan,), _ = assemble([series(5, 'mag', 'real', 'imag')])
    assert [i.part for i in scan.images] == ['real'] * 3 + ['imag'] * 3


@pytest.mark.parametrize(
    ('made', 'why', 'fault'),
    [
        ([series(5, 'mag')], 'no phase', False),
        ([series(5, 'phase')], 'no magnitude', False),
        ([series(5, 'mag'), series(6, 'phase', times=(5.0,))], 'one phase for 3 echoes', False),
        ([series(5, 'mag'), series(6, 'phase', times=(5.0, 10.0))], 'at 15 ms is missing', True),
        ([series(5, 'mag'), series(6, 'phase', missing=2)], 'lacks 2 of 11 slices', True),
        ([series(5, 'mag'), series(6, 'phase', slices=8)], 'have 8 slices, others 9', True),
        ([series(5, 'mag'), series(6, 'phase', geometry=(7, 7))], 'no phase', False),
    ],
)  # fmt: skip
def test_halves_that_do_not_fit_are_refused_with_the_reason(made, why, fault):
    scans, readings = assemble(made)
    assert not scans
    assert why in readings[0].reason
    assert readings[0].fault == fault


@pytest.mark.parametrize(
    ('made', 'taken'),
    [
        ([series(5, 'mag', 'phase', times=(20.0,), description='t2_swi_tra')], False),
        ([series(5, 'mag', 'phase', times=(20.0,), sequence_name='*swi3d1r')], False),
        ([series(5, 'mag', 'phase', description='SWI_multiecho')], True),
        ([series(5, 'real', 'imag', times=(20.0,), description='SWAN')], True),
    ],
)
def test_phase_of_susceptibility_weighted_scans_is_taken_where_it_is_not_filtered(made, taken):
    scans, readings = assemble(made)
    assert bool(scans) == taken
    assert taken or 'filter' in readings[0].reason


SHORT = {'times': (2.3, 4.6), 'description': 'fcMRI Field Mapping'}


@pytest.mark.parametrize(
    ('others', 'fields', 'taken'),
    [
        ([], {}, True),
        ([], {'acquisition': '2D'}, False),
        ([], {'acquisition': '2D', 'description': ''}, False),
        ([series(9, 'mag', 'phase', geometry=(7, 7))], {}, False),
        ([series(9, 'mag', times=(30.0,), scanning_sequence=('EP',))], {}, False),
        ([t1w(9)], {}, True),
    ],
    ids=['alone', '2D', '2D without name', 'with a better one', 'with EPI', 'with T1w'],
)
def test_field_maps_are_taken_only_where_they_can_serve_and_nothing_else_can(
    others, fields, taken
):
    scans, (reading, *_) = assemble([series(5, 'mag', 'phase', **{**SHORT, **fields}), *others])
    assert (reading.role == 'gre') == taken
    assert any(i.series.header.number == 5 for s in scans for i in s.images) == taken
    assert 'field map' in reading.reason


def test_several_echoes_of_2d_slices_are_no_field_map():
    scans, _ = assemble([series(5, 'mag', 'phase', acquisition='2D')])
    assert len(scans) == 1


def test_what_somebody_says_is_taken_but_not_what_cannot_be():
    swi = series(5, 'mag', 'phase', times=(20.0,), description='swi')
    assert len(assemble([swi], {'5': 'gre'})[0]) == 1
    unknown = [series(5, 'mag'), series(6, 'signed')]
    assert not assemble(unknown)[0]
    assert len(assemble(unknown, {'6': 'phase'})[0]) == 1
    scans, readings = assemble([series(5, 'mag')], {'5': 'gre'})
    assert not scans
    assert readings[0].fault


def test_t1w_images_after_contrast_are_named_so():
    scans, _ = assemble(
        [t1w(2), t1w(3, contrast='Gadovist'), t1w(4, description='t1 post contrast')]
    )
    assert [(s.acquisition, s.contrast) for s in scans] == [
        ('', False),
        ('s3', True),
        ('s4', True),
    ]


def test_a_t1w_image_that_lacks_slices_is_a_fault():
    scans, (reading,) = assemble([t1w(2, missing=1)])
    assert not scans
    assert reading.fault
