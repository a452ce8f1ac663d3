"""The anatomical half on a head of known pose: brain, labels, transforms, warnings."""

from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nipype.pipeline.engine import Node
from toy_anatomy import grid_around, pose, sample, save, toy_head

from nigra.interfaces.anatomy.atlas import load_dgm_atlas, region_table
from nigra.interfaces.anatomy.bias import CorrectBias
from nigra.interfaces.anatomy.brain_mask import BrainMask, mask_warnings
from nigra.interfaces.anatomy.gre_to_t1w import AlignGre, gre_warnings
from nigra.interfaces.anatomy.itk import Engine, read_volume, write
from nigra.interfaces.anatomy.label_gre import LabelGre, label_table
from nigra.interfaces.anatomy.labels import check_labels, draw_labels, labels_on, voting_parts
from nigra.interfaces.anatomy.template_on_t1w import TemplateOnT1w
from nigra.interfaces.anatomy.whole_brain import AlignTemplate
from nigra.interfaces.methods import Methods
from nigra.interfaces.outputs import Gather
from nigra.interfaces.reports.participant_page import region_names
from nigra.nodes.anatomy.similarity import dice
from nigra.nodes.errors import InputError, NigraError
from nigra.workflows import anat, registration

FAST = {'preset': 'testing', 'nthreads': 1, 'random_seed': 7}
METHODS = Methods(registration='testing', random_seed=7)
HEAD_POSE = pose((9, -4, 6), (6, 12, -8), 1.04)
"""Of the head in T1w world: template points to T1w points."""
MOVED = pose((3, -2, 4), (3, -5, 4))
"""Of the head between the scans: T1w points to GRE points."""


def load(path):
    return np.asarray(nib.load(path).dataobj)


def mean_dice(found, truth):
    names = region_names()
    nuclei = [[k for k, v in names.items() if v == name] for name in set(names.values())]
    tested = [k for k in nuclei if len(k) > 2 or k[0] <= 16]  # wholes, not their thin parts
    return np.mean([dice(np.isin(found, k), np.isin(truth, k)) for k in tested])


def draw(toy, data, affine, shape, to_world, *, order=1):
    return sample(data, to_world @ toy.affine, affine, shape, order=order)


def run(workflow, folder):
    """Run a workflow and return what reaches its output node."""
    workflow.base_dir = str(folder)
    workflow.config['execution'] = {'check_version': False, 'crashdump_dir': str(folder)}
    collect = Node(Gather(workflow.get_node('outputnode').inputs.copyable_trait_names()),
                   name='collect')  # fmt: skip
    outputnode = workflow.get_node('outputnode')
    for field in collect.interface._fields:
        workflow.connect(outputnode, field, collect, field)
    graph = workflow.run(plugin='Linear')
    last = next(node for node in graph.nodes() if node.name == 'collect')
    return last.result.outputs.out


@pytest.fixture(scope='module')
def toy():
    return toy_head()


@pytest.fixture(scope='module')
def t1w(toy, tmp_path_factory):
    """T1w of 2 mm with gain and noise, and its truth."""
    folder = tmp_path_factory.mktemp('t1w')
    shape = (94, 115, 100)
    affine = grid_around(np.array([5.0, -8, -4]), shape, (2.0,) * 3)
    image = draw(toy, toy.t1w, affine, shape, HEAD_POSE)
    gain = 1 + 0.3 * np.linspace(-1, 1, shape[1])[None, :, None]
    noise = np.random.default_rng(4).normal(0, 2, shape)
    return SimpleNamespace(
        path=save(np.abs(image * gain + noise), affine, folder / 'sub-01_T1w.nii.gz'),
        brain=draw(toy, toy.brain.astype(np.float32), affine, shape, HEAD_POSE) > 0.5,
        labels=draw(toy, toy.labels, affine, shape, HEAD_POSE, order=0),
        affine=affine,
    )


@pytest.fixture(scope='module')
def anatomy(t1w, tmp_path_factory):
    workflow = anat.init_anat_wf(METHODS)
    workflow.inputs.inputnode.t1w = t1w.path
    return SimpleNamespace(**run(workflow, tmp_path_factory.mktemp('anat')))


def gre_scan(toy, folder, *, turn=(0, 0, 0), codes='RAS', shape=(76, 96, 36)):
    """Gradient echo of a slab through the deep grey, and its truth."""
    to_world = MOVED @ HEAD_POSE
    centre = (to_world @ [0, -10, 5, 1])[:3]
    affine = grid_around(centre, shape, (2.2, 2.0, 2.6), turn)
    image = draw(toy, toy.gre, affine, shape, to_world)
    noise = np.random.default_rng(5).normal(0, 3, shape)
    labels = draw(toy, toy.labels, affine, shape, to_world, order=0)
    brain = draw(toy, toy.brain.astype(np.float32), affine, shape, to_world) > 0.5
    paths = {}
    for name, data in (('mag', np.abs(image + noise)), ('labels', labels), ('brain', brain)):
        stored = nib.Nifti1Image(np.asarray(data, np.float32), affine)
        turned = nib.orientations.ornt_transform(
            nib.orientations.axcodes2ornt('RAS'), nib.orientations.axcodes2ornt(codes)
        )
        paths[name] = str(Path(folder) / f'{name}_{codes}.nii.gz')
        nib.save(stored.as_reoriented(turned), paths[name])
    return SimpleNamespace(**paths)


def register_gre(scan, anatomy, folder):
    workflow = registration.init_registration_wf(METHODS)
    workflow.inputs.inputnode.gre_magnitude = scan.mag
    for field in ('t1w_preproc', 'brain_mask', 'template_to_t1w_xfm'):
        setattr(workflow.inputs.inputnode, field, getattr(anatomy, field))
    return SimpleNamespace(**run(workflow, folder))


@pytest.fixture(scope='module')
def slab(toy, tmp_path_factory):
    return gre_scan(toy, tmp_path_factory.mktemp('slab'), turn=(18, 0, 5))


@pytest.fixture(scope='module')
def labelled(slab, anatomy, tmp_path_factory):
    return register_gre(slab, anatomy, tmp_path_factory.mktemp('gre'))


def test_brain_and_labels_of_a_head_lie_where_they_were_put(anatomy, t1w):
    assert dice(load(anatomy.brain_mask) > 0, t1w.brain) > 0.93
    assert mean_dice(load(anatomy.labels_in_t1w), t1w.labels) > 0.75
    assert anatomy.warnings == []


def test_results_stay_on_the_grid_of_the_t1w(anatomy, t1w):
    for field in ('t1w_preproc', 'brain_mask', 'labels_in_t1w', 'template_in_t1w'):
        image = nib.load(getattr(anatomy, field))
        assert image.shape == t1w.brain.shape
        np.testing.assert_allclose(image.affine, t1w.affine, atol=1e-4, equal_nan=False)


def test_gain_is_removed(anatomy, t1w):
    inside = t1w.labels > 0

    def unevenness(path):
        data = load(path)
        values = [data[t1w.labels == k].mean() for k in (1, 2, 7, 8, 9, 10)]
        return np.ptp(values[4:]) + np.std(data[inside]), np.median(data[inside])

    before, after = unevenness(t1w.path), unevenness(anatomy.t1w_preproc)
    assert after[0] / after[1] < before[0] / before[1]


def test_transforms_from_disk_reproduce_the_labels(anatomy, tmp_path):
    grid = read_volume(anatomy.t1w_preproc)
    again = labels_on(
        grid, load_dgm_atlas(), [Path(anatomy.template_to_t1w_xfm)], tmp_path, Engine()
    )
    np.testing.assert_array_equal(again, load(anatomy.labels_in_t1w))


def test_there_and_back_again_is_where_one_started(anatomy, t1w, tmp_path):
    grid = read_volume(anatomy.t1w_preproc).isotropic(4.0)
    reference = write(grid, tmp_path / 'grid.nii')
    pair = [Path(anatomy.t1w_to_template_xfm), Path(anatomy.template_to_t1w_xfm)]
    there_and_back = Engine().displacement(pair, reference)
    inside = sample(t1w.brain.astype(float), t1w.affine, grid.affine, grid.data.shape) > 0.9
    assert np.linalg.norm(there_and_back[:, inside], axis=0).mean() < 0.3


def test_numbers_and_settings_are_reported(anatomy):
    assert anatomy.quality['template']['template_correlation'] > 0.6
    assert anatomy.quality['deep_grey']['jacobian_min'] > 0
    assert anatomy.quality['brain']['brain_ml'] == pytest.approx(1887 * 1.04**3, rel=0.08)
    for step in ('whole_brain', 'deep_grey', 'bias'):
        assert anatomy.parameters[step]['threads'] == 1
        assert anatomy.parameters[step]['random_seed'] == 7


def test_labels_of_an_oblique_slab_after_a_move(labelled, slab, anatomy, tmp_path):
    found = load(labelled.dseg)
    assert mean_dice(found, load(slab.labels)) > 0.55
    true_rigid = Engine().linear_transform(np.linalg.inv(MOVED), tmp_path / 'rigid.mat')
    transforms = [Path(anatomy.template_to_t1w_xfm), true_rigid]
    best = labels_on(read_volume(slab.mag), load_dgm_atlas(), transforms, tmp_path, Engine())
    assert mean_dice(found, best) > 0.8
    assert dice(load(labelled.brain_mask_in_gre) > 0, load(slab.brain) > 0) > 0.95
    assert labelled.quality['gre_to_t1w']['nmi'] > labelled.quality['gre_to_t1w']['nmi_headers']
    assert labelled.warnings == []


def test_rigid_transform_is_the_true_one(labelled, slab, tmp_path):
    grid = read_volume(slab.brain)
    vectors = Engine().displacement(
        [Path(labelled.gre_to_t1w_xfm)], write(grid, tmp_path / 'grid.nii')
    )
    inside = grid.data > 0
    points = np.argwhere(inside) @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    expected = points @ MOVED[:3, :3].T + MOVED[:3, 3] - points
    assert np.linalg.norm(vectors[:, inside].T - expected, axis=1).mean() < 1.0


def test_label_values_and_their_table_agree(labelled):
    table = pd.read_csv(labelled.dseg_tsv, sep='\t')
    known = region_table().dropna(subset='index')
    assert list(table.columns) == ['index', 'name', 'color', 'region', 'hemisphere', 'whole']
    assert dict(zip(table['index'], table.region, strict=True)) == dict(
        zip(known['index'].astype(int), known.region, strict=True)
    )
    found = set(np.unique(load(labelled.dseg)))
    assert {0, *table['index']} - {21, 22} <= found <= {0, *table['index']}  # a tiny part may go
    assert nib.load(labelled.dseg).get_data_dtype() == np.uint8


def test_order_of_storage_does_not_change_the_labels(toy, anatomy, labelled, slab, tmp_path):
    turned = gre_scan(toy, tmp_path, turn=(18, 0, 5), codes='LSA')
    other = register_gre(turned, anatomy, tmp_path)
    image = nib.as_closest_canonical(nib.load(other.dseg))
    first = nib.as_closest_canonical(nib.load(labelled.dseg))
    np.testing.assert_allclose(image.affine, first.affine, atol=1e-4, equal_nan=False)
    assert mean_dice(np.asarray(image.dataobj), np.asarray(first.dataobj)) > 0.99


@pytest.mark.slow
def test_a_t1w_stored_otherwise_without_origin_or_skull_gives_the_same_labels(
    toy, t1w, anatomy, tmp_path
):
    image = nib.load(t1w.path)
    data = np.where(t1w.brain, image.get_fdata(), 0).astype(np.float32)
    affine = image.affine.copy()
    affine[:3, 3] += (90, 120, 60)
    turn = nib.orientations.ornt_transform(
        nib.orientations.axcodes2ornt('RAS'), nib.orientations.axcodes2ornt('LSP')
    )
    path = tmp_path / 'odd_T1w.nii.gz'
    nib.save(nib.Nifti1Image(data, affine).as_reoriented(turn), path)
    workflow = anat.init_anat_wf(METHODS)
    workflow.inputs.inputnode.t1w = str(path)
    found = SimpleNamespace(**run(workflow, tmp_path))
    labels = nib.as_closest_canonical(nib.load(found.labels_in_t1w))
    assert mean_dice(np.asarray(labels.dataobj), load(anatomy.labels_in_t1w)) > 0.8
    brain = nib.as_closest_canonical(nib.load(found.brain_mask))
    assert dice(np.asarray(brain.dataobj) > 0, t1w.brain) > 0.93


def test_transform_that_misses_gives_a_warning(anatomy, tmp_path):
    away = Engine().linear_transform(pose((0, 0, 40), (15, -20, 10)), tmp_path / 'away.mat')
    result = TemplateOnT1w(
        t1w=anatomy.t1w_preproc, brain_mask=anatomy.brain_mask, template_to_t1w_xfm=str(away),
        **FAST,
    ).run(cwd=str(tmp_path))  # fmt: skip
    assert len(result.outputs.warnings) == 1
    assert 'registration has probably failed' in result.outputs.warnings[0]


def test_regions_outside_the_field_of_view_are_named(anatomy, toy, tmp_path):
    scan = gre_scan(toy, tmp_path, shape=(76, 96, 8))
    identity = Engine().linear_transform(np.linalg.inv(MOVED), tmp_path / 'rigid.mat')
    outputs = LabelGre(
        gre_magnitude=scan.mag, t1w=anatomy.t1w_preproc, brain_mask=anatomy.brain_mask,
        template_to_t1w_xfm=anatomy.template_to_t1w_xfm, t1w_to_gre_xfm=str(identity), **FAST,
    ).run(cwd=str(tmp_path)).outputs  # fmt: skip
    assert 'red_nucleus_L' in outputs.warnings[0]
    assert 'thalamus_L' not in outputs.warnings[0]
    assert outputs.quality['brain_in_view'] < 0.4


@pytest.mark.parametrize(
    ('volume', 'overlap', 'fraction', 'words'),
    [
        (1400, 0.95, 0.3, []),
        (300, 0.95, 0.3, ['300 mL']),
        (1400, 0.6, 0.3, ['0.60']),
        (5000, 0.5, 0.99, ['5000 mL', '0.50', '99%']),
    ],
)
def test_masks_that_are_no_brain_are_reported(volume, overlap, fraction, words):
    warnings = mask_warnings(volume, overlap, fraction)
    assert len(warnings) == len(words)
    assert all(word in text for word, text in zip(words, warnings, strict=True))


@pytest.mark.parametrize(
    ('change', 'word'),
    [
        ({'nmi': 1.005}, 'failed'),
        ({'nmi_headers': 1.2}, 'headers'),
        ({'shift_mm': 80}, '80 mm'),
        ({'misfit_mm': 3.0, 'stretch': 1.08}, '3.0 mm and stretches it by 8 %'),
    ],
)
def test_doubtful_rigid_alignment_is_reported(change, word):
    good = {'nmi': 1.1, 'nmi_headers': 1.05, 'shift_mm': 3.0, 'turn_deg': 2.0,
            'misfit_mm': 3.0, 'stretch': 1.03}  # fmt: skip
    assert gre_warnings(good) == []
    assert any(word in text for text in gre_warnings(good | change))


@pytest.mark.parametrize(
    ('data', 'words'),
    [
        (np.full((20, 20, 20), 5.0), 'is 5 in every voxel'),
        (np.random.default_rng(0).random((20, 20, 20, 3)), 'give a single 3D volume'),
    ],
)
def test_a_t1w_that_is_none_is_refused_in_one_sentence(tmp_path, data, words):
    path = save(data, np.eye(4), tmp_path / 'sub-01_T1w.nii.gz')
    for interface in (AlignTemplate(t1w=path, **FAST), CorrectBias(in_file=path, **FAST)):
        with pytest.raises(InputError, match=rf'sub-01_T1w\.nii\.gz.*{words}'):
            interface.run(cwd=str(tmp_path))


def test_an_empty_mask_is_refused_in_one_sentence(anatomy, tmp_path):
    image = nib.load(anatomy.brain_mask)
    empty = save(np.zeros(image.shape), image.affine, tmp_path / 'empty.nii.gz', np.uint8)
    with pytest.raises(InputError, match='no brain was found'):
        BrainMask(t1w=anatomy.t1w_preproc, prior=empty).run(cwd=str(tmp_path))
    with pytest.raises(NigraError, match='holds no voxel'):
        AlignGre(
            gre_magnitude=anatomy.t1w_preproc, t1w=anatomy.t1w_preproc, brain_mask=empty, **FAST
        ).run(cwd=str(tmp_path))


def test_values_that_an_atlas_lacks_are_refused():
    check_labels(np.array([0.0, 3.0]), np.array([0, 2, 3]))
    with pytest.raises(NigraError, match=r'\[2\.5\]'):
        check_labels(np.array([0.0, 2.5]), np.array([0, 2, 3]))


@pytest.mark.parametrize('voxel', [(1.0, 1.0, 1.0), (1.5, 1.5, 2.0), (0.7, 0.7, 3.3)])
def test_volumes_do_not_depend_on_the_voxel_size(voxel, tmp_path):
    atlas = load_dgm_atlas()
    shape = tuple(int(np.ceil(n / v)) for n, v in zip((90, 80, 60), voxel, strict=True))
    affine = grid_around(np.array([0.3, -13.2, 4.4]), shape, voxel, (10, 0, 7))
    grid = read_volume(save(np.indices(shape)[0], affine, tmp_path / 'grid.nii'))
    identity = Engine().linear_transform(np.eye(4), tmp_path / 'identity.mat')
    labels = labels_on(grid, atlas, [identity], tmp_path, Engine())
    drawn = np.bincount(labels.ravel(), minlength=23) * np.prod(voxel)
    true = np.bincount(np.asarray(atlas.image.dataobj).ravel())
    large = [list(p) for p in atlas.regions.parts if true[list(p)].sum() > 1500]
    assert len(large) > 10
    volumes, truth = (np.array([v[p].sum() for p in large]) for v in (drawn, true))
    np.testing.assert_allclose(volumes, truth, rtol=0.04, equal_nan=False)
    assert all(voting_parts(v) % 2 == 1 for v in voxel)


def test_a_voxel_has_the_label_that_fills_most_of_it(tmp_path):
    voxel, shape = (1.6, 1.2, 3.3), (56, 66, 18)
    affine = grid_around(np.array([0.3, -13.2, 4.4]), shape, voxel, (10, 0, 7))
    grid = read_volume(save(np.indices(shape)[0], affine, tmp_path / 'grid.nii'))
    identity = Engine().linear_transform(np.eye(4), tmp_path / 'identity.mat')
    drawn = draw_labels(grid, load_dgm_atlas(), [identity], tmp_path, Engine())
    values, parts = list(drawn.fractions), np.stack(list(drawn.fractions.values()))
    filled, labels = parts.sum(0), drawn.labels[drawn.box]
    assert len(values) > 15
    assert filled.max() == pytest.approx(1)
    won = labels > 0
    assert (np.array(values)[parts.argmax(0)] == labels)[won].mean() > 0.98  # of equals, the first
    for value, part in drawn.fractions.items():
        np.testing.assert_array_equal(part[labels == value], parts.max(0)[labels == value])
    assert (filled[~won] < 1).all()


def test_every_label_has_a_name():
    values = set(np.unique(np.asarray(load_dgm_atlas().image.dataobj))) - {0}
    assert set(label_table()['index']) == values
