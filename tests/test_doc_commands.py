"""Every command that the documentation shows runs, or at least is one that its parser takes.

Run as they stand: comparisons (on made-up tables), `nigra-power`, `nigra-status`, `nigra-bidsify`
and `nigra-stage` (where the page's data are there). Run with `--dry-run`: whatever would process
participants. Only parsed: patterns (`BIDS_DIR`), submissions to clusters, and simulations, whose
study is read. Commands of other programs (docker, babs, nipoppy, apptainer) are not tried.
"""

import re

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import toy_dicom
from doc_commands import PAGES, ROOT, commands, designs, tables
from toy_cohort import make_people, write_study

from nigra.cli import bidsify_cli, power_cli, simulate_cli, stage_cli, status_cli, view_cli
from nigra.cli import main as nigra
from nigra.cli.arguments import build_parser, parse_settings
from nigra.interfaces.study import read_study

COMMANDS = commands()
OURS = [c for c in COMMANDS if c.program.startswith('nigra')]
PARSERS = {
    'nigra': build_parser, 'nigra-bidsify': bidsify_cli.parser, 'nigra-power': power_cli.parser,
    'nigra-simulate': simulate_cli.parser, 'nigra-stage': stage_cli.build_parser,
    'nigra-status': status_cli.parser, 'nigra-view': view_cli.parser,
}  # fmt: skip
EXAMPLE = ROOT / 'bids_example'
QUICK = ('--permutations', '0', '--bootstraps', '0')


def chosen(program, test=lambda words: True):
    found = [c for c in OURS if c.program == program and not c.pattern and test(c.words)]
    return pytest.mark.parametrize('command', found, ids=str)


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def link_example(place, name):
    (place / name).symlink_to(EXAMPLE)


def write_masks(folder):
    """A brain mask for every T1w image of the example."""
    for path in EXAMPLE.glob('sub-*/anat/*_T1w.nii.gz'):
        image = nib.load(path)
        anat = folder / path.parts[-3] / 'anat'
        anat.mkdir(parents=True)
        mask = nib.Nifti1Image((np.asanyarray(image.dataobj) > 10).astype('u1'), image.affine)
        nib.save(mask, anat / path.name.replace('_T1w', '_desc-brain_mask'))


def write_atlas(path):
    """A label image of one voxel a side, and its table."""
    path.parent.mkdir(exist_ok=True)
    data = np.zeros((4, 4, 4), np.uint8)
    data[1, 2, 2], data[3, 2, 2] = 1, 2
    nib.save(nib.Nifti1Image(data, np.eye(4)), path)
    text = 'index\tname\n1\tLeft_Dentate\n2\tRight_Dentate\n'
    path.with_name(path.name.replace('.nii.gz', '.tsv')).write_text(text)


@pytest.mark.parametrize('command', OURS, ids=str)
def test_the_parser_takes_it(command):
    if command.words[1:2] == ('STAGE',):
        assert '[--mask' in command.words  # the synopsis
        return
    PARSERS[command.program]().parse_args([w for w in command.words[1:] if w != '...'])


@chosen('nigra', lambda words: 'participant' in words)
def test_a_run_stands_up_to_the_look(place, command):
    link_example(place, command.words[1])
    write_masks(place / 'masks')
    for word in command.words:
        if '_dseg' in word:
            for name in {word.format(participant=f'sub-0{n}') for n in range(1, 10)}:
                write_atlas(place / name)
    for text in designs(command.page)[:1]:
        (place / 'design.toml').write_text(text)
    words = [w for w in command.words[1:] if w != '--dry-run']
    assert nigra([*words, '--dry-run', '--skip-bids-validation']) == 0


@chosen('nigra', lambda words: 'participant' not in words)
def test_a_comparison_runs(place, command):
    people = make_people({'NMO': 8, 'RRMS': 8, 'HC': 8})
    people['site'] = np.where(np.arange(len(people)) % 2, 'a', 'b')
    write_study(place / 'out', people)
    if '--exclude-rated' in command.words:
        (place / 'ratings.tsv').write_text(tables(command.page, 'participant_id', 'rating'))
    if '--config-file' in command.words:
        text = designs(command.page)[0].replace('diagnosis', 'group')
        (place / 'design.toml').write_text(text.replace(', "C(site)"', ', "site"'))
    assert nigra([*command.words[1:], *QUICK]) == 0
    assert (place / 'out' / 'group.html').stat().st_size > 10_000
    contrasts = pd.read_csv(place / 'out' / 'group_contrasts.tsv', sep='\t')
    assert contrasts.estimate.notna().any()
    if '--exclude-rated' in command.words:
        out = pd.read_csv(place / 'out' / 'exclusions.tsv', sep='\t')
        assert 'sub-002' in set(out.participant_id)


@chosen('nigra-power')
def test_a_plan_is_made(place, capsys, command):
    assert power_cli.main(command.words[1:]) == 0
    assert 'substantia_nigra' in capsys.readouterr().out


@chosen('nigra-stage')
def test_a_stage_is_what_it_says(place, capsys, command):
    if '--list-methods' in command.words:
        assert stage_cli.main(command.words[1:]) == 0
        assert 'end-to-end' in capsys.readouterr().out
        return
    link_example(place, 'bids_example')
    named = [w for w in command.words if w.startswith('bids_example')]
    assert all((place / w).exists() for w in named)
    assert named or 'Sepia_mask_QSM.nii.gz' in command.words  # run by test_docs.py


@pytest.mark.slow
def test_the_stage_of_the_example_runs(place):
    link_example(place, 'bids_example')
    words = next(c.words for c in OURS if c.words[1:2] == ('end-to-end',))
    assert stage_cli.main(words[1:]) == 0
    assert nib.load(place / 'out' / 'chimap.nii.gz').shape == (116, 144, 48)


@chosen('nigra-simulate')
def test_the_study_of_a_simulation_can_be_read(command):
    given = PARSERS['nigra-simulate']().parse_args(command.words[1:])
    known = ROOT / given.study
    assert read_study(str(known) if known.is_file() else given.study).groups


@chosen('nigra-bidsify')
def test_dicom_files_go_the_way_of_the_page(place, dicom_programs, command):
    for number, part in ((2, 'mag'), (3, 'phase')):
        toy_dicom.write_series(place / 'dicom', parts=(part,), times=(5.0, 10.0), number=number)
    toy_dicom.write_t1w(place / 'dicom')
    (place / 'clinical.csv').write_text('patient_id,group\nP1,HC\n')
    if '--map' in command.words:
        first = ['dicom', 'bids', '--dry-run', '--table', 'series.tsv']
        assert bidsify_cli.main(first) == 0
    assert bidsify_cli.main(command.words[1:]) == 0
    assert (place / 'bids').exists() != ('--dry-run' in command.words)


def test_the_state_of_a_study_is_told(place, capsys):
    write_study(place / 'out', make_people())
    assert {c.words[1] for c in OURS if c.program == 'nigra-status'} == {'OUTPUT_DIR'}
    assert status_cli.main([str(place / 'out')]) in (0, 1, 3)


@pytest.mark.parametrize('page', [p for p in PAGES if designs(p)], ids=lambda p: p.name)
def test_designs_are_files_that_the_command_takes(place, page):
    for text in designs(page):
        (place / 'design.toml').write_text(text)
        settings = parse_settings(['bids', 'out', 'group', '--config-file', 'design.toml'])
        assert settings.question.covariates or settings.methods.settings


def test_the_lines_of_the_designs_are_options(place):
    text = (ROOT / 'docs' / 'howto' / 'designs.md').read_text(encoding='utf-8')
    lines = [c for row in re.findall(r'^\| .* \|$', text, re.M)
             for c in re.findall(r'`([^`]+ = [^`]+)`', row)]  # fmt: skip
    assert len(lines) > 5
    for line in lines:
        (place / 'design.toml').write_text(line)
        parse_settings(['bids', 'out', 'group', '--config-file', 'design.toml'])


@pytest.mark.parametrize('command', [c for c in COMMANDS if c not in OURS], ids=str)
def test_other_commands_name_what_there_is(command):
    if command.program == 'make':
        target = next(w for w in command.words[1:] if '=' not in w)
        assert re.search(rf'^{target}:', (ROOT / 'Makefile').read_text(), re.MULTILINE)
        return
    script = ROOT / command.words[1]
    text = script.read_text(encoding='utf-8')
    assert all(w.split('=')[0] in text for w in command.words[2:] if w.startswith('--'))


def test_commands_are_found_at_all():
    assert len(OURS) > 35
    assert {c.program for c in OURS} == set(PARSERS)
    assert not PARSERS.keys() - {c.program for c in COMMANDS}
