"""Values of single sessions take the place of the participants' own."""

import pandas as pd
import pytest
from toy_cohort import write_twice

from nigra.interfaces.gather import gather_regions
from nigra.interfaces.sessions import find_session_tables, read_sessions
from nigra.nodes.errors import InputError
from nigra.nodes.statistics.sample import make_sample


@pytest.fixture
def study(tmp_path):
    people = write_twice(tmp_path)
    return tmp_path, tmp_path / 'raw' / 'participants.tsv', people


def write(root, who, text):
    path = root / who / f'{who}_sessions.tsv'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_session_has_its_own_values(study):
    root, file, people = study
    write(root / 'raw', 'sub-001', 'session_id\tage\tfatigue\tgroup\n2\t61\tn/a\tn/a\n'
                                   'ses-10\t62.5\t7\tHC\n')  # fmt: skip
    found = gather_regions(root / 'out', file)
    own = found.regions[found.regions.participant_id == 'sub-001'].drop_duplicates('session_id')
    own = own.set_index('session_id')
    assert list(own.loc[['ses-2', 'ses-10'], 'age']) == [61.0, 62.5]
    assert list(own.loc[['ses-2', 'ses-10'], 'group']) == ['MS', 'HC']
    assert own.loc['ses-10', 'fatigue'] == 7
    assert own.loc[['ses-2', 'ses-10'], 'sex'].nunique() == 1
    other = found.regions[found.regions.participant_id == 'sub-002']
    assert set(other.age) == {people.age[1]}
    assert found.regions.age.dtype == float
    assert any('sub-*_sessions.tsv, of 1 participants: age, fatigue, group' in w
               for w in found.warnings)  # fmt: skip
    sample = make_sample(found.regions)  # which takes the first session, 2 before 10
    assert sample.people.age['sub-001'] == 61.0
    assert any('several sessions' in w for w in sample.warnings)
    later = make_sample(gather_regions(root / 'out', file, sessions=['10']).regions)
    assert later.people.age['sub-001'] == 62.5
    assert later.labels['sub-001'] == 'HC'


def test_tables_beside_the_images_are_found(study):
    root, file, _ = study
    write(root / 'bids', 'sub-001', 'session_id\tage\nses-2\t61\n')
    assert not gather_regions(root / 'out', file).warnings
    found = gather_regions(root / 'out', file, bids_dir=root / 'bids')
    assert 61.0 in set(found.regions.age)


def test_a_table_of_other_sessions_is_told(study):
    root, file, _ = study
    write(root / 'raw', 'sub-001', 'session_id\tage\nbaseline\t61\n')
    (told,) = gather_regions(root / 'out', file).warnings
    assert 'sessions.tsv of sub-001 names no session that was measured' in told


@pytest.mark.parametrize('others', ['', 'ses-10\t62\n'])
def test_a_session_that_a_table_spells_otherwise_is_told(study, others):
    root, file, _ = study
    write(root / 'raw', 'sub-001', f'session_id\tage\nses-02\t61\n{others}')
    told = [text for text in gather_regions(root / 'out', file).warnings if 'differently' in text]
    assert len(told) == 1
    assert '(ses-02 and ses-2 of sub-001)' in told[0]


@pytest.mark.parametrize(
    ('text', 'match'),
    [
        ('visit\tage\n1\t61\n', 'no column session_id but visit, age'),
        ('session_id\tage\n1\t61\nses-1\t62\n', 'names ses-1 more than once'),
        ('session_id\tage\n1\t611\n', 'age of sub-001 is 611'),
        ('session_id\tage\nn/a\t61\n', 'a row without session_id'),
        ('session_id,age\n1,61\n', 'separated by commas'),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, text, match):
    path = write(tmp_path, 'sub-001', text)
    with pytest.raises(InputError, match=match) as caught:
        read_sessions(find_session_tables([tmp_path], ['sub-001', 'sub-002']))
    assert str(path) in str(caught.value)


def test_no_tables_no_rows(tmp_path):
    assert read_sessions(find_session_tables([tmp_path], ['sub-001'])).empty
    assert isinstance(read_sessions({}), pd.DataFrame)
