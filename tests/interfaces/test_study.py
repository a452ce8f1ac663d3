from importlib import resources

import pytest

from nigra.interfaces.study import BUILT_IN, read_study
from nigra.nodes.errors import InputError

TEXT = (resources.files('nigra.data') / 'example.toml').read_text(encoding='utf-8')


@pytest.mark.parametrize('name', BUILT_IN)
def test_built_in_studies_are_whole(name):
    study = read_study(name)
    assert set(study.groups) == {'NMO', 'RRMS', 'HC'}
    assert study.groups['HC'].edss is None
    assert all(p.b0 == 1.5 for p in study.protocols.values())


def test_the_example_has_what_the_tests_and_tutorial_need():
    study = read_study('example')
    used = [g.protocols[i % len(g.protocols)] for g in study.groups.values() for i in range(g.n)]
    echoes = [len(study.protocols[p].echo_times) for p in used]
    assert len(echoes) >= 9
    assert sorted(n for n in echoes if n > 1) == [3, 3]
    assert sum(any(study.protocols[p].tilt_deg) for p in used) == 1


@pytest.mark.parametrize(
    ('old', 'new', 'words'),
    [
        ('seed = 6492786', 'sead = 6492786', "unknown key 'sead'"),
        ('seed = 6492786', 'seed = "x"', "seed in the top level is 'x'"),
        ('seed = 6492786', 'seed = 1.5', 'whole number'),
        ('n = 3', 'n = 0', 'n in \\[groups.NMO\\] is 0'),
        ('n = 3', 'n = true', 'n in \\[groups.NMO\\] is True'),
        ('n = 3\n', '', "\\[groups.NMO\\] lacks 'n'"),
        ('age = [46, 8]', 'age = [46]', 'list of 2 values'),
        ('echo_times = [0.040]', 'echo_times = [40]', 'give seconds'),
        ('echo_times = [0.008, 0.021, 0.034]', 'echo_times = [0.02, 0.01]', 'rising'),
        ('b0 = 1.5', 'b0 = 15000', 'give tesla'),
        ('phase = "-4096..4094"', 'phase = "degrees"', 'one of'),
        ('orientation = "LAS"', 'orientation = "XYZ"', 'three letters'),
        ('"oblique", "single"', '"spiral", "single"', "unknown protocol 'spiral'"),
        ('chi_ppb = { thalamus = -50 }', 'chi_ppb = { cortex = -30 }', "unknown region 'cortex'"),
        ('chi_ppb = { thalamus = -50 }', 'chi_ppb = { thalamus = "low" }', "'low'; give a number"),
        ('thalamus = -25, pulvinar', 'thalamus = -99, pulvinar', 'give -60 to 80'),
        ('accumbens = {', 'claustrum = {', 'claustrum'),
        ('female_percent = 67', 'female_percent = 167', '0 to 100'),
        ('truth = "labels"', 'truth = "some"', "truth is 'some'"),
        ('[regions]', '[regions', 'not valid TOML'),
    ],
)
def test_wrong_studies_are_told_in_one_sentence(tmp_path, old, new, words):
    assert old in TEXT
    path = tmp_path / 'study.toml'
    path.write_text(TEXT.replace(old, new, 1), encoding='utf-8')
    with pytest.raises(InputError, match=words) as caught:
        read_study(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert message.endswith('.')
    assert '\n' not in message


def test_a_missing_file_names_the_built_in_studies(tmp_path):
    with pytest.raises(InputError, match='example, pudlac2020'):
        read_study(tmp_path / 'none.toml')


@pytest.mark.parametrize('section', ['groups', 'regions', 'protocols'])
def test_a_missing_section_is_named(tmp_path, section):
    path = tmp_path / 'study.toml'
    path.write_text('name = "x"\ndescription = "y"\n' if section == 'groups' else
                    '\n'.join(line for line in TEXT.splitlines()), encoding='utf-8')  # fmt: skip
    if section == 'groups':
        with pytest.raises(InputError, match=r'\[groups.NAME\]'):
            read_study(path)
    else:
        assert getattr(read_study(path), section)


def test_values_and_defaults_arrive(tmp_path):
    path = tmp_path / 'study.toml'
    path.write_text(TEXT.replace('[tissue]\n', '[tissue]\nvein_ppb = 250\n'), encoding='utf-8')
    study = read_study(path)
    assert study.tissue.vein_ppb == 250.0
    assert study.tissue.anisotropy_ppb == 13.0
    assert study.groups['RRMS'].edss_ppb == {'putamen': 8.0}
    assert study.protocols['oblique'].tilt_deg == (12.0, 0.0, 0.0)
    assert study.protocols['single'].matrix == (116, 144, 48)
