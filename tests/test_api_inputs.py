"""What people bring to the functions in Python: taken as it is meant, or refused clearly."""

from dataclasses import replace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from phantoms import head, signal

import nigra
from nigra.nodes.errors import InputError

TIMES = [0.006, 0.014]
AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
OTHER = np.diag([2.0, 2.0, 3.0, 1.0])
NAMES = {1: 'Left Putamen', 2: 'Right Putamen'}


@pytest.fixture(scope='module')
def scan():
    phantom = head((24, 22, 20), (2.0, 2.0, 2.0), (0, 0, 1))
    size, angle, _ = signal(phantom, TIMES, 3.0, np.random.default_rng(0))
    return {'phase': angle.astype('f4'), 'magnitude': size.astype('f4'), 'mask': phantom['mask']}


@pytest.fixture(scope='module')
def wanted(scan):
    return run(scan)


def run(scan, **changes):
    given = {**scan, 'echo_times': TIMES, 'b0': 3.0, 'affine': AFFINE, 'inversion': 'tkd'}
    return nigra.reconstruct(**given | {'settings': {'background.iterations': 5}} | changes)


def read_only(data):
    out = data.copy()
    out.flags.writeable = False
    return out


CHANGES = {
    'another byte order': lambda a: a.astype(a.dtype.newbyteorder('>')),
    'columns first': np.asfortranarray,
    'read-only': read_only,
    'double precision': lambda a: a.astype(float),
    'generator': lambda a: (each for each in np.moveaxis(a, -1, 0)) if a.ndim == 4 else a,
    'objects': lambda a: a.astype(object),
    'masked': np.ma.masked_invalid,
    'NIfTI 2': lambda a: nib.Nifti2Image(a.astype('f4'), AFFINE),
}


@pytest.mark.parametrize('change', CHANGES)
def test_arrays_of_any_kind_give_one_map(scan, wanted, change):
    given = {name: CHANGES[change](data) for name, data in scan.items()}
    np.testing.assert_array_equal(run(scan, **given).chimap, wanted.chimap)


@pytest.mark.parametrize('kind', ['table', 'text', 'one number'])
def test_times_field_strength_and_threads_are_taken_as_they_are_meant(scan, wanted, kind):
    times = {'table': pd.Series(TIMES), 'text': list(map(str, TIMES))}.get(kind, tuple(TIMES))
    b0 = {'table': np.array([3.0]), 'text': '3', 'one number': 3}[kind]
    made = run(scan, echo_times=times, b0=b0, nthreads=2.0)
    np.testing.assert_array_equal(made.chimap, wanted.chimap)


def test_paths_may_begin_at_home_and_name_reference_and_sidecar(
    scan, wanted, tmp_path, monkeypatch
):
    monkeypatch.setenv('HOME', str(tmp_path))
    nib.save(nib.Nifti1Image(scan['phase'], AFFINE), tmp_path / 'phase.nii.gz')
    nib.save(nib.Nifti1Image(scan['mask'].astype('u1'), AFFINE), tmp_path / 'mask.nii.gz')
    (tmp_path / 'phase.json').write_text('{"Units": "rad"}')
    made = run(
        scan, phase='~/phase.nii.gz', reference=str(tmp_path / 'mask.nii.gz'),
        metadata='~/phase.json',
    )  # fmt: skip
    np.testing.assert_array_equal(made.localfield, wanted.localfield)
    assert made.parameters['reference']['n_voxels'] == wanted.mask.sum()


def test_a_result_is_shown_in_a_line_and_saved_at_home(wanted, tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    assert (tmp_path / 'maps' / 'chimap.nii.gz') in wanted.save('~/maps')
    shown = (
        '<Reconstruction of 24 x 22 x 20 voxels: chimap, localfield, totalfield, r2star, mask; '
    )
    assert repr(replace(wanted, warnings=('one',))) == f'{shown}1 warning>'
    assert repr(replace(wanted, warnings=())) == f'{shown}0 warnings>'


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'b0': 127.7}, 'b0: is 127.7; give it in tesla, 0.2 to 12'),
        ({'b0': 10**400}, 'b0: is 10*; give it in tesla'),
        ({'echo_times': [0.01, 10**400]}, r'echo_times: are \[0.01, 10*\]; give rising times'),
        ({'b0': None}, 'b0: is None'),
        ({'b0': '3T'}, "b0: is '3T'"),
        ({'b0': [0, 0, 1]}, r'b0: is \[0, 0, 1\]'),
        ({'echo_times': '6 14'}, 'echo_times: are 6 14; give rising times in seconds'),
        ({'echo_times': None}, 'echo_times: are None'),
        ({'echo_times': [TIMES]}, 'echo_times: are'),
        ({'affine': 'RAS'}, "affine: is 'RAS'; give 4 x 4 numbers"),
        ({'affine': AFFINE * np.nan}, 'affine: holds values that are no numbers'),
        ({'mask': None}, 'mask: is not given'),
        ({'magnitude': None}, 'magnitude: is not given'),
        ({'phase': {'a': 1}}, 'phase: is of type dict, which holds no image of numbers'),
        ({'phase': b'phase.nii'}, 'phase: is of type bytes'),
        ({'nthreads': 1.5}, 'nthreads: is 1.5; give a whole number'),
        ({'metadata': ['a']}, 'metadata: is of type list; give a mapping'),
    ],
)
def test_what_is_no_image_or_number_is_told_with_its_argument(scan, changes, words):
    with pytest.raises(InputError, match=words) as caught:
        run(scan, **changes)
    assert '\n' not in str(caught.value)


def test_complex_images_echoes_first_and_another_affine_are_told(scan):
    signal_ = scan['magnitude'] * np.exp(1j * scan['phase'])
    with pytest.raises(InputError, match=r'phase: holds complex numbers; give numpy.abs\(\)'):
        run(scan, phase=signal_)
    with pytest.raises(InputError, match=r'give numpy.moveaxis\(phase, 0, -1\)'):
        run(scan, phase=np.moveaxis(scan['phase'], -1, 0))
    image = nib.Nifti1Image(scan['phase'], AFFINE)
    with pytest.raises(InputError, match=r'affine: is up to 19\.00 mm from phase'):
        run(scan, phase=image, affine=OTHER)


@pytest.fixture(scope='module')
def labels(scan):
    out = np.zeros(scan['mask'].shape, int)
    out[8:11, 9:13, 8:12], out[13:16, 9:13, 8:12] = 1, 2
    return out


@pytest.mark.parametrize(
    'names',
    [
        pd.Series(NAMES), {'1': NAMES[1], 2.0: NAMES[2]},
        pd.DataFrame({'name': NAMES.values()}, index=pd.Index([1, 2], name='index')),
    ],
)  # fmt: skip
def test_names_and_labels_of_any_kind_give_one_table(wanted, labels, names):
    told = nigra.measure(wanted, labels, NAMES)
    for given in (labels.astype(float), CHANGES['another byte order'](labels), labels[..., None]):
        pd.testing.assert_frame_equal(nigra.measure(wanted, given, names), told)


def test_labels_and_maps_of_another_place_shape_or_unit_are_told(wanted, labels):
    elsewhere = nib.Nifti1Image(labels.astype(np.int16), OTHER)
    with pytest.raises(InputError, match=r'labels: is up to 19\.00 mm from chimap'):
        nigra.measure(wanted, elsewhere, NAMES)
    with pytest.raises(InputError, match=r'labels: has shape \(24, 22, 20, 3\)'):
        nigra.measure(wanted, np.stack([labels] * 3, axis=-1), NAMES)
    with pytest.raises(InputError, match=r'chimap: has a median of .* give ppm'):
        nigra.measure(wanted.chimap * 1e3, labels, NAMES, mask=wanted.mask)
    with pytest.raises(InputError, match='names: hold no region'):
        nigra.measure(wanted, labels, {})


@pytest.fixture(scope='module')
def study(labels):
    people = pd.DataFrame({
        'participant_id': [f'sub-{i:02d}' for i in range(12)], 'group': ['A', 'B'] * 6,
        'age': np.linspace(30, 60, 12),
    })  # fmt: skip
    tables = [
        nigra.measure(
            np.where(labels > 0, 0.04 + 0.001 * (i * 7 % 5) + 0.002 * (i % 2), 0), labels, NAMES,
            affine=AFFINE, participant_id=who,
        )
        for i, who in enumerate(people.participant_id)
    ]  # fmt: skip
    return tables, people


def compare(tables, people, **options):
    chosen = {'measures': 'chi_mean', 'permutations': 0, 'bootstraps': 0} | options
    return nigra.compare(tables, people, **chosen).contrasts


def test_tables_of_any_kind_give_one_comparison(study):
    tables, people = study
    told = compare(tables, people, measures=['chi_mean'], covariates=['age'])
    joined = pd.concat(tables)
    for table, participants in (
        (iter(tables), people.to_dict('list')),
        ({t.participant_id[0]: t for t in tables}, people.convert_dtypes()),
        (joined.set_index(['participant_id', 'region']), people.set_index('participant_id')),
        (joined.convert_dtypes(), people.sample(frac=1, random_state=1)),
    ):
        found = compare(
            table, participants, covariates='age', regions='putamen', levels=('A', 'B')
        )
        pd.testing.assert_frame_equal(found, told)


def test_regions_of_one_name_in_two_atlases_stay_apart(study):
    """As in files; the second was left out as if somebody had been measured twice."""
    tables, people = study
    other = [t.assign(atlas='other', chi_mean=2 * t.chi_mean) for t in tables]
    found = compare([*tables, *other], people)
    both = found[found.hemisphere == 'both'].set_index('region').estimate
    assert both['other.putamen'] == pytest.approx(2 * both['labels.putamen'])


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        ({'covariates': 'bmi'}, "no column 'bmi'; give covariates one of"),
        ({'groups': 'dx', 'levels': ['A', 'B']}, 'give groups one of|no column'),
        ({'levels': 'C'}, "levels C: is no value of column 'group'"),
        ({'reference_group': 'C'}, 'reference_group C: '),
        ({'measures': 'chi'}, 'measures chi: is no measure'),
        ({'permutations': 2.5}, 'permutations: is 2.5; give a whole number'),
        ({'bootstraps': True}, 'bootstraps: is True; give a whole number'),
        ({'permutations': 10**400}, 'permutations: is above 10000000; give a whole number from 0'),
        ({'bootstraps': 10_000_001}, 'bootstraps: is above 10000000; give a whole number from 0'),
        ({'nthreads': -1}, 'nthreads: is -1; give a whole number from 0 on'),
        ({'tables': 'nowhere'}, 'nowhere: is not there; give region tables, or their folder'),
        ({'tables': None}, 'table: is of type NoneType; give data frames or paths'),
        ({'people': 7}, 'participants: is of type int; give a data frame or a path'),
    ],
)
def test_errors_name_arguments_and_not_options_of_the_command(study, options, words):
    tables, people = study
    with pytest.raises(InputError, match=words) as caught:
        compare(**{'tables': tables, 'people': people} | options)
    assert '--' not in str(caught.value)
