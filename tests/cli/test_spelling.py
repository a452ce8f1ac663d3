"""What users of other programs type is taken or refused with the right name; never half read."""

import json
import re

import pytest
from toy_cohort import make_people, write_study

from nigra.cli import main
from nigra.cli.arguments import parse_settings
from nigra.cli.group import group_is_complete
from nigra.interfaces.tables import read_table

QUICK = ('--permutations', '0', '--bootstraps', '0', '--nprocs', '1')


def settings(*options, level='participant'):
    return parse_settings(['raw', 'out', level, *options])


@pytest.mark.parametrize('flag', ['--nprocs', '--n_cpus', '--n-cpus', '--nthreads', '--n_procs'])
def test_processors(flag):
    assert settings(flag, '3').nprocs == settings(f'{flag}=3').nprocs == 3


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        (['--mem', '8G'], 8),
        (['--mem', '8000'], 8),
        (['--mem', '8000 MB'], 8),
        (['--mem=8gb'], 8),
        (['--mem_mb', '6000'], 6),
        (['--mem-gb', '8'], 8),
        (['--mem_gb=8.5'], 8.5),
        (['--mem', '2T'], 2000),
    ],
)
def test_memory_with_and_without_unit(options, expected):
    assert settings(*options).mem_gb == pytest.approx(expected)


@pytest.mark.parametrize(
    ('options', 'sentence'),
    [
        (['--mem', '8'], 'for GB write 8G'),
        (['--mem', 'lots'], 'no amount of memory such as 8G'),
        (['--mem', '-8G'], 'expected one argument'),
        (['--mem-gb', '8000'], '--mem takes MB'),
        (['--mem-gb', '8G'], 'invalid'),
        (['--low-mem'], '--mem 8G (or --nprocs 1)'),
        (['--low_mem'], '--mem 8G (or --nprocs 1)'),
        (
            ['--reports-only'],
            'delete a page and give the same command again: where --keep-workdir',
        ),
        (['--reports_only'], 'delete a page and give the same command again'),
        (['--covariate', 'age'], 'did you mean --covariates?'),
        (['--analysis-name', '../x'], 'up to 60 letters and digits'),
        (['--analysis-name', ''], 'up to 60 letters and digits'),
        (['--nproc', '2'], 'did you mean --nprocs?'),
    ],
)
def test_what_is_refused_says_what_to_write(capsys, options, sentence):
    with pytest.raises(SystemExit) as end:
        settings(*options)
    assert end.value.code == 2
    assert sentence in capsys.readouterr().err


def test_underscores_are_hyphens_in_names_and_not_in_values():
    found = settings('--participant_label', 'a_b', '--work_dir=/x/my_work', '--label_contrast=t1w')
    assert found.participant_label == ('a_b',)
    assert found.work_dir.name == 'my_work'


def test_analyses_of_one_output_lie_side_by_side(tmp_path, caplog):
    out = tmp_path / 'out'
    write_study(out, make_people(), shifts={'RRMS': -25.0})
    base = ['none', str(out), 'group', *QUICK]
    assert main(base) == 0
    first = {p.name: p.read_bytes() for p in out.glob('group*')}
    assert main([*base, '--analysis-name', 'pairs', '--groups', 'NMO', 'HC']) == 0
    own = out / 'analyses' / 'pairs'
    assert {p.name: p.read_bytes() for p in out.glob('group*')} == first
    assert {p.name for p in own.glob('group*')} == set(first)
    assert set(read_table(own / 'group_contrasts.tsv').contrast) == {'NMO - HC'}
    assert len(set(read_table(out / 'group_contrasts.tsv').contrast)) == 3
    assert (own / 'logs' / 'CITATION.md').is_file()
    ways = re.findall(r'href="([^"#:]+)"', (own / 'group.html').read_text())
    assert '../../index.html' in ways
    assert all((own / way).is_file() for way in ways)
    assert 'href="analyses/pairs/group.html"' in (out / 'index.html').read_text()
    decided = [json.loads((f / 'logs' / 'comparison.json').read_text()) for f in (out, own)]
    assert decided[0] != decided[1]
    assert main([*base, '--analysis-name', 'sexes', '--group-column', 'sex']) == 0
    assert (out / 'analyses' / 'sexes' / 'group.html').is_file()
    listed = re.search(r'id="data"[^>]*>(.*?)</script>', (out / 'index.html').read_text())[1]
    assert {group for _, group, *_ in json.loads(listed)} == {'NMO', 'RRMS', 'HC'}
    caplog.clear()
    caplog.set_level('INFO', logger='nigra')
    assert main([*base, '--analysis-name', 'pairs', '--groups', 'NMO', 'HC']) == 0
    assert main(base) == 0
    assert caplog.text.count('The group level is complete; nothing to do') == 2
    asked = parse_settings([*base, '--analysis-name', 'pairs', '--groups', 'NMO', 'HC'])
    assert group_is_complete(asked)
