"""Case 102: `sub-*_sessions.tsv` with group and age of each session, through the group level."""

import pytest
from toy_cohort import write_twice

from nigra.cli import main
from nigra.interfaces.tables import read_table

QUICK = ('--permutations', '0', '--bootstraps', '0', '--nprocs', '1', '--covariates', 'age')


@pytest.fixture
def study(tmp_path):
    """Everybody measured twice, `participants.tsv` beside the images, derivatives elsewhere."""
    write_twice(tmp_path)
    (tmp_path / 'raw' / 'dataset_description.json').write_text(
        '{"Name": "twice", "BIDSVersion": "1.10.0"}'
    )
    return tmp_path


def sessions(study, who, text):
    path = study / 'raw' / who / f'{who}_sessions.tsv'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def compare(study, *options):
    """Exit status of the group level."""
    return main([str(study / 'raw'), str(study / 'out'), 'group', *QUICK, *options])


def own(study):
    rows = read_table(study / 'out' / 'group_regions.tsv')
    return rows[rows.participant_id == 'sub-001'].drop_duplicates('session_id')


def test_values_of_a_session_are_those_of_its_table(study):
    sessions(study, 'sub-001', 'session_id\tage\tgroup\nses-2\t61\tn/a\nses-10\t62.5\tHC\n')
    sessions(study, 'sub-002', 'session_id\tage\nbaseline\t61\n')
    assert compare(study) == 0
    table = own(study).set_index('session_id')
    assert table.loc[['ses-2', 'ses-10'], 'age'].tolist() == [61.0, 62.5]
    assert table.loc[['ses-2', 'ses-10'], 'group'].tolist() == ['MS', 'HC']
    page = (study / 'out' / 'group.html').read_text()
    assert 'come from sub-*_sessions.tsv, of 1 participants: age, group' in page
    assert 'sessions.tsv of sub-002 names no session that was measured' in page
    counts = read_table(study / 'out' / 'group_means.tsv').query("measure == 'chi_mean'")
    assert set(counts.n) == {4}
    assert compare(study, '--session-label', '10') == 0  # where the first belongs to the other
    later = read_table(study / 'out' / 'group_means.tsv').query("measure == 'chi_mean'")
    assert dict(zip(later.group, later.n, strict=True)) == {'MS': 3, 'HC': 5}


@pytest.mark.parametrize(
    ('text', 'sentence'),
    [
        ('visit\tage\n1\t61\n', 'has no column session_id but visit, age; name the first column'),
        ('session_id\tage\n2\t61\nses-2\t62\n', 'names ses-2 more than once; keep one row'),
        ('session_id\tage\n2\t611\n', 'age of sub-001 is 611; give 0 to 120 years'),
    ],
)
def test_a_table_that_cannot_be_is_one_sentence(study, capsys, caplog, text, sentence):
    sessions(study, 'sub-001', text)
    assert compare(study) == 1
    told = capsys.readouterr().err + caplog.text
    assert f'sub-001_sessions.tsv: {sentence}' in told
    assert 'Traceback' not in told
    assert not (study / 'out' / 'group.html').exists()
