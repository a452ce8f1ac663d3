"""The list of group tables: what it names is made, saved, described, read and shown."""

from toy_cohort import make_people, make_regions

from nigra.interfaces.group_tables import GROUP_TABLES, tables_of
from nigra.interfaces.regions import DESCRIPTIONS
from nigra.interfaces.reports.group_page import shown_tables
from nigra.interfaces.stats import GroupModels
from nigra.nodes.statistics.comparison import GroupComparison, compare_groups
from nigra.nodes.statistics.group_models import CHECKS
from nigra.nodes.statistics.measures import MEASURES
from nigra.nodes.statistics.values import HEMISPHERES
from nigra.nodes.statistics.voxelwise import CLUSTER_COLUMNS
from nigra.workflows.group import output_names


def test_every_table_of_the_models_is_a_result():
    fields = set(GroupComparison.__dataclass_fields__)
    names = {table.name for table in tables_of('models')}
    assert names == fields - {'warnings', 'settings'}
    outputs = GroupModels().output_spec().copyable_trait_names()
    assert {f'{name}_{kind}' for name in names for kind in ('tsv', 'json')} <= set(outputs)


def test_final_names_are_one_each():
    names = output_names(voxelwise=True)
    assert len(set(names)) == len(names) == 2 * len(GROUP_TABLES) + 3
    on_request = {name for table in tables_of('voxels') for name in table.files}
    assert set(names) - set(output_names()) == on_request
    assert {'group_contrasts.tsv', 'exclusions.json', 'group.html'} <= set(output_names())


def test_what_is_shown_is_read():
    shown = shown_tables()
    assert {t.name for t in shown} == {t.name for t in GROUP_TABLES.values() if t.title}
    assert [t.first for t in shown] == sorted((t.first for t in shown), reverse=True)
    assert shown[0].name == 'contrasts'
    assert all(table.needs for table in shown)
    assert all(set(table.needs) <= set(table.columns) for table in shown)


def test_dictionaries_tell_levels_by_their_sources():
    checks = GROUP_TABLES['models'].columns['failed_checks']['Levels']
    assert checks == {check.code: check.column for check in CHECKS}
    sides = GROUP_TABLES['contrasts'].columns['hemisphere']['Levels']
    assert sides == DESCRIPTIONS['hemisphere']['Levels']
    assert set(sides) == set(HEMISPHERES)


def test_every_column_is_described_and_nothing_else():
    result = compare_groups(make_regions(make_people()))
    made = {table.name: getattr(result, table.name).columns for table in tables_of('models')}
    made['clusters'] = CLUSTER_COLUMNS
    shared = set.intersection(*(set(table.columns) for table in GROUP_TABLES.values()))
    for name, columns in made.items():
        table = GROUP_TABLES[name]
        assert list(table.dictionary(columns)) == list(columns)
        assert all(table.hint(column) for column in columns)
        assert {*table.needs, *table.text} <= set(columns)
        assert set(table.columns) <= {*columns, *shared}, name


def test_dictionaries_tell_the_measures():
    levels = GROUP_TABLES['contrasts'].columns['measure']['Levels']
    assert list(levels) == list(MEASURES)
    assert levels['chi_mean'] == 'Mean susceptibility of the covered voxels (ppb)'
