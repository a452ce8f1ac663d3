"""The list of group tables: what it names is made, saved, described, read and shown."""

from nigra.interfaces.group_tables import GROUP_TABLES, tables_of
from nigra.interfaces.reports.group_page import shown_tables
from nigra.interfaces.stats import GroupModels
from nigra.nodes.statistics.comparison import GroupComparison
from nigra.nodes.statistics.measures import MEASURES
from nigra.workflows.group import output_names


def test_every_table_of_the_models_is_a_result():
    fields = set(GroupComparison.__dataclass_fields__)
    names = {table.name for table in tables_of('models')}
    assert names == fields - {'warnings', 'settings'}
    outputs = GroupModels().output_spec().copyable_trait_names()
    assert {f'{name}_{kind}' for name in names for kind in ('tsv', 'json')} <= set(outputs)


def test_final_names_are_one_each():
    names = output_names(voxelwise=True)
    assert len(set(names)) == len(names) == 2 * len(GROUP_TABLES) + 1
    assert set(names) - set(output_names()) == {'group_clusters.tsv', 'group_clusters.json'}
    assert {'group_contrasts.tsv', 'exclusions.json', 'group.html'} <= set(output_names())


def test_what_is_shown_is_read():
    shown = shown_tables()
    assert [table.name for table in shown] == [
        'contrasts', 'models', 'means', 'covariates', 'sides', 'interactions', 'correlations'
    ]  # fmt: skip
    assert all(table.needs for table in shown)
    assert all(set(table.needs) <= set(table.columns) for table in shown)


def test_dictionaries_tell_the_measures():
    levels = GROUP_TABLES['contrasts'].columns['measure']['Levels']
    assert list(levels) == list(MEASURES)
    assert levels['chi_mean'] == 'Mean susceptibility of the covered voxels (ppb)'
