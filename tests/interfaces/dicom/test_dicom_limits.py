"""Headers, archives and series of DICOM at the limits of what is read one way or another."""

import gzip
import tarfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from toy_dicom import write_enhanced, write_series

from nigra.interfaces.dicom import headers, series
from nigra.interfaces.dicom.bidsify import Request, bidsify
from nigra.interfaces.dicom.convert import _check_shape, _gather_inputs
from nigra.interfaces.dicom.headers import _age, read_frames
from nigra.interfaces.dicom.series import Frame, Header, gather, part_of, part_of_values
from nigra.interfaces.dicom.unpack import Found, find_files
from nigra.nodes.errors import InputError


@pytest.mark.parametrize(
    ('age', 'birth', 'date', 'years'),
    [
        ('041Y', '19000101', '20200101', 41.0),  # the scanner's goes before the dates
        ('018M', '', '', 1.5),
        ('052W', '', '', 1.0),
        ('100D', '', '', 0.3),
        ('', '19800101', '20200101', 40.0),
        ('', '20200101', '20200101', 0.0),
        ('', '20200102', '20200101', None),  # nobody is born after the scan
        ('', '198001', '20200101', None),
        ('', '', '20200101', None),
        ('041', '19800101', '20200101', 40.0),
        ('Y', '', '', None),
        ('041X', '', '', None),
    ],
)
def test_ages(age, birth, date, years):
    assert _age(age, birth, date) == years


def test_archives_are_unpacked_and_files_keep_the_name_below_the_folder(tmp_path):
    source, scratch = tmp_path / 'in', tmp_path / 'scratch'
    scratch.mkdir()
    write_series(source / 'A' / 'deep', slices=range(1))
    write_series(tmp_path / 'B' / 'x', slices=range(2))
    with zipfile.ZipFile(source / 'B.zip', 'w') as archive:
        for path in sorted((tmp_path / 'B').rglob('*.dcm')):
            archive.write(path, path.relative_to(tmp_path))
    with tarfile.open(source / 'C.tgz', 'w:gz') as pack:
        pack.add(tmp_path / 'B', 'C')
    found, broken = find_files(source, scratch)
    assert not broken
    assert [file.top for file in found] == ['A', 'B.zip', 'B.zip', 'C.tgz', 'C.tgz']
    assert all(file.path.is_file() for file in found)
    assert found[1].shown == source / 'B.zip' / 'B' / 'x' / '1_0001.dcm'
    # an archive by itself has the folders within
    (tmp_path / 'again').mkdir()
    alone, _ = find_files(source / 'B.zip', tmp_path / 'again')
    assert [file.top for file in alone] == ['B', 'B']
    (one,), _ = find_files(found[0].path, scratch)
    assert one == Found(found[0].path, found[0].path)


def test_archives_in_archives_single_ones_and_linked_folders_are_searched(tmp_path):
    source, scratch = tmp_path / 'in', tmp_path / 'scratch'
    scratch.mkdir()
    one, two = sorted(write_series(tmp_path / 'made', slices=range(2)).iterdir())
    with zipfile.ZipFile(tmp_path / 'inner.zip', 'w') as inner:
        inner.write(one, 'a/one.dcm')
    source.mkdir()
    with zipfile.ZipFile(source / 'outer.zip', 'w') as outer:
        outer.write(tmp_path / 'inner.zip', 'deep/inner.zip')
    (source / 'two.dcm.gz').write_bytes(gzip.compress(two.read_bytes()))
    (source / 'image.nii.gz').write_bytes(gzip.compress(b'no export'))
    (source / 'linked').symlink_to(tmp_path / 'made')
    (source / 'linked again').symlink_to(tmp_path / 'made')
    (source / 'loop').symlink_to(source)
    found, _ = find_files(source, scratch)
    assert [(file.path.name, file.top) for file in found] == [
        ('image.nii.gz', ''), (one.name, 'linked'), (two.name, 'linked'),
        ('one.dcm', 'outer.zip'), ('two.dcm', ''),
    ]  # fmt: skip
    assert found[-1].path.read_bytes() == two.read_bytes()


@pytest.mark.parametrize('kind', ['zip', 'tar.xz', 'tar.gz', 'dcm.gz'])
def test_an_archive_that_is_damaged_within_is_told(tmp_path, kind):
    scratch, path = tmp_path / 'scratch', tmp_path / f'x.{kind}'
    scratch.mkdir()
    content = tmp_path / 'content'
    content.write_bytes(np.random.default_rng(0).integers(0, 40, 50000, np.uint8).tobytes())
    if kind == 'zip':
        with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
            archive.write(content, 'x')
    elif kind == 'dcm.gz':
        path.write_bytes(gzip.compress(content.read_bytes()))
    else:
        with tarfile.open(path, f'w:{kind[4:]}') as pack:
            pack.add(content, 'x')
    packed = bytearray(path.read_bytes())
    packed[9000:9100] = b'\xff' * 100
    path.write_bytes(packed)
    found, (error,) = find_files(path, scratch)
    assert not found
    assert f'{path}: cannot be unpacked (' in str(error)
    assert not list(scratch.iterdir())  # no half of it


@pytest.mark.parametrize(
    ('field', 'value'),
    [('ImagePositionPatient', ['a', 'b', 'c']), ('ImagePositionPatient', None),
     ('ImagePositionPatient', ['1', '2']), ('ImagePositionPatient', ['nan', '0', '0']),
     ('ImageOrientationPatient', list('10001')), ('PixelSpacing', None), ('PixelSpacing', '2')],
)  # fmt: skip
def test_a_place_that_is_no_numbers_is_told_with_its_field(tmp_path, field, value):
    (path,) = write_series(tmp_path / 'x', slices=range(1)).iterdir()
    data = pydicom.dcmread(path)
    with pydicom.config.disable_value_validation():
        data[field].VR = 'LO'
        data[field].value = value
        data.save_as(path)
    with pytest.raises(InputError, match=f'damaged header \\({field} is'):
        read_frames(path)


@pytest.mark.parametrize(('text', 'number'), [('two', 0), ('7.0', 7)])
def test_a_series_number_that_is_none_hinders_nothing(tmp_path, text, number):
    (path,) = write_series(tmp_path / 'x', slices=range(1)).iterdir()
    data = pydicom.dcmread(path)
    with pydicom.config.disable_value_validation():
        data['SeriesNumber'].VR = 'LO'
        data.SeriesNumber = text
        data.save_as(path)
    (frame,) = read_frames(path)
    assert frame.header.number == number


def test_pictures_in_colours_are_no_images(tmp_path):
    (path,) = write_series(tmp_path / 'x', slices=range(1)).iterdir()
    data = pydicom.dcmread(path)
    data.SamplesPerPixel = 3
    data.save_as(path)
    assert read_frames(path) == []


def test_what_is_missing_or_no_archive_is_told(tmp_path, dicom_programs):
    with pytest.raises(InputError, match='does not exist'):
        find_files(tmp_path / 'no', tmp_path)
    (tmp_path / 'x.zip').write_bytes(b'no zip')
    with pytest.raises(InputError, match=r'x\.zip: cannot be unpacked \(File is not a zip file'):
        bidsify(Request(tmp_path / 'x.zip', tmp_path / 'bids'))


@pytest.mark.parametrize('field', ['Rows', 'Columns', 'ImagePositionPatient',
                                   'ImageOrientationPatient'])  # fmt: skip
def test_files_without_a_place_or_a_size_are_no_images(tmp_path, field):
    (path,) = write_series(tmp_path / 'x', slices=range(1)).iterdir()
    assert len(read_frames(path)) == 1
    data = pydicom.dcmread(path)
    delattr(data, field)
    data.save_as(path)
    assert read_frames(path) == []


def test_frames_of_an_enhanced_file_are_numbered_and_without_a_place_none(tmp_path):
    (path,) = write_enhanced(tmp_path / 'x', parts=('mag', 'phase'), times=(5.0, 9.0)).iterdir()
    frames = read_frames(path)
    assert [f.index for f in frames] == list(range(24))
    assert {f.of for f in frames} == {24}
    assert len({f.uid for f in frames}) == 24
    assert sorted({(f.part, f.echo_time) for f in frames}) == [
        ('mag', 5.0), ('mag', 9.0), ('phase', 5.0), ('phase', 9.0),
    ]  # fmt: skip
    assert frames[0].header.repetition_time == 40
    assert frames[0].header.scanning_sequence == ('GR',)
    data = pydicom.dcmread(path)
    for group in data.PerFrameFunctionalGroupsSequence:
        del group.PlaneOrientationSequence
    data.save_as(path)
    assert read_frames(path) == []


@pytest.mark.parametrize(
    ('pulse', 'planar', 'inversion', 'names'),
    [('GRADIENT', 'NO', None, ('GR',)), ('SPIN', 'NO', 'NO', ('SE',)),
     ('BOTH', 'YES', None, ('GR', 'SE', 'EP')), ('GRADIENT', 'NO', 'YES', ('GR', 'IR')),
     ('', 'YES', None, ('EP',))],
)  # fmt: skip
def test_sequences_of_enhanced_headers(pulse, planar, inversion, names):
    data = Dataset()
    data.EchoPulseSequence, data.EchoPlanarPulseSequence = pulse, planar
    if inversion:
        shared, modifier = Dataset(), Dataset()
        modifier.InversionRecovery = inversion
        shared.MRModifierSequence = [modifier]
        data.SharedFunctionalGroupsSequence = [shared]
    assert headers._sequences(data) == names


@pytest.mark.parametrize(
    ('value', 'code'),
    [(2, 2), ([3, 0], 3), (b'\x01\x00', 1), (b'\x02\x00\x07', 2), (b'', None), ([], None)],
)
def test_ge_s_code_is_a_number_or_its_bytes(value, code):
    assert headers._ge_code(SimpleNamespace(value=value)) == code
    assert headers._ge_code(None) is None


@pytest.mark.parametrize(('code', 'part'), [(0, 'mag'), (1, 'phase'), (2, 'real'), (3, 'imag'),
                                            (4, 'phase'), (-1, 'phase')])  # fmt: skip
def test_ge_s_code_goes_before_words_where_it_is_one(code, part):
    assert part_of(['ORIGINAL', 'PRIMARY', 'P'], ge_code=code) == part
    assert part_of(['M', 'P', 'ND'], '') == ''  # the first two words tell something else
    assert part_of(['ORIGINAL', 'PRIMARY', 'M'], 'PHASE') == 'phase'


WRAP = 1000 * np.pi
NEAR = series.FILLED * WRAP


@pytest.mark.parametrize(
    ('low', 'high', 'part'),
    [(0, 5000, 'mag'), (-1, 5000, 'signed'), (-WRAP, WRAP, 'phase'),
     (-WRAP + 0.99 * NEAR, WRAP, 'phase'), (-WRAP + 1.01 * NEAR, WRAP, 'signed'),
     (-WRAP, WRAP - 0.99 * NEAR, 'phase'), (-WRAP, WRAP - 1.01 * NEAR, 'signed'),
     (-WRAP - 1.01 * NEAR, WRAP, 'signed')],
)  # fmt: skip
def test_milliradians_fill_their_range(low, high, part):
    assert part_of_values(low, high) == part


def frames(depths, part='mag', time=5.0, **fields):
    return [
        Frame(Path(f'{n}.dcm'), Header(study='s', series='1'), part=part, echo_time=time,
              position=(0.0, 0.0, float(z)), uid=f'{part}{time}{n}', **fields)
        for n, z in enumerate(depths)
    ]  # fmt: skip


def only(made, limits=lambda frame: (0.0, 1.0)):
    (found,) = gather(made, limits)
    return found


@pytest.mark.parametrize(
    ('depths', 'slices', 'missing', 'copies'),
    [
        ([0, 2, 4, 6], 4, 0, 1),
        ([6, 0, 4, 2], 4, 0, 1),
        ([0, 2, 6, 8], 4, 1, 1),
        ([0, 2, 4, 12], 4, 3, 1),
        ([0, 0, 2, 2], 2, 0, 2),
        ([0, 2, 2], 2, 0, 2),
        ([0], 1, 0, 1),
        ([0, 2, 4.99, 8], 4, 0, 1),
        ([0, 2, 4, 7.01, 9], 5, 1, 1),
        ([0, 2, 2.6, 4.6, 8.6], 5, 1, 1),
        ([0, 2, 2 + 0.9 * series.SAME_PLACE, 4], 3, 0, 2),
    ],
)
def test_slices_are_counted_by_their_places(depths, slices, missing, copies):
    (volume,) = only(frames(depths)).volumes
    assert (volume.slices, volume.copies) == (slices, copies)
    assert volume.missing == missing


@pytest.mark.parametrize(('apart', 'volumes'), [(0.9, 1), (1.1, 2)])
def test_echo_times_that_differ_by_rounding_are_one(apart, volumes):
    made = frames([0, 2]) + frames([4, 6], time=5.0 + apart * series.SAME_TIME)
    assert len(only(made).volumes) == volumes


@pytest.mark.parametrize(('turn', 'directions'), [(0.9, 1), (1.1, 2)])
def test_directions_that_are_nearly_parallel_are_one(turn, directions):
    other = (1.0, turn * series.PARALLEL, 0.0, 0.0, 1.0, 0.0)
    made = frames([0, 2]) + frames([4, 6], time=9.0, orientation=other)
    assert only(made).directions == directions


def test_files_that_hold_one_volume_are_alone():
    assert only(frames([0, 2])).volumes[0].alone
    assert not only(frames([0, 2], of=2)).volumes[0].alone


def test_where_no_field_tells_values_do():
    signed = {0: (0.0, 900.0), 1: (-WRAP, WRAP), 2: (0.0, 800.0), 3: (-WRAP, WRAP)}
    made = frames([0, 0, 2, 2], part='')
    found = only(made, lambda f: signed[int(f.source.stem)])
    assert sorted(v.part for v in found.volumes) == ['mag', 'phase']
    asked = []
    quiet = only(frames([0, 2, 4], part=''), lambda f: asked.append(f) or (0.0, 1.0))
    assert quiet.parts == {'mag'}
    assert len(asked) == 1  # one image of all is enough
    low = only(frames([0, 2, 4], part=''), lambda f: (-700.0, 800.0))
    assert low.parts == {'signed'}


@pytest.mark.parametrize(
    ('shape', 'fits'),
    [((10, 12, 6), True), ((6, 10, 12), True), ((12, 10, 7), False), ((12, 10), False),
     ((12, 10, 6, 2), False)],
)  # fmt: skip
def test_what_the_converter_made_has_the_series_own_shape(tmp_path, shape, fits):
    path = tmp_path / 'x.nii'
    nib.save(nib.Nifti1Image(np.zeros(shape, np.uint8), np.eye(4)), path)
    one = series.Series(Header(number=4), geometry=(10, 12, 2.0, 2.0))
    volume = series.Volume(slices=6)
    if fits:
        _check_shape(path, one, volume)
    else:
        with pytest.raises(InputError, match='was converted to shape'):
            _check_shape(path, one, volume)


def test_files_for_the_converter_are_numbered_on(tmp_path):
    paths = [tmp_path / f'{n}.dcm' for n in range(3)]
    for path in paths:
        path.write_text('x')
    volume = series.Volume(sources={path: (0,) for path in paths}, alone=True)
    (tmp_path / 'in').mkdir()
    _gather_inputs(volume, tmp_path / 'in')
    assert [p.name for p in sorted((tmp_path / 'in').iterdir())] == [
        '000001.dcm', '000002.dcm', '000003.dcm',
    ]  # fmt: skip
