"""Commands as strangers use them: through pipes that are closed, on records that are none."""

import json
import os
import subprocess
import sys

import pytest
import toy_dicom as toy

from nigra.cli.status_cli import main as status


@pytest.fixture
def output(tmp_path):
    """A folder that nigra has made."""
    (tmp_path / 'logs').mkdir()
    made_by = {'GeneratedBy': [{'Name': 'nigra'}]}
    (tmp_path / 'dataset_description.json').write_text(json.dumps(made_by))
    return tmp_path


@pytest.mark.parametrize('command', ['status', 'stage'])
def test_a_reader_who_goes_ends_a_command_without_a_word(output, command):
    """As `| head -1` does, here before the first line."""
    arguments = [str(output)] if command == 'status' else ['--list-methods']
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, '-m', f'nigra.cli.{command}_cli', *arguments], stdout=write,
        stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    os.close(write)
    assert 'Traceback' not in done.stderr
    assert 'BrokenPipe' not in done.stderr


@pytest.mark.skipif(os.name == 'nt', reason='by a shell of POSIX')
def test_a_command_without_anywhere_to_write_does_its_work():
    done = subprocess.run(
        ['sh', '-c', 'exec "$0" "$@" >&-', sys.executable, '-m', 'nigra.cli.stage_cli',
         '--list-methods'], stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, '')


def test_letters_that_a_terminal_lacks_are_written_out(tmp_path, dicom_programs):
    toy.write_series(tmp_path / 'dicom', parts=('mag', 'phase'), times=(20.0,),
                     SeriesDescription='Schädel', SpecificCharacterSet='ISO_IR 192')  # fmt: skip
    done = subprocess.run(
        [sys.executable, '-m', 'nigra.cli.bidsify_cli', str(tmp_path / 'dicom'),
         str(tmp_path / 'bids')], capture_output=True, text=True, check=False,
        env={**os.environ, 'PYTHONUTF8': '0', 'PYTHONIOENCODING': 'ascii:strict'},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert 'Sch\\xe4del' in done.stdout
    assert '2 images in' in done.stdout


@pytest.mark.parametrize('failed', ['a text', 5, None, ['group'], {'group': 'a text'}])
def test_a_record_of_failures_that_is_none_tells_nothing(output, capsys, failed):
    (output / 'logs' / 'group_failed.json').write_text(json.dumps({'Failed': {'group': failed}}))
    (output / 'analyses').mkdir()
    (output / 'analyses' / 'README').write_text('not a comparison')
    assert status([str(output)]) == 1
    printed = capsys.readouterr().out
    assert ('group level failed' in printed) == (failed == ['group'])
