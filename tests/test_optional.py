"""What is optional is told before a run begins, with a command that works from a clone, too."""

import importlib.util
import itertools
import re
import sys
import tomllib
from pathlib import Path

from nigra.cli import main
from nigra.nodes.errors import how_to_install

ROOT = Path(__file__).parents[1]


def test_no_command_asks_the_index_for_nigra():
    """A clone has no `nigra[extra]` there: that name would bring whatever the index calls so."""
    pages = [*ROOT.glob('*.md'), *ROOT.glob('docs/*.md')]
    code = [p for floor in ('cli', 'interfaces', 'nodes', 'workflows', 'benchmarks')
            for p in (ROOT / floor).rglob('*.py')]  # fmt: skip
    command = re.compile(r'pip install[^\n]*\bnigra\b(?!-VERSION)')  # that is a file
    named = [p.name for p in (*pages, *code) if command.search(p.read_text(encoding='utf-8'))]
    assert len(code) > 100
    assert named == []


def test_packages_that_messages_name_are_known_to_the_project():
    project = tomllib.loads((ROOT / 'pyproject.toml').read_text(encoding='utf-8'))['project']
    extras = project['optional-dependencies'].values()
    listed = [*project['dependencies'], *itertools.chain.from_iterable(extras)]
    known = {re.match(r'[\w-]+', name)[0] for name in listed}
    named = set()
    for floor in ('cli', 'interfaces', 'nodes'):
        for path in (ROOT / floor).rglob('*.py'):
            calls = re.findall(r"how_to_install\((['\"][^)]*)\)", path.read_text(encoding='utf-8'))
            named |= {n for call in calls for n in re.findall(r"['\"]([\w-]+)['\"]", call)}
    assert {'combatlearn', 'openpyxl'} <= named
    assert {n for n in named if not n.startswith('--')} <= known


def test_the_command_survives_a_folder_with_a_space(monkeypatch):
    monkeypatch.setattr(sys, 'executable', '/my venv/bin/python')
    assert how_to_install('a', 'b') == "run: '/my venv/bin/python' -m pip install a b"


def test_harmonising_without_its_package_is_told_before_anything_runs(
    tmp_path, monkeypatch, caplog
):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        'importlib.util.find_spec', lambda name: None if name == 'combatlearn' else found(name)
    )
    words = [str(ROOT / 'bids_example'), str(tmp_path / 'out'), 'participant', 'group']
    assert main([*words, '--dry-run', '--skip-bids-validation', '--harmonise', 'sex']) == 1
    wanted = '--harmonise sex: needs the package combatlearn, which is not installed; '
    assert wanted + how_to_install('combatlearn') in caplog.text
    assert not list((tmp_path / 'out').glob('sub-*'))
