"""Safe by construction: nothing is written elsewhere, and no name or cell is more than a text."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from helpers import add_run, anat, look, write_image, write_sidecar
from toy_cohort import make_people, write_study
from toy_page import Page, check_alone

from nigra.cli import main
from nigra.interfaces.anatomy.atlas import load_template

ROOT = Path(__file__).parents[2]
QUICK = ('--permutations', '0', '--bootstraps', '0', '--nprocs', '1')

WATCH = """
import os, sys
_CHANGES = {'os.rename', 'os.remove', 'os.mkdir', 'os.rmdir', 'os.link', 'os.symlink',
            'os.truncate', 'os.chmod', 'os.chown', 'os.utime'}
_log = os.open(os.environ['TEST_WATCH'], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def _watch(event, given):
    if event == 'open' and given[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        paths = given[:1]
    elif event in _CHANGES:
        paths = given[:2] if event in ('os.rename', 'os.link') else given[:1]
    else:
        return
    where = given[-1] if event in ('os.remove', 'os.rmdir', 'os.mkdir') else -1
    folder = os.getcwd() if where == -1 else os.readlink(f'/proc/self/fd/{where}')
    for path in paths:
        if not isinstance(path, int):
            full = os.path.normpath(os.path.join(folder, os.fsdecode(path)))
            os.write(_log, (full + chr(10)).encode())
sys.addaudithook(_watch)
"""
"""Runs in every Python process and notes what it changes."""


def tree(folder):
    """Every file with its size and time of change."""
    paths = [p for p in folder.rglob('*') if not p.is_dir()]
    return {p: (p.stat().st_size, p.stat().st_mtime_ns) for p in paths}


def watched(tmp_path, *arguments):
    """Run the command where every change of files is noted; returns what was changed."""
    here = tmp_path / 'here'
    for name in ('home', 'temporary', 'here', 'hook', 'cache'):
        (tmp_path / name).mkdir()
    (tmp_path / 'hook' / 'sitecustomize.py').write_text(WATCH)
    log = tmp_path / 'watched.txt'
    paths = [str(tmp_path / 'hook'), *filter(None, [os.environ.get('PYTHONPATH')])]
    environment = {
        **os.environ, 'HOME': str(tmp_path / 'home'), 'TMPDIR': str(tmp_path / 'temporary'),
        'XDG_CACHE_HOME': str(tmp_path / 'cache'), 'XDG_CONFIG_HOME': str(tmp_path / 'cache'),
        'TEST_WATCH': str(log),
        'PYTHONPATH': os.pathsep.join(paths), 'PYTHONDONTWRITEBYTECODE': '1',
    }  # fmt: skip
    command = [sys.executable, '-m', 'nigra', *arguments, '--skip-bids-validation']
    done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    # what is written in C++ passes the hook by, but would be found in one of these
    assert not tree(here)
    assert not tree(tmp_path / 'home')
    assert not tree(tmp_path / 'temporary')
    return {Path(line) for line in log.read_text().splitlines()}


@pytest.mark.slow
@pytest.mark.skipif(not Path('/proc/self/fd').exists(), reason='names of open folders')
def test_a_run_changes_nothing_but_output_work_and_caches(tmp_path):
    raw = tmp_path / 'raw'
    raw.mkdir()
    for name in ('dataset_description.json', 'participants.tsv'):
        shutil.copy(ROOT / 'bids_example' / name, raw)
    shutil.copytree(ROOT / 'bids_example' / 'sub-04', raw / 'sub-04')
    before = tree(raw)
    places = [tmp_path / name for name in ('out', 'work')]
    changed = watched(
        tmp_path, str(raw), str(places[0]), 'participant', '-w', str(places[1]),
        '--registration', 'testing', '--nprocs', '2', '--write-graph', '--clean-workdir',
    )  # fmt: skip
    assert tree(raw) == before
    allowed = [*places, tmp_path / 'cache', tmp_path / 'temporary', Path('/dev')]
    stray = [
        path
        for path in changed
        if not any(path.is_relative_to(place) for place in allowed)
        and '__pycache__' not in path.parts
    ]
    assert not stray
    assert any(path.name == 'sub-04_Chimap.nii.gz' for path in changed)  # workers are seen, too


BAD_LABELS = ('a b', 'ü', 'a\nb', '01_copy', 'a.old', '<script>', '=1+1', '$HOME', '..', '٣', '')


@pytest.mark.parametrize('label', BAD_LABELS)
def test_folders_that_are_no_participants_are_left_out_alone(two, label):
    shutil.copytree(two / 'sub-01', two / f'sub-{label}')
    for path in anat(two).parent.with_name(f'sub-{label}').rglob('*.*'):
        path.rename(path.with_name(path.name.replace('sub-01', f'sub-{label}')))
    status, scans, problems = look(two)
    told = [text for level, _, text in problems if level == 'error']
    assert status == 1
    assert len(told) == 1
    assert 'use letters and digits only' in told[0]
    assert '\n' not in told[0]
    assert scans.state.tolist().count('process') == 2


def test_names_of_broken_letters_break_no_table(two):
    os.rename(two / 'sub-02', os.fsencode(two) + b'/sub-\xff')
    status, scans, _ = look(two)
    assert status == 1
    assert scans.state.tolist() == ['process', 'left out']


MISPLACED = {
    'another participant': ('sub-02', 'sub-01/anat', 'has sub-02 in its name but lies in sub-01'),
    'a session without folder': ('sub-01_ses-1', 'sub-01/anat', 'has ses-1 in its name but lies'),
    'another session': ('sub-01_ses-2', 'sub-01/ses-1/anat', 'lies in ses-1'),
    'no session': ('sub-01', 'sub-01/ses-1/anat', 'has no ses- in its name but lies in ses-1'),
    'echo no number': ('sub-01_echo-x', 'sub-01/anat', 'has echo-x in its name; use digits'),
    'other digits': ('sub-01_echo-٣', 'sub-01/anat', 'use digits only'),
    'spaces': ('sub-01_acq-a b', 'sub-01/anat', 'has acq-a b in its name; use letters'),
    'twice': ('sub-01_acq-a_acq-b', 'sub-01/anat', 'has acq- twice in its name'),
    'too long': (f'sub-01_acq-{"x" * 170}', 'sub-01/anat', 'too many for names of results'),
}


@pytest.mark.parametrize('case', MISPLACED)
def test_names_that_results_cannot_have_are_refused(two, case):
    prefix, folder, sentence = MISPLACED[case]
    add_run(two / folder, prefix)
    status, scans, problems = look(two)
    assert status == 1
    assert any(sentence in text for level, _, text in problems if level == 'error'), problems
    assert dict(zip(scans.participant_id, scans.state, strict=True))['sub-02'] == 'process'


@pytest.mark.parametrize('text', ['../../x', '/etc/passwd', 'sub-01/../..', '*', '-01'])
def test_labels_of_options_are_no_paths(two, capsys, text):
    for option in ('--participant-label', '--session-label'):
        assert look(two, f'{option}={text}')[0] == 1


HOSTILE = ('<script>alert("x")</script>', '=HYPERLINK("http://x")', "@x' onload='y")


@pytest.fixture(scope='module')
def hostile(tmp_path_factory):
    """Derivatives of a study whose groups, categories and columns are no harmless words."""
    out = tmp_path_factory.mktemp('hostile') / 'out'
    sizes = zip(HOSTILE, (5, 6, 5), strict=True)
    people = make_people(dict(sizes))
    people['edss'] = np.arange(len(people)) % 7 / 2
    people['sex'] = ['=M+1' if i % 3 else '+F-x' for i in range(len(people))]
    people['../../x'] = np.arange(len(people)) * 7 % 5 - 2.5
    people['@score"><b>'] = np.arange(len(people)) * 5 % 7
    write_study(out, people)
    status = main([
        'none', str(out), 'group', *QUICK, '--covariates', 'age', 'sex', '../../x',
        '--scores', '@score"><b>', 'edss', '--interactions', '../../x', '--keep-workdir',
    ])  # fmt: skip
    assert status == 0
    return out


def cells(path):
    with path.open(newline='', encoding='utf-8') as stream:
        return [cell for row in csv.reader(stream, delimiter='\t') for cell in row]


def is_number(text):
    return bool(re.fullmatch(r'[-+]?[\d.]+(e[-+]?\d+)?', text))


def test_no_cell_of_a_table_is_a_formula(hostile):
    tables = list(hostile.glob('group_*.tsv'))
    found = [cell for path in tables for cell in cells(path)]
    assert not [c for c in found if c[:1] in tuple('=+-@') and not is_number(c)]
    assert any(c.startswith('-') for c in found)  # negative numbers are still numbers
    assert "'=M+1" in found
    values = cells(hostile / 'group_regions.tsv')
    assert '-2.5' in values
    described = json.loads((hostile / 'group_regions.json').read_text())
    header = (hostile / 'group_regions.tsv').read_text().splitlines()[0]
    assert set(next(csv.reader([header], delimiter='\t'))) <= set(described)


def test_pages_show_names_and_run_nothing(hostile):
    html = (hostile / 'group.html').read_text()
    check_alone(html)
    words = Page(html).words
    for name in HOSTILE:
        assert name in words
    assert not list(hostile.parent.glob('x*'))


def test_the_working_folder_is_for_its_user_alone(hostile):
    """What Nipype keeps there is run when it is read."""
    (work,) = (hostile / 'work').glob('nigra-*')
    assert work.stat().st_mode & 0o777 == 0o700
    (hostile / 'group.html').unlink()
    work.chmod(0o770)
    arguments = ['none', str(hostile), 'group', *QUICK]
    try:
        assert main(arguments) == 1
        assert not (hostile / 'group.html').exists()
    finally:
        work.chmod(0o700)


def test_a_folder_where_nobody_has_permissions_serves(tmp_path, monkeypatch):
    """Some file systems show every folder as open to all, or as another user's."""
    from nigra.interfaces import files

    folder = tmp_path / 'work'
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(ValueError, match='may be changed by other users'):
        files.make_private(folder)

    class Open(tempfile.TemporaryDirectory):
        def __enter__(self):
            Path(self.name).chmod(0o777)
            return self.name

    monkeypatch.setattr(files.tempfile, 'TemporaryDirectory', Open)
    files.make_private(folder)


def test_atlases_cannot_name_results(two, tmp_path, capsys):
    path = write_image(tmp_path / 'seg-a;b_dseg.nii.gz', np.ones((6, 7, 5)))
    path.with_name('dseg.tsv').write_text('index\tname\n1\t../../x\n')
    assert look(two, '--atlases', str(path))[0] == 1
    write_sidecar(path, Name='x')
    assert not list(tmp_path.glob('x*'))


@pytest.mark.parametrize(
    ('rows', 'sentence'),
    [
        (['1\tputamen\tL'], 'does not name the labels 2'),
        (['1\tputamen\tL', '1\tcaudate\tL'], 'has the index 1 twice'),
        (['1\tputamen\tL', '2\tputamen\tL'], 'two labels for putamen L'),
    ],
)
def test_tables_that_do_not_fit_their_labels_are_refused(two, tmp_path, capsys, rows, sentence):
    """Case 56."""
    template = load_template()
    labels = np.zeros(template.shape, np.uint8)
    middle = tuple(n // 2 for n in template.shape)
    labels[middle], labels[middle[0] + 3, middle[1], middle[2]] = 1, 2
    path = tmp_path / 'seg-mine_dseg.nii.gz'
    nib.save(nib.Nifti1Image(labels, template.affine), path)
    table = '\n'.join(['index\tname\themisphere', *rows])
    (tmp_path / 'seg-mine_dseg.tsv').write_text(table + '\n')
    status, _, problems = look(two, '--atlases', str(path))
    assert status == 1
    told = [*(text for *_, text in problems), *capsys.readouterr().err.splitlines()]
    assert any('seg-mine_dseg.tsv' in text and sentence in text for text in told), told
