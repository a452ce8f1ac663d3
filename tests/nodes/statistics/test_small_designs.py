"""Whatever is drawn, the group level ends with tables or with one sentence."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from toy_cohort import make_people, make_regions

from nigra.nodes.statistics.comparison import compare_groups
from nigra.nodes.statistics.question import Question

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope='module')
def end():
    """Draws a study from a seed and runs it; raises where it is neither done nor refused."""
    return runpy.run_path(str(ROOT / 'benchmarks' / 'designs.py'))['end']


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('start', range(0, 60, 10))
def test_every_design_ends(end, start):
    ends = [end(seed) for seed in range(start, start + 10)]
    for text in ends:
        assert text == 'tables' or ';' in text
    assert 'tables' in ends


def test_three_against_three_with_the_default_covariates():
    """Ranks of one nucleus fit exactly: its rank test is n/a with a reason, all else is there."""
    people = make_people({'A': 3, 'B': 3}).assign(
        age=[30.0, 40, 50, 30, 40, 50], sex=list('FMFFMF')
    )
    regions = make_regions(people)
    exact = dict(zip(people.participant_id, [1.0, 2, 4, 11, 12, 14], strict=True))
    here = regions.region == 'caudate'
    regions.loc[here, 'chi_mean'] = regions.participant_id[here].map(exact)
    result = compare_groups(regions, Question(covariates=('age',)))
    models = result.models.set_index(['measure', 'region', 'hemisphere'])
    caudate = models.loc['chi_mean', 'caudate', 'both']
    assert np.isnan(caudate.p_rank)
    assert 'p_rank n/a' in caudate.note
    assert models.p.notna().all()
    assert models.p_rank.notna().sum() == len(models) - 3
    assert result.contrasts.p.notna().all()
    assert compare_groups(regions).models.p.notna().any()


def test_a_covariate_that_is_constant_where_a_region_is_known_takes_that_region_only():
    people = make_people({'A': 6, 'B': 6}).assign(sex=list('FFFMMM') * 2)
    regions = make_regions(people)
    men = regions.participant_id.isin(people.participant_id[people.sex == 'M'])
    regions.loc[men & (regions.region == 'caudate'), 'chi_mean'] = np.nan
    models = compare_groups(regions).models.set_index(['measure', 'region'])
    assert (models.loc[('chi_mean', 'caudate')].note.str.contains('constant or collinear')).all()
    assert models.loc[('chi_mean', 'putamen')].p.notna().all()
    assert models.loc[('volume_normalised', 'caudate')].p.notna().all()
