"""The page of a study of one group: means and regressions, and no word of comparisons."""

import pytest
from toy_cohort import make_people, make_regions
from toy_page import check_alone

from nigra.interfaces.reports.group_data import GroupData
from nigra.interfaces.reports.one_group import covariate_charts, means_chart, regression_findings
from nigra.interfaces.reports.report import render_group
from nigra.interfaces.stats import save_tables
from nigra.interfaces.tables import save_table
from nigra.nodes.statistics.comparison import compare_groups


@pytest.fixture(scope='module')
def study(tmp_path_factory):
    root, people = tmp_path_factory.mktemp('one'), make_people({'MS': 20})
    regions = make_regions(people)
    regions['chi_mean'] += 0.8 * regions.age * (regions.region == 'putamen')
    regions['volume_normalised'] = regions.volume_mm3
    result = compare_groups(regions)
    saved = save_tables(result, root)
    paths = {k.removesuffix('_tsv'): v for k, v in saved.items() if k.endswith('_tsv')}
    paths['regions'] = str(save_table(regions, root / 'group_regions.tsv'))
    return paths, result


def test_the_page_tells_what_one_group_shows(study):
    paths, result = study
    page = check_alone(render_group(paths, settings=result.settings, warnings=result.warnings))
    words = page.words
    assert 'One group: MS' in words
    assert 'Mean susceptibility of the putamen was higher with higher age, by 0.8' in words
    assert 'Means, adjusted for covariates' in words
    assert 'change per unit, ppb' in words
    for absent in ('Group comparison', 'Differences between groups', 'difference between groups',
                   'bayes factor', 'Effect sizes', 'p kruskal'):  # fmt: skip
        assert absent not in words


def test_charts_and_sentences_have_the_numbers_of_the_tables(study):
    paths, result = study
    data = GroupData.read(paths, result.settings)
    assert not data.is_compared
    (lead, details, *_), *_ = regression_findings(data)
    row = result.covariates.query(
        'measure == "chi_mean" and region == "putamen" and hemisphere == "both"'
        ' and covariate == "age"'
    ).iloc[0]
    assert f'by {row.slope:.3f} ppb per unit' in lead
    assert f'95 % CI {row.ci_low:.3f} to {row.ci_high:.3f}' in details
    assert 'n = 20' in details
    assert [name for name, _ in covariate_charts(data, 'chi_mean')] == ['age', 'sex M − F']
    assert means_chart(data, 'chi_mean').count('class="value"') == 3
