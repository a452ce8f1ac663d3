"""Whether output and working folder can serve."""

import re

import pytest
from helpers import look
from test_cli import describe

from nigra.cli.arguments import parse_settings
from nigra.cli.folders import check_places
from nigra.nodes.errors import InputError


def check(*arguments, levels=('participant',)):
    check_places(parse_settings([*map(str, arguments), *levels]))


def test_other_peoples_files_are_left_alone(tmp_path):
    out = tmp_path / 'pictures'
    check('raw', out)  # new
    out.mkdir()
    check('raw', out)  # empty
    for name in ('logs', 'scratch'):
        (out / name).mkdir()
    (out / '.snapshot').touch()
    check('raw', out, '-w', out / 'scratch')  # of a scheduler, and our own
    with pytest.raises(InputError, match=r'that nigra did not make \(scratch\); give a new'):
        check('raw', out)
    for name in ('a.png', 'b.png'):
        (out / name).touch()
    with pytest.raises(InputError, match=r'pictures: holds files .* \(a.png and 2 more\)'):
        check('raw', out)
    describe(out, 'nigra')
    check('raw', out)  # of an earlier run


@pytest.mark.parametrize('letter', list(',[]'))
def test_characters_that_ants_cannot_read(tmp_path, letter):
    out = tmp_path / f'a{letter}b'
    with pytest.raises(InputError) as caught:
        check('raw', out)
    assert f'has {letter} in its path, which ANTs cannot read' in str(caught.value)
    check('raw', out, '-w', tmp_path / 'w%x')


@pytest.mark.parametrize('sign', ['\n', '\r', '\t', '\x1b', '\u2028', '\udcff'])
@pytest.mark.parametrize('option', ['OUTPUT_DIR', '--work-dir'])
def test_signs_that_do_not_print(tmp_path, option, sign):
    bad = tmp_path / f'a{sign}b'
    words = ['raw', bad] if option == 'OUTPUT_DIR' else ['raw', tmp_path / 'out', '-w', bad]
    with pytest.raises(InputError) as caught:
        check(*words)
    assert str(caught.value).startswith(option)
    assert 'does not print; give a folder without' in str(caught.value)
    assert str(caught.value).isprintable()


def test_letters_of_any_language_serve(tmp_path):
    check('raw', tmp_path / 'Größe 視 (new)')


PLUGINS = {
    'no plugin': ('n_procs: 3', r'plugin\.yml: is not a Nipype plugin file \(it names no'),
    'a list': ('- plugin', r'plugin\.yml: is not a Nipype plugin file'),
    'an image': ('\x00\x01', r'plugin\.yml: is not a Nipype plugin file'),
    'unknown': ('plugin: Slrm', r'plugin\.yml: names Slrm, which is no plugin of Nipype; use'),
    'arguments': ('plugin: Linear\nplugin_args: [4]', r'plugin\.yml: has \[4\] as plugin_args'),
    'processors': ('plugin: MultiProc\nplugin_args: {n_procs: four}', "has 'four' as n_procs"),
    'memory': ('plugin: MultiProc\nplugin_args: {memory_gb: 0}', 'has 0 as memory_gb'),
}  # fmt: skip


@pytest.mark.parametrize('case', PLUGINS)
def test_a_plugin_file_that_cannot_serve_is_refused_by_the_look(two, capsys, case):
    text, sentence = PLUGINS[case]
    path = two.parent / 'plugin.yml'
    path.write_text(text)
    assert look(two, '--use-plugin', str(path))[0] == 1
    assert re.search(sentence, capsys.readouterr().err)
    path.write_text('plugin: Linear')
    assert look(two, '--use-plugin', str(path))[0] == 0
