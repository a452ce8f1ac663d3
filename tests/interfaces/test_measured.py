"""Tables and images as people have them in Python: read alike, or refused."""

import numpy as np
import pandas as pd
import pytest
from toy_cohort import make_people, region_rows, write_study

from nigra.interfaces.measured import measure_maps, named_regions, people_and_regions
from nigra.nodes.errors import InputError

KEYS = ('sub-1', None, None, 'labels')


@pytest.fixture(scope='module')
def study(tmp_path_factory):
    """A folder of results, and its participants."""
    root = tmp_path_factory.mktemp('study')
    people = make_people({'A': 3, 'B': 3})
    return root, people, write_study(root, people)


def test_folder_files_and_frames_give_one_table(study):
    root, people, file = study
    paths = sorted(root.rglob('*_regions.tsv'))
    frames = [pd.read_csv(path, sep='\t') for path in paths]
    want, absent, warnings, _ = people_and_regions(root, file, 'group')
    assert len(paths) == len(people) == want.participant_id.nunique()
    assert absent.empty
    for table in (str(root), [root], paths, frames, pd.concat(frames)):
        found, *_ = people_and_regions(table, people, 'group')
        pd.testing.assert_frame_equal(found, want, check_dtype=False)
    # a single file is one person, who is not everybody
    one, absent, *_ = people_and_regions(paths[0], file, 'group')
    assert set(one.participant_id) == {people.participant_id[0]}
    assert len(absent) == len(people) - 1
    assert not warnings


def test_a_label_without_the_prefix_is_the_same_person(study):
    _, people, _ = study
    frame = region_rows('001', np.random.default_rng(0))
    found, *_ = people_and_regions(frame, people, 'group')
    assert set(found.participant_id) == {'sub-001'}
    assert found.session_id.isna().all()


@pytest.mark.parametrize('table', [[], ()])
def test_nothing_is_no_table(study, table):
    _, people, _ = study
    with pytest.raises(InputError, match='holds no region table'):
        people_and_regions(table, people, 'group')


def test_frames_and_paths_do_not_go_together(study):
    root, people, _ = study
    with pytest.raises((InputError, TypeError)):
        people_and_regions([root, region_rows('001', np.random.default_rng(0))], people, 'group')


def test_without_a_mask_a_voxel_without_susceptibility_is_outside():
    """Maps are zero outside the brain; NaN is unknown, too."""
    chi = np.full((5, 5, 5), 0.04, np.float32)
    chi[0], chi[1, 0] = 0, np.nan
    labels = np.ones(chi.shape, int)
    _, regions = named_regions({1: 'putamen'})
    table = measure_maps(chi, labels, regions, KEYS, {}, np.diag([1, 1, 2, 1]), referenced=True)
    row = table.set_index('region').loc['putamen']
    assert row.coverage == pytest.approx((125 - 25 - 5) / 125)
    assert row.chi_mean == pytest.approx(40)
    assert row.volume_mm3 == pytest.approx(250)
    given = {'mask': np.isfinite(chi)}
    table = measure_maps(chi, labels, regions, KEYS, given, None, referenced=True)
    row = table.set_index('region').loc['putamen']
    assert row.coverage == pytest.approx(120 / 125)
    assert row.chi_mean == pytest.approx(40 * 95 / 120)
    assert np.isnan(row.volume_mm3)


def test_names_come_as_mapping_frame_or_file(tmp_path):
    names = {4: 'Left-Caudate', 9: 'Right-Caudate'}
    frame = pd.DataFrame({'index': list(names), 'name': list(names.values())})
    frame.to_csv(tmp_path / 'dseg.tsv', sep='\t', index=False)
    tables = [named_regions(given)[1] for given in (names, frame, tmp_path / 'dseg.tsv')]
    for table in tables[1:]:
        pd.testing.assert_frame_equal(table, tables[0], check_dtype=False)
    assert named_regions(None)[0] != named_regions(names)[0] == 'labels'
    with pytest.raises(InputError, match="no column 'index'"):
        named_regions(frame.drop(columns='index'))
