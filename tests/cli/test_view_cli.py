"""`nigra-view`: from disk where that does, from the loopback address where it must."""

import os
import signal
import subprocess
import sys
import urllib.request

import pytest

from nigra.cli import view_cli
from nigra.interfaces.reports.viewer_files import BESIDE


@pytest.fixture
def study(tmp_path):
    (tmp_path / 'index.html').write_text('everybody')
    (tmp_path / 'sub-01_viewer.html').write_text('<head></head>inside')
    (tmp_path / 'sub-02_ses-a_viewer.html').write_text(f'<head>{BESIDE}</head>beside')
    return tmp_path


def test_what_a_page_holds_is_opened_from_disk(study, monkeypatch, capsys):
    opened = []
    monkeypatch.setattr(view_cli.webbrowser, 'open', opened.append)
    assert view_cli.main([str(study), 'sub-01']) == 0
    assert opened == [(study / 'sub-01_viewer.html').as_uri()]
    assert capsys.readouterr().out.strip() == opened[0]


@pytest.fixture
def ctrl_c():
    """Programs started here take Ctrl-C, even where the tests run in the background without it."""
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures('ctrl_c')
@pytest.mark.parametrize(('visit', 'text'), [('02', 'beside'), ('', 'everybody')])
def test_what_lies_beside_a_page_is_served(study, visit, text):
    command = [sys.executable, '-m', 'nigra.cli.view_cli', str(study), '--no-browser']
    with subprocess.Popen(
        [*command, *filter(None, [visit])], stdout=subprocess.PIPE, text=True
    ) as run:
        address = run.stdout.readline().strip()
        try:
            assert address.startswith('http://127.0.0.1:')
            with urllib.request.urlopen(address, timeout=5) as answer:
                assert text in answer.read().decode()
        finally:
            os.kill(run.pid, signal.SIGINT)
        assert run.wait(10) == 0


def test_who_is_not_there_is_told(study, capsys):
    assert view_cli.main([str(study), '09', '--no-browser']) == 1
    assert 'has no viewer of sub-09; name one of sub-01, sub-02_ses-a' in capsys.readouterr().err
