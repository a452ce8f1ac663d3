"""How region tables were made, and in what participants differ."""

import json
from pathlib import Path

import pandas as pd
import pytest

from nigra.interfaces.agreement import UNEQUAL_P, _of_groups, _word, read_told
from nigra.interfaces.methods import Methods


@pytest.fixture
def tables(tmp_path):
    """Region tables of four participants, which one command made."""
    paths = [tmp_path / f'sub-{n:02d}_seg-dgm_regions.tsv' for n in range(1, 5)]
    for path in paths:
        tell(path, Methods(inversion='tv'))
    return paths


def tell(table: Path, methods: Methods | None, **entries):
    """Write the sidecar of a table."""
    record = {} if methods is None else {'Methods': json.loads(json.dumps(methods.record()))}
    table.with_suffix('.json').write_text(json.dumps({**record, **entries}))


def quoted(value):
    return f'<{value}>'


def test_what_all_share_is_told_once(tables):
    mine = Methods(
        background='vsharp', reference='none', atlases=(Path('/home/x/seg-x.nii.gz'),),
        settings={'background': {'radii': (6.0, 3.0)}},
    )  # fmt: skip
    for path in tables:
        tell(path, mine, EchoTimes=[0.01] if path == tables[0] else [0.01, 0.02])
    told = read_told(tables)
    assert told.methods.atlases == (Path('seg-x.nii.gz'),)  # the folder is private
    assert told.methods.settings == mine.settings
    assert (told.methods.background, told.methods.reference) == ('vsharp', 'none')
    assert told.echo_times == (0.01, 0.02)
    assert told.single == ('sub-01',)
    assert told.notes(str) == []


def test_one_echo_is_told_where_others_have_several_and_is_known(tables):
    assert read_told(tables).single == ()  # unknown in all
    for path in tables[1:]:
        tell(path, Methods(), EchoTimes=[0.02])
    assert read_told(tables).single == ()
    tell(tables[3], Methods(), EchoTimes=[0.01, 0.02])
    assert read_told(tables).single == ('sub-02', 'sub-03')


def test_whose_brain_mask_was_given_is_told_as_far_as_it_is_known(tables):
    assert read_told(tables).masks == {}
    for path, kind in zip(tables, ('made', 'given', 'made', ['odd']), strict=True):
        tell(path, Methods(), BrainMask=kind)
    assert read_told(tables).masks == {'made': ('sub-01', 'sub-03'), 'given': ('sub-02',)}


def test_the_methods_of_most_are_told_and_what_differs_in_whom(tables):
    tell(tables[0], Methods(inversion='tkd', separation=True))
    other = {'inversion': {'penalty': 9.0}}
    tell(tables[2], Methods(inversion='tv', settings=other))
    told = read_told(tables)
    assert told.methods == Methods(inversion='tv')
    assert told.notes(quoted) == [
        'Participants differ in inversion: <tkd> in sub-01; <tv> in the others.',
        'Participants differ in separation: <yes> in sub-01; <no> in the others.',
        'Participants differ in the setting inversion.penalty: <9.0> in sub-03; <not set> in the '
        'others.',
    ]


def test_values_are_told_apart_where_there_are_more_than_two(tables):
    tell(tables[0], Methods(inversion='tkd'))
    tell(tables[1], Methods(inversion='l2'))
    (note,) = read_told(tables).notes(str)
    assert 'tkd in sub-01' in note
    assert 'l2 in sub-02' in note
    assert 'tv in the others' in note


@pytest.mark.parametrize(
    'record',
    [None, {}, 'tv', {'inversion': 'of tomorrow'}, {'inversion': 3}, {'settings': {'field': 3}}],
)
def test_methods_of_another_version_are_not_made_up(tables, record):
    flat = {'BackgroundRemoval': 'pdf', 'Inversion': 'tv'}  # as the first version told them
    for path in tables:
        tell(path, None, **flat, **({} if record is None else {'Methods': record}))
    told = read_told(tables)
    assert told.methods is None
    (note,) = told.notes(str)
    assert note.startswith('How the results of sub-01, sub-02, sub-03, sub-04 were made is not')
    tell(tables[3], Methods(inversion='tkd'))
    told = read_told(tables)
    assert told.methods == Methods(inversion='tkd')
    assert 'sub-04' not in told.notes(str)[0]


def test_a_broken_sidecar_tells_nothing(tables):
    tables[0].with_suffix('.json').write_text('{')
    tables[1].with_suffix('.json').unlink()
    told = read_told(tables)
    assert told.untold == ('sub-01', 'sub-02')
    assert told.methods == Methods(inversion='tv')


@pytest.mark.parametrize(
    ('groups', 'words'),
    [
        ('AABB', 'each group has one value, so that groups differ by it too'),
        ('ABAB', ''),
        ('AAAA', ''),
        ('AABBAABBAABBAABBAABB', 'each group has one value'),
    ],
)
def test_what_goes_along_with_the_group_is_told_more_loudly(groups, words):
    people = [f'sub-{i}' for i in range(len(groups))]
    table = pd.DataFrame({
        'participant': people, 'EchoTimes': [10 if i % 4 < 2 else 20 for i in range(len(people))]
    })  # fmt: skip
    told = _of_groups(table, 'EchoTimes', pd.Series(list(groups), index=people))
    assert words in told
    assert (told == '.') is not bool(words)


@pytest.mark.parametrize(
    ('value', 'word'),
    [(None, None), (3, '3'), (1.50, '1.5'), (True, 'True'), (False, 'False'), ('ppb', 'ppb'),
     ([1, 2], '[1, 2]')],
)  # fmt: skip
def test_numbers_are_compared_without_how_they_are_written(value, word):
    assert _word(value) == word


def unequal(split):
    """Warning of two values, in so many of ten people of each of two groups."""
    people = [f'sub-{i}' for i in range(20)]
    values = (
        ['x'] * split[0] + ['y'] * (10 - split[0]) + ['x'] * split[1] + ['y'] * (10 - split[1])
    )
    table = pd.DataFrame({'participant': people, 'EchoTimes': values})
    return _of_groups(table, 'EchoTimes', pd.Series(['A'] * 10 + ['B'] * 10, people))


def test_unequal_shares_are_told_where_chance_does_not_explain_them():
    from scipy.stats import chi2_contingency

    told = {}
    for split in ((5, 5), (6, 4), (8, 2), (9, 1), (9, 0), (10, 1)):
        a, b = split
        p = chi2_contingency([[a, b], [10 - a, 10 - b]]).pvalue
        told[split] = 'unequally often' in unequal(split)
        assert told[split] == (p < UNEQUAL_P)
    assert not told[5, 5]
    assert told[9, 0]
