"""Images of any order become series of volumes; what no field tells, their values do."""

from pathlib import Path

import numpy as np
import pytest

from nigra.interfaces.dicom.series import Frame, Header, gather, part_of

PHASE, MAGNITUDE, REAL = (-3141.0, 3141.0), (0.0, 500.0), (-400.0, 400.0)


def frames(*parts, times=(5.0,), slices=range(6), orientation=(1, 0, 0, 0, 1, 0), number=1):
    normal = np.cross(orientation[:3], orientation[3:])
    header = Header(series=str(number), number=number)
    return [
        Frame(
            Path(f'{number}-{part}-{n}-{time}-{k}-{orientation}'), header, part=part,
            echo_time=time,
            position=tuple(normal * k * 2.0), orientation=orientation, size=(8, 8),
        )
        for n, part in enumerate(parts) for time in times for k in slices
    ]  # fmt: skip


def never(frame):
    raise AssertionError('values were read although a field tells the part')


def shuffled(items):
    return [items[i] for i in np.random.default_rng(1).permutation(len(items))]


def test_interleaved_echoes_and_parts_are_sorted_whatever_the_order():
    (one,) = gather(shuffled(frames('mag', 'phase', times=(5.0, 10.0))), never)
    assert [(v.part, v.echo_time, v.slices) for v in one.volumes] == [
        ('mag', 5.0, 6), ('mag', 10.0, 6), ('phase', 5.0, 6), ('phase', 10.0, 6)
    ]  # fmt: skip
    assert all(v.alone and not v.missing and v.copies == 1 for v in one.volumes)


def test_echo_times_that_rounding_moves_are_one():
    times = [2.3, 2.2999]
    mixed = [frames('mag', times=(times[k % 2],), slices=[k])[0] for k in range(6)]
    (one,) = gather(mixed, never)
    assert [v.slices for v in one.volumes] == [6]


@pytest.mark.parametrize('orientation', [(1, 0, 0, 0, 1, 0), (0, 1, 0, 0, 0, -1)])
def test_a_slice_between_others_is_missed(orientation):
    (one,) = gather(frames('mag', slices=[0, 1, 4, 5], orientation=orientation), never)
    assert (one.volumes[0].slices, one.volumes[0].missing) == (4, 2)


def test_images_at_one_place_are_counted_and_copied_files_are_not():
    (one,) = gather([*frames('mag'), *frames('mag')], never)
    assert one.volumes[0].copies == 1
    (two,) = gather(frames('mag', 'mag', 'mag'), never)
    assert (two.volumes[0].copies, two.volumes[0].slices) == (3, 6)


def test_directions_of_a_localiser_are_counted():
    planes = [(1, 0, 0, 0, 1, 0), (1, 0, 0, 0, 0, -1), (0, 1, 0, 0, 0, -1)]
    (one,) = gather([f for p in planes for f in frames('mag', orientation=p)], never)
    assert one.directions == 3


def test_frames_of_a_shared_file_are_not_alone():
    from dataclasses import replace

    made = frames('mag', 'phase')
    shared = [
        replace(f, source=Path('one'), index=i, of=len(made), uid=str(i))
        for i, f in enumerate(made)
    ]
    (one,) = gather(shared, never)
    assert not any(v.alone for v in one.volumes)
    assert one.volumes[1].sources == {Path('one'): tuple(range(6, 12))}
    (only,) = gather([replace(f, of=6) for f in shared[:6]], never)
    assert only.volumes[0].alone


@pytest.mark.parametrize(
    ('ranges', 'parts'),
    [
        ([MAGNITUDE], {'mag'}),
        ([PHASE], {'phase'}),
        ([MAGNITUDE, PHASE], {'mag', 'phase'}),
        ([REAL], {'signed'}),
        ([MAGNITUDE, REAL, REAL], {'mag', 'signed'}),
    ],
)
def test_values_tell_the_part_where_no_field_does(ranges, parts):
    made = frames(*[''] * len(ranges))
    by_copy = {f.source: ranges[int(str(f.source).split('-')[2])] for f in made}
    (one,) = gather(shuffled(made), lambda frame: by_copy[frame.source])
    assert one.parts == parts


def test_one_image_is_read_where_all_are_magnitudes():
    read = []
    gather(frames('', slices=range(200)), lambda frame: read.append(frame) or MAGNITUDE)
    assert len(read) == 1


@pytest.mark.parametrize(
    ('kinds', 'component', 'code', 'part'),
    [
        (['ORIGINAL', 'PRIMARY', 'M_FFE', 'M', 'FFE'], '', None, 'mag'),
        (['ORIGINAL', 'PRIMARY', 'PHASE MAP', 'P', 'FFE'], '', None, 'phase'),
        (['ORIGINAL', 'PRIMARY', 'R_FFE', 'R', 'FFE'], '', None, 'real'),
        (['ORIGINAL', 'PRIMARY', 'OTHER'], 'PHASE', None, 'phase'),
        (['ORIGINAL', 'PRIMARY', 'OTHER'], 'MIXED', None, ''),
        (['ORIGINAL', 'PRIMARY', 'OTHER'], '', 2, 'real'),
        (['ORIGINAL', 'PRIMARY', 'OTHER'], '', 17, ''),
        (['ORIGINAL', 'PRIMARY'], '', None, ''),
    ],
)
def test_fields_tell_the_part(kinds, component, code, part):
    assert part_of(kinds, component, code) == part
