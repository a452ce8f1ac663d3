from dataclasses import replace
from importlib import resources

import pytest

from nigra.interfaces.study import BUILT_IN, _check, _is_orientation, read_study
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


GROUPS = {
    'n': ([1], [0]),
    'female_percent': ([0.0, 100.0], [-0.1, 100.1]),
    'age': ([(18.0, 0.0), (90.0, 5.0)], [(17.9, 1.0), (90.1, 1.0), (40.0, -0.1)]),
    'edss': ([None, (0.0, 1.0), (10.0, 1.0)], [(-0.1, 1.0), (10.1, 1.0)]),
    'volume_percent': ([{'putamen': -60.0}, {'putamen': 80.0}],
                       [{'putamen': -60.1}, {'putamen': 80.1}, {'skull': 1.0}]),
}  # fmt: skip
PROTOCOLS = {
    'echo_times': ([(0.001, 0.01)], [(0.0, 0.01), (0.01, 0.01), (0.02, 0.01), (0.04, 0.5)]),
    'b0': ([0.05, 20.0], [0.049, 20.1]),
    'repetition_time': ([0.5], [0.001]),
    'voxel_mm': ([(0.1, 1.0, 1.0)], [(0.0, 1.0, 1.0), (1.0, 1.0, -1.0)]),
    'matrix': ([(8, 8, 8)], [(8, 7, 8)]),
    'oversampling': ([(1, 1, 1)], [(1, 0, 1)]),
    'snr': ([0.1], [0.0]),
    'noise': ([0.1], [0.0]),
    'padding': ([1.0], [0.99]),
    'shim_order': ([0, 1, 2], [3, -1]),
}


@pytest.mark.parametrize('kind', ['groups', 'protocols'])
def test_values_at_their_limits_are_taken_and_beyond_refused(kind):
    study = read_study('example')
    _check(replace(study, seed=0), 'study')
    with pytest.raises(InputError, match='seed is -1'):
        _check(replace(study, seed=-1), 'study')
    rows = getattr(study, kind)
    name, row = next((n, r) for n, r in rows.items() if kind == 'groups' or len(r.echo_times) == 1)
    for key, (taken, refused) in (GROUPS if kind == 'groups' else PROTOCOLS).items():
        for value in taken:
            _check(replace(study, **{kind: {**rows, name: replace(row, **{key: value})}}), 'study')
        for value in refused:
            changed = replace(study, **{kind: {**rows, name: replace(row, **{key: value})}})
            with pytest.raises(InputError, match=f'{key}.*{name}|{name}.*{key}'):
                _check(changed, 'study')


def test_a_repetition_is_longer_than_its_last_echo():
    study = read_study('example')
    name, row = next((n, r) for n, r in study.protocols.items() if len(r.echo_times) > 1)
    equal = replace(row, repetition_time=row.echo_times[-1])
    with pytest.raises(InputError, match='longer than the last echo time'):
        _check(replace(study, protocols={**study.protocols, name: equal}), 'study')


@pytest.mark.parametrize(
    ('codes', 'is_one'),
    [('RAS', True), ('LPI', True), ('SAR', True), ('RA', False), ('RASS', False), ('RLS', False),
     ('RAA', False), ('XYZ', False)],
)  # fmt: skip
def test_orientations_name_each_axis_once(codes, is_one):
    assert _is_orientation(codes) == is_one
