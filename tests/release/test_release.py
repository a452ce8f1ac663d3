"""What a release is made of fits together: version, lock, licences, descriptor, archives."""

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest

from nigra import __version__

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / 'release'))
cut, archives, licences = map(importlib.import_module, ('cut', 'archives', 'licences'))
descriptor = importlib.import_module('descriptor')
recipe = importlib.import_module('recipe')
project = importlib.import_module('project')


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Copy of the files that name the version."""
    for name in {*cut.NAMED, *cut.DASHED, 'CHANGELOG.md'}:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    monkeypatch.setattr(cut, 'ROOT', tmp_path)
    monkeypatch.setattr(cut.subprocess, 'run', lambda *words, **_: None)
    return tmp_path


def named(folder, places):
    return {
        (name, found)
        for name, pattern in places.items()
        for found in re.findall(pattern, (folder / name).read_text('utf-8'), re.MULTILINE)
    }


def test_every_file_names_the_same_version():
    assert {found for _, found in named(ROOT, cut.NAMED)} == {__version__}
    assert {found for _, found in named(ROOT, cut.DASHED)} == {__version__.replace('.', '-')}


def test_a_release_changes_all_of_them(tree):
    changes = tree / 'CHANGELOG.md'
    changes.write_text('# Changes\n\n## 0.9.9 (unreleased)\n\n* new\n\n## 0.1.0 (2020-01-01)\n')
    cut.name_version('1.2.3', '2030-04-05')
    assert {found for _, found in named(tree, cut.NAMED)} == {'1.2.3'}
    assert {found for _, found in named(tree, cut.DASHED)} == {'1-2-3'}
    assert 'date-released: 2030-04-05' in (tree / 'CITATION.cff').read_text()
    assert '## 1.2.3 (2030-04-05)' in changes.read_text()
    assert '## 0.1.0 (2020-01-01)' in changes.read_text()
    notebook = (tree / 'docs' / 'python.ipynb').read_text('utf-8')
    assert json.loads(notebook)['nbformat'] == 4


def test_a_release_without_changes_is_refused(tree):
    (tree / 'CHANGELOG.md').write_text('# Changes\n\n## 0.1.0 (2020-01-01)\n')
    with pytest.raises(SystemExit, match=r'CHANGELOG\.md: has no place for the version'):
        cut.name_version('1.2.3', '2030-04-05')


def test_descriptor_and_recipe_are_those_of_the_parser_and_the_project():
    assert json.loads(descriptor.FILE.read_text('utf-8')) == descriptor.descriptor()
    yaml = importlib.import_module('yaml')
    assert yaml.safe_load(recipe.FILE.read_text('utf-8')) == recipe.recipe()


VALUES = {'set': 'inversion.x=1', 'mem': '7G'}
"""Of options that do not take any number."""


def test_options_of_the_descriptor_are_taken_by_the_command(tmp_path):
    from nigra.cli.arguments import build_parser

    words = []
    for one in descriptor.descriptor()['inputs']:
        flag = [one['command-line-flag']] if 'command-line-flag' in one else []
        value = one.get('value-choices', [VALUES.get(one['id'], '7')])[0]
        words += flag + ([] if one['type'] == 'Flag' else [value])
    asked = build_parser().parse_args(words)
    assert asked.levels == ['participant']
    assert asked.nprocs == 7


def test_its_own_validator_takes_the_descriptor():
    bosh = shutil.which('bosh')
    if bosh is None:
        pytest.skip('bosh (of the package boutiques), which validates descriptors, is not there')
    done = subprocess.run([bosh, 'validate', str(descriptor.FILE)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_lock_holds_all_that_the_project_needs():
    packaging = importlib.import_module('packaging.requirements')
    known = project.locked(ROOT / 'container' / 'requirements.lock')
    content = tomllib.loads((ROOT / 'pyproject.toml').read_text('utf-8'))['project']
    extras = content['optional-dependencies']
    for text in [*content['dependencies'], *extras['excel'], *extras['harmonise']]:
        need = packaging.Requirement(text)
        versions = known[project.normal(need.name)]
        assert all(v in need.specifier for v in versions), (text, versions)


def test_an_environment_that_cannot_be_listed_is_told():
    with pytest.raises(SystemExit, match=r'cannot list /nowhere \(.*pip install pip-licenses'):
        licences.table('/nowhere')


def test_licences_are_told_of_what_is_locked():
    rows = re.findall(r'^\| ([\w.-]+) \| ([\w.]+) \| (.+?) \|', licences.PAGE.read_text('utf-8'),
                      re.MULTILINE)  # fmt: skip
    rows = [row for row in rows if row[0] not in ('what', 'package')]
    told = {project.normal(name): version for name, version, _ in rows}
    known = project.locked(ROOT / 'container' / 'requirements.lock')
    assert set(known) - set(told) <= {'colorama'}  # Windows alone needs it
    assert {n: v for n, v in told.items() if v not in known.get(n, ())} == {}
    assert all(licence not in ('', 'UNKNOWN') for *_, licence in rows)


@pytest.mark.parametrize('script', [['archives', 'dist'], ['cut', '99.0.0', '--no-image']])
def test_packages_that_are_missing_or_of_another_version_are_told_before_anything_is_done(
    tmp_path, monkeypatch, capsys, script
):
    """Other versions of them write other bytes."""
    lock = tmp_path / 'build.lock'
    lock.write_text('pytest==0.1\nnowhere-at-all==2.0\ncolorama==0\n')
    monkeypatch.setattr(archives, 'LOCK', lock)
    monkeypatch.setattr(sys, 'argv', script)
    monkeypatch.setattr(subprocess, 'run', lambda *words, **_: pytest.fail(f'did {words}'))
    with pytest.raises(SystemExit) as caught:
        {'archives': archives, 'cut': cut}[script[0]].main()
    told = capsys.readouterr().err
    assert caught.value.code == 2
    assert (
        f'needs pytest 0.1 (here: {pytest.__version__}), nowhere-at-all 2.0 (here: none)' in told
    )
    assert told.endswith(f'-m pip install --require-hashes -r {lock}\n')


def test_archives_are_made_of_a_clone_only(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, 'ROOT', tmp_path)
    assert archives.lacking() == (
        f'{tmp_path} is no clone, and archives are made of what is committed; clone it with git'
    )


def test_archives_tell_neither_when_nor_by_whom_they_were_made(tmp_path):
    made = []
    for age in (1, 2):
        folder = tmp_path / str(age)
        (folder / 'a').mkdir(parents=True)
        for name in 'xy' if age == 1 else 'yx':
            (folder / 'a' / name).write_text(name)
            os.utime(folder / 'a' / name, (age * 1e9, age * 1e9))
        (folder / 'a' / 'x').chmod(0o600 if age == 1 else 0o664)
        path = folder / 'a.tar.gz'
        with tarfile.open(path, 'w:gz') as tar:
            tar.add(folder / 'a', 'a')
        archives.settle(path, 86400)
        made.append(path.read_bytes())
    assert made[0] == made[1]
    with tarfile.open(tmp_path / '1' / 'a.tar.gz') as tar:
        assert {m.name: m.mtime for m in tar} == {'a': 86400, 'a/x': 86400, 'a/y': 86400}
        assert tar.extractfile('a/x').read() == b'x'


@pytest.mark.parametrize('engine', ['docker', 'podman'])
def test_the_script_builds_with_what_is_there(tmp_path, engine):
    stand_in = tmp_path / engine
    stand_in.write_text('#!/bin/sh\n[ "$1" = info ] || printf "%s\\n" "$@" > "$0.asked"\n')
    stand_in.chmod(0o755)
    variables = {'PATH': f'{tmp_path}:/usr/bin:/bin', 'ENGINE': engine,
                 'PIP_INDEX_URL': 'https://index.example/simple',
                 'SSL_CERT_FILE': '/my certificates.pem'}  # fmt: skip
    subprocess.run([str(ROOT / 'container' / 'build.sh')], check=True, env=variables)
    words = (tmp_path / f'{engine}.asked').read_text().splitlines()
    assert words[0] == 'build'
    assert words[words.index('--tag') + 1] == f'nigra:{__version__}'
    assert 'PIP_INDEX_URL=https://index.example/simple' in words
    assert 'id=certificates,src=/my certificates.pem' in words
    assert words[-1] == str(ROOT)
    assert ('docker' in words) is (engine == 'podman')  # whose format keeps the health check
