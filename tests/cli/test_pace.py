"""What is told of a run on its way: steps now and then, people as they end, a line in a log."""

import logging

import pytest
from nipype import logging as nipype_logging

from nigra.cli.pace import COLUMNS, Pace
from nigra.cli.run import _configure
from nigra.cli.settings import Settings
from nigra.interfaces.tables import read_table


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def texts(caplog):
    return [record.getMessage() for record in caplog.records]


def test_steps_are_told_now_and_then(tmp_path, caplog, clock):
    caplog.set_level('INFO', logger='nigra')
    pace = Pace(2, tmp_path / 'progress.tsv', clock=clock)
    for second in range(60):
        clock.now = 100.0 + second
        pace.step(f'step {second}')
    assert texts(caplog) == ['step 0', 'step 15', 'step 30', 'step 45']


def test_with_v_every_step_is_told(tmp_path, caplog, clock):
    caplog.set_level('INFO', logger='nigra')
    pace = Pace(2, tmp_path / 'progress.tsv', everything=True, clock=clock)
    for second in range(5):
        pace.step(f'step {second}')
    assert len(texts(caplog)) == 5


def test_who_ends_is_told_with_the_time_that_is_left(tmp_path, caplog, clock):
    caplog.set_level('INFO', logger='nigra')
    pace = Pace(4, tmp_path / 'progress.tsv', clock=clock)
    clock.now += 120
    pace.ended('sub-01', complete=True)
    clock.now += 120
    pace.ended('sub-02', complete=False)
    pace.ended('sub-03', complete=True)
    clock.now += 3360
    pace.ended('sub-04', complete=True)
    assert texts(caplog) == [
        'sub-01 is complete (1 of 4, after 2 min, about 6 min left)',
        'sub-02 has ended without all of its results (2 of 4, after 4 min, about 4 min left)',
        'sub-03 is complete (3 of 4, after 4 min, about 1 min left)',
        'sub-04 is complete (4 of 4, after 1 h 0 min)',
    ]


def test_the_log_has_a_line_for_each_of_all_runs(tmp_path, clock):
    log = tmp_path / 'progress.tsv'
    for names in (('sub-01', 'sub-02'), ('sub-03',)):
        pace = Pace(len(names), log, clock=clock)
        for name in names:
            clock.now += 90
            pace.ended(name, complete=name != 'sub-02')
    table = read_table(log)
    assert tuple(table.columns) == COLUMNS
    assert table.visit.tolist() == ['sub-01', 'sub-02', 'sub-03']
    assert table.state.tolist() == ['complete', 'ended', 'complete']
    assert table.minutes.tolist() == [1.5, 3.0, 1.5]


def test_a_log_that_cannot_be_written_stops_nobody(tmp_path, clock):
    Pace(1, tmp_path / 'nowhere' / 'progress.tsv', clock=clock).ended('sub-01', complete=True)


def test_nipype_says_everything_once(tmp_path, capsys):
    _configure(Settings(tmp_path, tmp_path, ('participant',), verbose=1), tmp_path)
    root, said = logging.getLogger(), []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())
    root.addHandler(handler)
    try:
        nipype_logging.getLogger('nipype.workflow').info('a step')
    finally:
        root.removeHandler(handler)
    assert said == ['a step']
    assert capsys.readouterr().out == ''
