"""The page of all participants: states, what is told of them, and names that are data."""

import json

import pandas as pd
from toy_page import EVIL

from nigra.interfaces.reports.index_page import index_rows, write_index
from nigra.interfaces.reports.persons import empty_place, read_persons
from nigra.interfaces.reports.report import thumbnail_path


def make_study(root):
    made = root / 'logs' / 'complete'
    made.mkdir(parents=True)
    for visit, problems in (('sub-01', ['coverage']), ('sub-02_ses-a', [])):
        who, _, session = visit.partition('_')
        folder = root / who / session / 'anat'
        folder.mkdir(parents=True)
        file = folder / f'{visit}_quality.json'
        file.write_text(json.dumps({
            'participant_id': who, 'session_id': session or None, 'run_id': None,
            'snr': 50.0, 'problems': problems,
        }))  # fmt: skip
        name = file.relative_to(root).as_posix()
        (made / f'{visit}.json').write_text(json.dumps({'Outputs': {name: 1}}))
    (made / 'sub-03.json').write_text('{"Begun": "x", "Outputs": {}}')
    (made / 'sub-04.json').write_text('damaged')
    pd.DataFrame(
        {'participant_id': ['01', 'sub-02', 'sub-05'], 'group': ['1', EVIL, None]}
    ).to_csv(root / 'participants.tsv', sep='\t', index=False, na_rep='n/a')
    (root / 'sub-01.html').write_text('x')
    thumbnail_path(root, 'sub-01').parent.mkdir()
    thumbnail_path(root, 'sub-01').write_bytes(b'x')


def test_everybody_has_a_state(tmp_path):
    make_study(tmp_path)
    failed = {'sub-04': ['no phase'], 'group': ['x']}
    persons = read_persons(tmp_path, group_column='group')
    rows = {row[0]: row[1:] for row in index_rows(tmp_path, persons, failed=failed)}
    assert {visit: row[2] for visit, row in rows.items()} == {
        'sub-01': 'finished', 'sub-02_ses-a': 'finished', 'sub-03': 'unfinished',
        'sub-04': 'failed', 'sub-05': 'waiting',
    }  # fmt: skip
    assert rows['sub-01'] == [
        '1', '', 'finished', 'coverage', '', 'sub-01.html', 'figures/sub-01_thumbnail.png', ''
    ]  # fmt: skip
    assert rows['sub-02_ses-a'][0] == EVIL
    assert rows['sub-03'][5:] == ['', '', '']


def test_names_cannot_end_the_data_and_an_empty_study_has_a_page(tmp_path):
    make_study(tmp_path)
    html = write_index(tmp_path, study={'data_set': EVIL}).read_text(encoding='utf-8')
    assert EVIL not in html
    assert html.count('</script>') == 2
    empty = tmp_path / 'empty'
    empty.mkdir()
    assert '0 visits' in write_index(empty, study={}).read_text(encoding='utf-8')


def test_what_stands_apart_is_explained_and_of_few_runs_not_denied(tmp_path):
    make_study(tmp_path)
    few = write_index(tmp_path, study={}).read_text(encoding='utf-8')
    assert 'data-apart="needs 8 runs"' in few
    assert 'Median magnitude of the brain' not in few
    for n in range(10, 20):
        folder = tmp_path / f'sub-{n}' / 'anat'
        folder.mkdir(parents=True)
        file = folder / f'sub-{n}_quality.json'
        file.write_text(json.dumps({
            'participant_id': f'sub-{n}', 'session_id': None, 'run_id': None,
            'snr': 3.0 if n == 10 else 50.0 + n,
        }))  # fmt: skip
        outputs = {'Outputs': {file.relative_to(tmp_path).as_posix(): 1}}
        (tmp_path / 'logs' / 'complete' / f'sub-{n}.json').write_text(json.dumps(outputs))
    html = write_index(tmp_path, study={}).read_text(encoding='utf-8')
    assert 'data-apart="none"' in html
    assert '<dt>SNR</dt><dd>Median magnitude of the brain' in html


def test_a_task_writes_who_its_own_people_are_and_reads_no_others(tmp_path):
    """Ten thousand tasks of a cluster would read the pages of ten thousand people."""
    make_study(tmp_path)
    pages = [tmp_path / f'{visit}.html' for visit in ('sub-01', 'sub-02_ses-a')]
    for page in pages:
        page.write_text(str(empty_place()))
    write_index(tmp_path, study={}, people={'sub-01'})
    assert ['group' in page.read_text() for page in pages] == [True, False]
    write_index(tmp_path, study={})
    assert all('group' in page.read_text() for page in pages)
