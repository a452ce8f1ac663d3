"""The table of measures: complete, and each computed somewhere."""

import pytest
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
