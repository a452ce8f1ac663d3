"""nigra from Python gives what the command line gives."""

import json
import subprocess
import sys

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from phantoms import head, signal
from scipy import ndimage
from toy_cohort import make_people, write_study

import nigra
from nigra.cli.stage_cli import main as stage
from nigra.interfaces.methods import Methods
from nigra.interfaces.tables import read_table, save_table
from nigra.nodes.errors import InputError
from nigra.nodes.statistics.question import Question
from nigra.workflows.group import init_group_wf
from nigra.workflows.qsm import init_qsm_wf

TIMES = [0.006, 0.014, 0.022]
TILT = 0.2
AFFINE = np.array([
    [2 * np.cos(TILT), 0, 2 * np.sin(TILT), -40],
    [0, 2.1, 0, -30],
    [-2 * np.sin(TILT), 0, 2 * np.cos(TILT), 11],
    [0, 0, 0, 1],
])  # fmt: skip
FEW = {'background.iterations': 10, 'inversion.iterations': 8}


@pytest.fixture(scope='module')
def scan():
    """Images of an oblique head, with a broken voxel, and what it is made of."""
    phantom = head((32, 30, 28), (2.0, 2.1, 2.0), (-np.sin(TILT), 0, np.cos(TILT)))
    size, angle, _ = signal(phantom, TIMES, 3.0, np.random.default_rng(0))
    angle[16, 15, 14, 1] = np.nan
    size[12, 15, 14, 0] = -1.0
    # more than the brain, so that not all of it can be trusted
    mask = ndimage.binary_dilation(phantom['mask'], iterations=2)
    return {'phase': angle, 'magnitude': size, 'mask': mask}, phantom


@pytest.fixture(scope='module')
def folder(scan, tmp_path_factory):
    """The same as files, with JSON sidecars."""
    root = tmp_path_factory.mktemp('scan')
    for name, data in scan[0].items():
        data = data.astype(np.uint8) if data.dtype == bool else data
        nib.save(nib.Nifti1Image(data, AFFINE), root / f'{name}.nii.gz')
    sidecar = {'EchoTime': TIMES, 'MagneticFieldStrength': 3.0}
    (root / 'phase.json').write_text(json.dumps(sidecar))
    return root


def load(path):
    return np.asarray(nib.load(path).dataobj)


def texts(settings):
    return [f'{name}={value}' for name, value in settings.items()]


def by_graph(folder, target, methods, echoes=(0, 1, 2)):
    """Map, mask and R2* of the graph of a run, from the files of a folder."""
    workflow = init_qsm_wf(methods, b0=3.0, n_echoes=len(echoes))
    target.mkdir()
    images = {name: load(folder / f'{name}.nii.gz') for name in ('phase', 'magnitude', 'mask')}
    for name in ('phase', 'magnitude'):
        images[name] = images[name][..., list(echoes)]
    # as loading a run leaves them
    broken = ~np.isfinite(images['phase']).all(axis=3)
    images['phase'][broken] = np.nan
    images['magnitude'][broken] = 0
    images['magnitude'] = np.maximum(images['magnitude'], 0)
    for name, data in zip(('phase', 'magnitude', 'brain_mask'), images.values(), strict=True):
        nib.save(nib.Nifti1Image(data, AFFINE), target / f'{name}.nii.gz')
        setattr(workflow.inputs.inputnode, name, str(target / f'{name}.nii.gz'))
    workflow.inputs.inputnode.echo_times = [TIMES[i] for i in echoes]
    workflow.base_dir = str(target)
    ran = {node.name: node for node in workflow.run(plugin='Linear').nodes()}
    chi = load(ran['set_reference'].result.outputs.chimap)
    last = ran['one_step'] if methods.one_step else ran['remove_background']
    mask = load(last.result.outputs.mask) > 0
    r2star = load(ran['fit_r2star'].result.outputs.r2star) if len(echoes) > 1 else None
    return chi, mask, r2star, ran['parameters'].result.outputs.out


@pytest.mark.parametrize('inversion', ['dual', 'tgv'])
def test_array_stage_and_graph_give_one_map_to_the_bit(scan, folder, tmp_path, inversion):
    settings = {'inversion.iterations': 8} if inversion == 'tgv' else FEW
    result = nigra.reconstruct(
        **scan[0], echo_times=TIMES, b0=3, affine=AFFINE, inversion=inversion, settings=settings
    )
    methods = Methods(inversion=inversion).with_settings(texts(settings))
    chi, mask, r2star, parameters = by_graph(folder, tmp_path / 'graph', methods)
    assert np.abs(chi[mask]).max() > 0.02
    np.testing.assert_array_equal(result.chimap, chi)
    np.testing.assert_array_equal(result.mask, mask)
    np.testing.assert_array_equal(result.r2star, r2star)
    for step in ('field', 'inversion', 'reference', 'r2star'):
        assert result.parameters[step] == parameters[step]
    prefix = 'phase-to-chi' if inversion == 'tgv' else 'inversion'
    options = [w for t in texts(settings) for w in ('--set', t.replace('inversion', prefix))]
    target = tmp_path / 'stage'
    name = [] if inversion == 'dual' else ['--method', inversion]
    assert stage(['end-to-end', str(folder), str(target), *name, *options]) == 0
    np.testing.assert_array_equal(load(target / 'chimap.nii.gz'), chi)
    np.testing.assert_array_equal(load(target / 'mask.nii.gz') > 0, mask)


def test_one_echo_tells_the_conductivity_in_all_three_ways(scan, folder, tmp_path):
    one = {name: a[..., 2:] if a.ndim == 4 else a for name, a in scan[0].items()}
    options = {'inversion': 'tkd', 'settings': {'background.iterations': 5}}
    result = nigra.reconstruct(**one, echo_times=TIMES[2], b0=3, affine=AFFINE, **options)
    methods = Methods(inversion='tkd').with_settings(['background.iterations=5'])
    chi, _, _, parameters = by_graph(folder, tmp_path / 'graph', methods, echoes=(2,))
    np.testing.assert_array_equal(result.chimap, chi)
    assert result.r2star is None
    assert result.parameters['phase']['conductivity'] == parameters['phase']['conductivity'] != 0
    for name in ('phase', 'magnitude', 'mask'):
        nib.save(nib.Nifti1Image(one[name].astype(np.float32), AFFINE), tmp_path / f'{name}.nii')
    (tmp_path / 'params.json').write_text(json.dumps({'TE': TIMES[2], 'B0': 3}))
    words = ['--method', 'tkd', '--set', 'background.iterations=5']
    assert stage(['end-to-end', str(tmp_path), str(tmp_path / 'out'), *words]) == 0
    np.testing.assert_array_equal(load(tmp_path / 'out' / 'chimap.nii.gz'), chi)
    record = json.loads((tmp_path / 'out' / 'chimap.json').read_text())
    told = result.parameters['phase']['conductivity']
    assert record['conductivity'] == pytest.approx(told, abs=6e-4)
    assert record['reference']['method'] == 'brain'


def quick(**changes):
    options = {'inversion': 'tkd', 'settings': {'background.iterations': 3}, 'echo_times': TIMES,
               'b0': 3.0, 'affine': AFFINE}  # fmt: skip
    return nigra.reconstruct(**options | changes)


def test_paths_images_and_single_echoes_are_taken_alike(scan, folder, tmp_path):
    want = quick(**scan[0]).chimap
    paths = {name: folder / f'{name}.nii.gz' for name in scan[0]}
    np.testing.assert_array_equal(quick(**paths, affine=None).chimap, want)
    images = {name: nib.load(path) for name, path in paths.items()}
    np.testing.assert_array_equal(quick(**images, affine=None).chimap, want)
    single = {name: [scan[0][name][..., i] for i in range(3)] for name in ('phase', 'magnitude')}
    np.testing.assert_array_equal(quick(**scan[0] | single).chimap, want)


def test_what_is_given_is_not_changed_and_what_scanners_store_is_read(scan):
    before = {name: array.copy() for name, array in scan[0].items()}
    want = quick(**scan[0]).chimap
    for name, array in scan[0].items():
        np.testing.assert_array_equal(array, before[name])
    degrees = np.rad2deg(scan[0]['phase'])
    other = quick(**scan[0] | {'phase': degrees}, units='deg')
    assert np.abs(other.chimap - want).max() < 1e-3
    assert other.parameters['phase']['stored_as'] == 'degrees'


def test_result_becomes_files_and_tells_how_it_was_made(scan, tmp_path):
    told = []
    result = quick(**scan[0], progress=lambda step, done: told.append((step, done)))
    assert [done for _, done in told] == sorted(done for _, done in told)
    assert told[-1][1] == 1
    assert {'field', 'background', 'inversion'} <= {step for step, _ in told}
    assert 'truncated k-space division (Shmueli' in result.methods
    assert 'BIDS' not in result.methods
    image = result.nifti()
    np.testing.assert_array_equal(np.asarray(image.dataobj), result.chimap)
    np.testing.assert_allclose(image.affine, AFFINE, atol=1e-5, equal_nan=False)
    written = {path.name for path in result.save(tmp_path / 'out')}
    assert written >= {'chimap.nii.gz', 'localfield.nii.gz', 'mask.nii.gz', 'chimap.json'}
    assert all((tmp_path / 'out' / name).stat().st_size for name in written)
    with pytest.raises(nigra.NigraError, match='chimap, localfield'):
        result.nifti('chi')


def test_reference_is_a_region_that_is_given(scan):
    nucleus = scan[1]['nuclei']['three']
    result = quick(**scan[0], reference=nucleus)
    assert abs(result.chimap[nucleus & result.mask].mean()) < 1e-6
    assert result.parameters['reference']['n_voxels'] == (nucleus & result.mask).sum()
    assert 'region that was drawn' in result.methods


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'echo_times': [6, 14, 22]}, 'echo_times.*seconds'),
        ({'echo_times': [0.01, 0.02]}, '2 echo times'),
        ({'inversion': 'magic'}, 'inversion magic.*tkd'),
        ({'settings': {'inversion.threshold': -1}}, 'threshold must lie'),
        ({'reference': 'csp'}, "reference='csp'.*csf"),
        ({'mask': np.ones((3, 3, 3))}, r'mask: has shape \(3, 3, 3\)'),
        ({'mask': np.full((32, 30, 28), 7)}, 'binary'),
        ({'affine': None}, 'affine: is not given'),
        ({'affine': np.eye(3)}, '4 x 4'),
        ({'b0': -1.0}, 'b0: is -1.0; give it in tesla'),
        ({'phase': np.zeros((32, 30, 28, 3))}, 'phase.*constant'),
    ],
)
def test_wrong_input_gets_one_sentence(scan, changes, words):
    with pytest.raises(nigra.NigraError, match=words) as caught:
        quick(**scan[0] | changes)
    assert str(caught.value).count('\n') == 0
    assert '--' not in str(caught.value).split(';')[0]


def test_measure_gives_the_values_of_the_voxels():
    rng = np.random.default_rng(1)
    chi = rng.normal(0.05, 0.02, (6, 7, 8)).astype(np.float32)
    labels = np.zeros((6, 7, 8), int)
    labels[1:3, 1:6, 1:6], labels[3:5, 1:6, 1:6] = 4, 9
    mask = np.ones(chi.shape, bool)
    mask[:, 1] = False
    table = nigra.measure(
        chi, labels, {4: 'Left-Caudate', 9: 'caudate R'}, mask=mask, affine=np.diag([2, 1, 1, 1]),
        participant_id='sub-7',
    )  # fmt: skip
    assert table.columns.tolist()[:6] == [
        'participant_id', 'session_id', 'run_id', 'atlas', 'region', 'hemisphere',
    ]  # fmt: skip
    rows = table.set_index('hemisphere')
    assert set(rows.region) == {'caudate'}
    for side, values in (('L', (4,)), ('R', (9,)), ('both', (4, 9))):
        region = np.isin(labels, values)
        inside = 1e3 * chi[region & mask].astype(float)
        row = rows.loc[side]
        assert row.chi_mean == pytest.approx(inside.mean(), rel=1e-12)
        assert row.chi_median == pytest.approx(np.median(inside), rel=1e-12)
        assert row.chi_sd == pytest.approx(inside.std(ddof=1), rel=1e-12)
        assert row.volume_mm3 == pytest.approx(2 * region.sum(), rel=1e-6)
        assert row.coverage == pytest.approx(0.8)
    assert nigra.measure(chi, labels, {4: 'a', 9: 'b'}).volume_mm3.isna().all()


def test_measure_takes_what_reconstruct_returned(scan):
    result = quick(**scan[0], reference='none')
    labels = scan[1]['nuclei']['one'].astype(np.uint8)
    names = pd.DataFrame({'index': [1], 'name': ['Putamen']})
    table = nigra.measure(result, labels, names, atlas='mine').set_index('region')
    inside = (labels > 0) & result.mask
    assert table.loc['putamen', 'chi_mean'] == pytest.approx(1e3 * result.chimap[inside].mean())
    assert table.loc['putamen', 'r2star_mean'] == pytest.approx(20, abs=3)
    assert table.loc['brain', 'n_voxels'] == scan[0]['mask'].sum()
    assert np.isnan(table.loc['putamen', 'iron_mean'])  # of no reference, no iron
    assert set(table.atlas) == {'mine'}


@pytest.mark.parametrize(
    ('labels', 'names', 'words'),
    [
        (np.ones((4, 4, 3), int), {1: 'a'}, r'labels: has shape'),
        (np.full((4, 4, 4), 1.5), {1: 'a'}, 'no labels'),
        (np.ones((4, 4, 4), int), {2: 'a'}, 'does not name the labels 1'),
        (np.ones((4, 4, 4), int), pd.DataFrame({'index': [1]}), "no column 'name'"),
    ],
)
def test_measure_refuses_what_does_not_fit(labels, names, words):
    with pytest.raises(InputError, match=words):
        nigra.measure(np.ones((4, 4, 4)), labels, names)


def test_compare_gives_the_tables_of_the_group_level(tmp_path):
    people = make_people()
    file = write_study(tmp_path / 'derivatives', people, shifts={'NMO': 12.0})
    question = Question(permutations=100, bootstraps=50, covariates=('age', 'sex'))
    graph = init_group_wf(
        derivatives_dir=file.parent, participants_file=file, output_dir=tmp_path / 'out',
        question=question,
    )  # fmt: skip
    graph.base_dir = str(tmp_path / 'work')
    graph.run(plugin='Linear')
    options = {'covariates': ['age', 'sex'], 'permutations': 100, 'bootstraps': 50}
    frames = [read_table(path) for path in sorted(file.parent.rglob('*_regions.tsv'))]
    for table, participants in ((file.parent, file), (frames, people)):
        study = nigra.compare(table, participants, **options)
        for name in ('models', 'contrasts', 'means', 'sides', 'correlations'):
            told = read_table(tmp_path / 'out' / f'group_{name}.tsv')
            mine = getattr(study, name)
            assert len(told) == len(mine) > 0
            save_table(mine, tmp_path / 'mine.tsv')
            pd.testing.assert_frame_equal(
                read_table(tmp_path / 'mine.tsv'), told, check_exact=True
            )
    first = study.contrasts
    assert (first[first.region == 'thalamus'].contrast == 'NMO - HC').any()


def test_compare_refuses_people_and_tables_that_do_not_fit():
    people = pd.DataFrame({'participant_id': ['sub-1'], 'group': ['A']})
    table = nigra.measure(np.ones((4, 4, 4)), np.ones((4, 4, 4), int), {1: 'a'})
    with pytest.raises(InputError, match='without participant_id'):
        nigra.compare(table, people)
    with pytest.raises(InputError, match='sub-2'):
        nigra.compare(table.assign(participant_id='sub-2'), people)
    with pytest.raises(InputError, match='no column'):
        nigra.compare(people, people)


def test_importing_nigra_loads_nothing_that_computes():
    code = (
        'import sys, nigra; '
        "heavy = {'numpy', 'nibabel', 'nipype', 'pandas', 'numba'} & set(sys.modules); "
        "print(heavy or 'none', 'reconstruct' in dir(nigra))"
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ['none', 'True']
    with pytest.raises(AttributeError, match='reconstrukt'):
        _ = nigra.reconstrukt
