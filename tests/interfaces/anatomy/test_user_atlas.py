"""Atlases that users bring: names, spaces, and what is refused in one sentence."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from helpers import write_image

from nigra.cli.app import visit_fingerprint
from nigra.cli.checks import check_atlases
from nigra.cli.find import find_all
from nigra.cli.settings import Settings
from nigra.interfaces.anatomy.atlas import load_template
from nigra.interfaces.anatomy.itk import Engine
from nigra.interfaces.anatomy.label_gre import LabelGre
from nigra.interfaces.anatomy.user_atlas import (
    AtlasSource,
    atlas_source,
    atlas_sources,
    check_in_template,
    read_atlas,
    read_names,
    source_of,
    space_warnings,
    split_side,
)
from nigra.interfaces.bids import find_visits
from nigra.interfaces.gather import read_region_tables
from nigra.interfaces.methods import Methods
from nigra.interfaces.regions import RegionTable
from nigra.nodes.errors import InputError

NAMES = 'index\tname\n1\tLeft_Dentate\n2\tRight_Dentate\n300\tVermis VI\n'
AFFINE = np.array([[2.0, 0, 0, -20.3], [0, 2, 0, -80.3], [0, 0, 2, -50.3], [0, 0, 0, 1]])


def write_atlas(folder, name='space-MNI152NLin2009cAsym_seg-own_dseg.nii.gz', *, names=NAMES,
                data=None, affine=AFFINE, dtype=np.int16):  # fmt: skip
    if data is None:
        data = np.zeros((20, 12, 12))
        data[2:6, 3:8, 3:8], data[13:17, 3:8, 3:8], data[8:11, 3:8, 3:8] = 1, 2, 300
    path = write_image(folder / name, data, affine=affine, dtype=dtype)
    (folder / 'dseg.tsv').write_text(names)
    return path


@pytest.mark.parametrize(
    ('name', 'region', 'side'),
    [
        ('Left-Cerebellum-Cortex', 'Cerebellum_Cortex', 'L'),
        ('rh.caudate', 'caudate', 'R'),
        ('Thal_Limitans_L', 'Thal_Limitans', 'L'),
        ('dentate right', 'dentate', 'R'),
        ('L', 'L', 'both'),
        ('Brainstem', 'Brainstem', 'both'),
        ('Llama_nucleus', 'Llama_nucleus', 'both'),
    ],
)
def test_sides_of_names(name, region, side):
    assert split_side(name) == (region, side)


def test_table_columns_win_over_names(tmp_path):
    path = tmp_path / 'dseg.tsv'
    path.write_text(
        'index\tname\tregion\themisphere\n0\tbackground\tn/a\tn/a\n7\tX1\tMy Nucleus\tR\n'
    )
    table = read_names(path)
    assert table[['index', 'region', 'hemisphere']].to_numpy().tolist() == [[7, 'my_nucleus', 'R']]


@pytest.mark.parametrize(
    ('text', 'sentence'),
    [
        ('index\tlabel\n1\ta\n', "has no column 'name'"),
        ('index\tname\n1\ta\n1\tb\n', 'has the index'),
        ('index\tname\nx\ta\n', 'has the index'),
        ('index\tname\n1\tn/a\n', 'has no name for 1'),
        ('index\tname\n1\tLeft A\n2\tA_L\n', 'has two labels for a L'),
    ],
)
def test_tables_that_cannot_serve(tmp_path, text, sentence):
    path = tmp_path / 'dseg.tsv'
    path.write_text(text)
    with pytest.raises(InputError, match=sentence):
        read_names(path)


def test_names_and_spaces(tmp_path):
    own = atlas_source(write_atlas(tmp_path))
    assert (own.name, own.space) == ('own', 'MNI152NLin2009cAsym')
    (tmp_path / 'dentate').mkdir()
    sym = atlas_source(write_atlas(tmp_path / 'dentate', 'space-MNI152NLin2009cSym_dseg.nii.gz'))
    assert (sym.name, sym.space) == ('dentate', 'MNI152NLin2009cSym')
    assert space_warnings(own) == []
    assert 'used as if in MNI152NLin2009cAsym' in space_warnings(sym)[0]
    with pytest.raises(InputError, match="is in the space 'fsaverage'"):
        atlas_source(write_atlas(tmp_path, 'space-fsaverage_dseg.nii.gz'))
    with pytest.raises(InputError, match="would be called 'dgm'"):
        atlas_source(write_atlas(tmp_path, 'seg-dgm_dseg.nii.gz'))
    with pytest.raises(InputError, match="has the name 'own' like another atlas"):
        atlas_sources([own.image, write_atlas(tmp_path / 'dentate', 'seg-own_dseg.nii.gz')])


def test_table_of_the_same_stem_wins(tmp_path):
    image = write_atlas(tmp_path)
    beside = image.with_name(image.name.replace('.nii.gz', '.tsv'))
    beside.write_text(NAMES)
    assert atlas_source(image).table == beside
    beside.unlink()
    (tmp_path / 'dseg.tsv').unlink()
    with pytest.raises(InputError, match='has no table of names beside it'):
        atlas_source(image)


def test_labels_beyond_a_byte_are_kept(tmp_path):
    atlas = read_atlas(atlas_source(write_atlas(tmp_path)))
    assert np.asarray(atlas.image.dataobj).dtype == np.uint16
    assert atlas.regions[['region', 'hemisphere', 'parts']].to_numpy().tolist() == [
        ['dentate', 'L', (1,)], ['dentate', 'R', (2,)], ['vermis_vi', 'both', (300,)],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ('data', 'sentence'),
    [
        (np.full((4, 4, 4), 0.5), 'holds values that are no labels'),
        (-np.ones((4, 4, 4)), 'holds values that are no labels'),
        (np.zeros((4, 4, 4)), 'holds no label'),
        (np.full((4, 4, 4), 9), 'does not name the labels 9'),
        (np.ones((4, 4, 4, 3)), 'give one 3D label image'),
        (np.full((4, 4, 4), 2.0**25), 'use labels below 16777216'),
    ],
)
def test_images_that_are_no_labels(tmp_path, data, sentence):
    path = write_atlas(tmp_path, data=data, dtype=np.float32)
    with pytest.raises(InputError, match=sentence):
        read_atlas(atlas_source(path))


def test_atlas_beside_the_brain_is_refused(tmp_path):
    away = AFFINE.copy()
    away[0, 3] += 150
    for affine, fine in ((AFFINE, True), (away, False)):
        source = atlas_source(write_atlas(tmp_path, affine=affine))
        if fine:
            check_in_template(source, read_atlas(source))
        else:
            with pytest.raises(InputError, match='of its labels in the brain of MNI152'):
                check_in_template(source, read_atlas(source))


def settings(raw, tmp_path, *atlases):
    return Settings(raw, tmp_path / 'out', ('participant',), Methods(atlases=atlases))


def test_a_participant_without_an_own_atlas_fails_alone(raw, tmp_path):
    pattern = tmp_path / '{participant}_space-T1w_seg-manual_dseg.nii.gz'
    write_atlas(tmp_path, 'sub-01_space-T1w_seg-manual_dseg.nii.gz')
    chosen = settings(raw, tmp_path, pattern)
    check_atlases(chosen)
    visits, failed = find_all(chosen, ['sub-01', 'sub-02'], {})
    assert [v.participant_id for v in visits] == ['sub-01']
    assert failed['sub-02'][0].startswith(f'{tmp_path}/sub-02_space-T1w_seg-manual_dseg.nii.gz')


def test_results_answer_to_the_atlas(raw, tmp_path):
    (visit,) = find_visits(raw, 'sub-01')
    image = write_atlas(tmp_path)
    keys = [visit_fingerprint(visit, settings(raw, tmp_path)),
            visit_fingerprint(visit, settings(raw, tmp_path, image))]  # fmt: skip
    (tmp_path / 'dseg.tsv').write_text(NAMES + '4\tnew\n')
    keys.append(visit_fingerprint(visit, settings(raw, tmp_path, image)))
    assert len(set(keys)) == 3


def test_mapping_and_back(tmp_path):
    source = AtlasSource('own', Path('a'), Path('b'), 'T1w')
    assert source_of(source.mapping()) == source
    assert source_of({}) is None


@pytest.fixture
def scans(tmp_path):
    """A T1w image that is the template, and a coarse gradient echo that cuts it."""
    template = load_template()
    t1w = tmp_path / 't1w.nii.gz'
    nib.save(template, t1w)
    brain = write_image(tmp_path / 'brain.nii.gz', np.asarray(template.dataobj) > 0,
                        affine=template.affine, dtype=np.uint8)  # fmt: skip
    affine = np.diag([2.0, 2, 3, 1])
    affine[:3, 3] = -40, -90, -46
    gre = write_image(tmp_path / 'gre.nii.gz', shape=(40, 30, 6), affine=affine, dtype=np.float32)
    same = Engine().linear_transform(np.eye(4), tmp_path / 'same.mat')
    return {'gre_magnitude': gre, 't1w': t1w, 'brain_mask': brain,
            'template_to_t1w_xfm': same, 't1w_to_gre_xfm': same}  # fmt: skip


@pytest.mark.parametrize('space', ['MNI152NLin2009cAsym', 'T1w', 'GRE'])
def test_labels_and_their_table_end_to_end(scans, tmp_path, space):
    own = '' if space.startswith('MNI') else 'sub-01_'
    (tmp_path / 'atlas').mkdir()
    path = write_atlas(tmp_path / 'atlas', f'{own}space-{space}_seg-own_dseg.nii.gz')
    pattern = Path(str(path).replace('sub-01', '{participant}'))
    source = atlas_source(pattern, 'sub-01')
    assert source.space == space
    label_gre = LabelGre(atlas=source.mapping(), on_t1w=space != 'GRE', preset='testing', **scans)
    found = label_gre.run(cwd=str(tmp_path))
    labels = nib.load(found.outputs.dseg)
    assert set(np.unique(np.asarray(labels.dataobj))) == {0, 1, 2, 300}
    centre = np.argwhere(np.asarray(labels.dataobj) == 1).mean(axis=0)
    world = labels.affine[:3, :3] @ centre + labels.affine[:3, 3]
    np.testing.assert_allclose(world[:2], (-13.3, -70.3), atol=0.6, equal_nan=False)
    chi = write_image(tmp_path / 'chi.nii.gz', np.full(labels.shape, 0.05), affine=labels.affine,
                      dtype=np.float32)  # fmt: skip
    ones = write_image(tmp_path / 'ones.nii.gz', np.ones(labels.shape), affine=labels.affine)
    given = {'labels_in_t1w': found.outputs.labels_in_t1w} if space != 'GRE' else {}
    out = tmp_path / 'sub-01_seg-own_regions.tsv'
    RegionTable(
        atlas=source.mapping(), chimap=chi, mask=ones, dseg=found.outputs.dseg, brain_mask=ones,
        fractions=found.outputs.fractions, participant_id='sub-01', out_file=str(out), **given,
    ).run()  # fmt: skip
    table = pd.read_csv(out, sep='\t', na_values='n/a').set_index(['region', 'hemisphere'])
    assert 'brain' not in table.index.get_level_values(0)
    assert len(table) == 4  # a nucleus with two sides and both, and one without sides
    assert table.loc[('dentate', 'L'), 'chi_mean'] == pytest.approx(50, abs=1e-3)
    # 4 x 5 x 5 voxels of 8 mm^3
    assert table.loc[('dentate', 'L'), 'volume_mm3'] == pytest.approx(800, rel=0.12)
    assert (table.atlas == 'own').all()
    assert set(read_region_tables([out]).region) == {'own.dentate', 'own.vermis_vi'}


@pytest.mark.parametrize(('space', 'moves'), [('MNI152NLin2009cAsym', 12.0), ('T1w', 0.0)])
def test_labels_on_the_t1w_grid_go_the_way_of_their_atlas(scans, tmp_path, space, moves):
    """From the template through its transform, from the T1w image itself not at all."""
    there = np.eye(4)
    there[1, 3] = -12  # points of the T1w image are looked for 12 mm further back
    scans['template_to_t1w_xfm'] = Engine().linear_transform(there, tmp_path / 'there.mat')
    aside = np.eye(4)
    aside[0, 3] = 5  # which only the grid of the gradient echo hears of
    scans['t1w_to_gre_xfm'] = Engine().linear_transform(aside, tmp_path / 'aside.mat')
    own = '' if space.startswith('MNI') else 'sub-01_'
    (tmp_path / 'atlas').mkdir()
    path = write_atlas(tmp_path / 'atlas', f'{own}space-{space}_seg-own_dseg.nii.gz')
    source = atlas_source(Path(str(path).replace('sub-01', '{participant}')), 'sub-01')
    label_gre = LabelGre(atlas=source.mapping(), on_t1w=True, preset='testing', **scans)
    found = nib.load(label_gre.run(cwd=str(tmp_path)).outputs.labels_in_t1w)
    drawn = nib.load(source.image)
    middles = [
        image.affine[:3, :3] @ np.argwhere(np.asarray(image.dataobj) == 1).mean(axis=0)
        + image.affine[:3, 3]
        for image in (drawn, found)
    ]
    assert middles[1] - middles[0] == pytest.approx((0, moves, 0), abs=0.6)


def test_an_atlas_that_does_not_tell_left_from_right_is_refused(tmp_path):
    path = write_atlas(tmp_path)
    image = nib.load(path)
    image.header['sform_code'] = image.header['qform_code'] = 0
    data = np.asanyarray(image.dataobj)
    nib.save(nib.Nifti1Image(data, None, image.header), path)
    with pytest.raises(InputError, match='nothing tells left from right'):
        read_atlas(atlas_source(path))
