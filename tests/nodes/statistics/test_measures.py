"""The table of measures: complete, and each computed somewhere."""

import pytest
import statsmodels.formula.api as smf
from toy_cohort import make_people, make_regions

from nigra.interfaces.regions import DESCRIPTIONS
from nigra.nodes.anatomy.regions import COLUMNS
from nigra.nodes.statistics.comparison import compare_groups
from nigra.nodes.statistics.measures import DEFAULT_MEASURES, MEASURES
from nigra.nodes.statistics.question import Question
from nigra.nodes.statistics.values import DERIVED


def test_defaults_are_those_of_the_published_study():
    assert DEFAULT_MEASURES == ('chi_mean', 'volume_normalised')
    assert Question().measures == DEFAULT_MEASURES


@pytest.mark.parametrize('measure', MEASURES.values(), ids=list(MEASURES))
def test_every_measure_is_computed_and_told(measure):
    assert measure.in_region_table == (measure.name in COLUMNS)
    assert measure.in_region_table or measure.name in DERIVED
    assert all((measure.title, measure.unit, measure.meaning, measure.hint, measure.page_unit))
    if measure.in_region_table:
        assert DESCRIPTIONS[measure.name] == measure.dictionary


def test_derived_values_are_of_known_measures():
    assert set(DERIVED) <= set(MEASURES)


def test_region_tables_have_their_columns_in_order():
    assert list(DESCRIPTIONS)[-len(COLUMNS) :] == list(COLUMNS)


def test_plain_volume_can_be_compared():
    regions = make_regions(make_people())
    lost = (regions.participant_id == 'sub-002') & (regions.region == 'putamen')
    regions.loc[lost, 'volume_mm3'] = 0.0
    found = compare_groups(regions, Question(measures=('volume_mm3',)))
    both = found.models[found.models.hemisphere == 'both'].set_index('region')
    assert both.n.to_dict() == {'caudate': 16, 'putamen': 15, 'thalamus': 16}
    values = found.values.set_index(['participant_id', 'region', 'hemisphere']).value
    own = regions.set_index(['participant_id', 'region', 'hemisphere']).volume_mm3
    key = ('sub-003', 'caudate', 'L')
    assert values[key] == own[key]
    # a volume has nothing left at equal volume
    assert found.contrasts.estimate_at_equal_volume.isna().all()


@pytest.mark.filterwarnings('error')
def test_what_atrophy_leaves_of_a_difference_is_that_of_a_model_with_the_volume():
    people = make_people()
    regions = make_regions(people)
    found = compare_groups(regions, Question(measures=('chi_mean', 'volume_normalised')))
    values = found.values.query("region == 'caudate' and hemisphere == 'L'")
    wide = values.pivot_table(index='participant_id', columns='measure', values='value')
    table = people.set_index('participant_id').join(wide)
    own = smf.ols('chi_mean ~ C(group) + age + C(sex) + volume_normalised', table).fit()
    here = "measure == 'chi_mean' and region == 'caudate' and hemisphere == 'L'"
    row = found.contrasts.query(here).set_index('contrast').loc['NMO - HC']
    term = 'C(group)[T.NMO]'  # HC comes first
    assert row.estimate_at_equal_volume == pytest.approx(own.params[term])
    assert row.p_at_equal_volume == pytest.approx(own.pvalues[term])
    assert row.estimate != pytest.approx(row.estimate_at_equal_volume)


@pytest.mark.filterwarnings('error')
def test_volumes_that_differ_by_rounding_adjust_nothing():
    regions = make_regions(make_people())
    here = regions.region == 'caudate'
    brain = regions[regions.region == 'brain'].set_index('participant_id').volume_mm3
    alike = 0.003 * brain[regions.participant_id[here]].to_numpy()
    regions.loc[here, 'volume_mm3'] = alike  # over the brain's: .003 but for the last bit
    found = compare_groups(regions, Question(measures=('chi_mean',))).contrasts
    assert found[found.region == 'caudate'].estimate_at_equal_volume.isna().all()
    assert found[found.region == 'putamen'].estimate_at_equal_volume.notna().all()
