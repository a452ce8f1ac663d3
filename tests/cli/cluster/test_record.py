"""What a task keeps for whoever asks what became of it."""

import json

from nigra.cli import main
from nigra.interfaces.files import save_text


def run(raw, record, *options):
    words = [str(raw), str(raw.parent / 'out'), 'participant', '--skip-bids-validation']
    status = main([*words, '--task-record', str(record), *options])
    return status, json.loads(record.read_text())['Failed']


def test_a_task_keeps_what_failed_by_participant_and_leaves_the_look_alone(two, tmp_path):
    for path in two.rglob('*part-phase*.nii.gz'):
        path.unlink()
    look = save_text('of everybody', tmp_path / 'out' / 'logs' / 'look.tsv')
    status, failed = run(two, tmp_path / 'task-1.json')
    assert status == 1
    assert set(failed) == {'sub-01', 'sub-02'}
    assert 'part-phase' in failed['sub-01'][0]
    assert look.read_text() == 'of everybody'


def test_a_task_that_cannot_begin_says_why(two, tmp_path):
    status, failed = run(two, tmp_path / 'task-1.json', '--participant-label', '99')
    assert status == 1
    assert 'is not in' in failed['study'][0]
