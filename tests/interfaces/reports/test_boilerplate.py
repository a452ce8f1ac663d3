"""The methods text says what ran, cites it, and says nothing else."""

import itertools
import re

import pytest
from toy_cohort import make_people, make_regions

from nigra.interfaces.methods import Methods
from nigra.interfaces.reports.boilerplate import describe_methods, methods_text
from nigra.interfaces.reports.references import read_references
from nigra.nodes.errors import NigraError
from nigra.nodes.field.relaxometry import METHODS, r2star_method
from nigra.nodes.methods import BACKGROUND, FIELD, INVERSION
from nigra.nodes.statistics.comparison import compare_groups
from nigra.nodes.statistics.multiplicity import ADJUSTMENT

STEPS = {
    'unwrap': ['romeo'], 'offsets': ['mcpc3ds', None], 'n_echoes': [1, 2, 4],
    'background': ['pdf', 'lbv'], 'inversion': ['dual', 'tkd', 'medi', None],
    'r2star': ['arlo', None], 'reference': ['brain'], 'registration': ['precise'],
    'group': [None, {'group_column': 'group', 'covariates': ['age'], 'scores': ['edss'],
                     'adjustment': ADJUSTMENT}],
}  # fmt: skip
CITES = {
    'romeo': 'dymerska2021', 'mcpc3ds': 'eckstein2018', 'pdf': 'liu2011', 'lbv': 'zhou2014',
    'dual': 'wharton2012', 'tkd': 'shmueli2009', 'medi': 'liu2013', 'brain': 'bilgic2024',
    'precise': 'avants2008',
}  # fmt: skip


def keys(text):
    return re.findall(r'^@\w+\{(\w+),', text.bib, re.MULTILINE)


def choices():
    for values in itertools.product(*STEPS.values()):
        yield dict(zip(STEPS, values, strict=True))


def test_just_what_ran_is_cited():
    for steps in choices():
        text = methods_text(steps, version='1.2.3')
        cited = set(keys(text))
        assert '1.2.3' in text.markdown
        for value, key in CITES.items():
            ran = any(v == value for v in steps.values() if isinstance(v, str))
            assert (key in cited) == ran, (value, steps)
        assert ('seabold2010' in cited) == (steps['group'] is not None)
        assert ('pei2015' in cited) == (steps['r2star'] == 'arlo')


def test_all_three_forms_have_the_same_references():
    text = methods_text({k: v[0] for k, v in STEPS.items()}, version='1')
    entries = read_references()
    used = keys(text)
    assert used == sorted(set(used))
    for key in entries:
        title = entries[key]['title'].rstrip('?')
        assert (title in text.markdown) == (key in used)
        assert (f'id="ref-{key}"' in text.html) == (key in used)
        assert (f'href="#ref-{key}"' in text.html) == (key in used)
    assert '[@' not in text.markdown + text.html
    assert '\\&' not in text.markdown + text.html


def test_references_are_whole():
    entries = read_references()
    source = sum(e['source'].count('@') for e in entries.values())
    assert source == len(entries) > 20
    for key, entry in entries.items():
        assert {'author', 'title', 'year', 'pages', 'source'} <= set(entry), key
        assert 'journal' in entry or 'booktitle' in entry
        assert key.startswith(re.sub(r'\W', '', entry['author'].split(',')[0].lower()).strip())
        assert entry['year'] in key
        if key != 'holm1979':
            assert re.fullmatch(r'10\.\d{4,5}/\S+', entry['doi']), key


@pytest.mark.parametrize(
    ('steps', 'message'),
    [
        ({'background': 'magic'}, "no background 'magic', only pdf, vsharp"),
        ({'inversion': ''}, "no inversion ''"),
        ({'unwrap': 'magic'}, "no unwrap 'magic'"),
        ({'magic': 'x'}, "no step 'magic'"),
        ({'unwrap': 'romeo', 'n_echoes': 0}, 'n_echoes must be a positive integer, got 0'),
        ({'phase_sign': 'sideways'}, 'no phase_sign'),
        ({'registration': 3}, 'registration must be the name'),
        ({'group': {}}, 'group must be a mapping with group_column'),
        ({'separation': 'yes'}, "separation must be True or None, got 'yes'"),
        ({'iron': False}, 'iron must be True or None, got False'),
        ({'group': {'group_column': 'g', 'adjustment': 'x'}}, "no adjustment 'x'"),
    ],
)
def test_unknown_steps_are_refused(steps, message):
    with pytest.raises(NigraError, match=re.escape(message)):
        methods_text(steps, version='1')


@pytest.mark.parametrize('name', ['<script>x</script>', '[@liu2011]', 'a`b<i>', '**bold**'])
def test_column_names_are_data(name):
    text = methods_text({'group': {'group_column': name, 'covariates': [name]}}, version='1')
    assert '<script' not in text.html
    assert '<i>' not in text.html
    assert 'liu2011' not in keys(text)
    assert '<strong>bold' not in text.html


def test_every_method_that_can_run_has_its_sentence():
    for step, methods in (('background', BACKGROUND), ('inversion', INVERSION), ('unwrap', FIELD)):
        for name in methods:
            assert keys(methods_text({step: name}, version='1'))


@pytest.mark.parametrize(
    ('steps', 'cited'),
    [
        ({'r2star': 'nonlinear'}, {'gudbjartsson1995'}),
        ({'r2star': 'arlo', 'separation': True}, {'pei2015', 'shin2021', 'dimov2022'}),
        ({'iron': True, 'separation': None}, {'langkammer2012'}),
        ({'reference': 'csf'}, {'liu2018'}),
        ({'reference': 'thalamus', 'iron': None}, set()),
    ],
)
def test_what_is_made_of_the_map_is_told(steps, cited):
    always = set(keys(methods_text({}, version='1')))
    text = methods_text(steps, version='1')
    assert set(keys(text)) - always == cited
    assert ('`thalamus`' in text.markdown) == (steps.get('reference') == 'thalamus')


def test_passes_of_the_background_are_told():
    told = 'given back, in up to {} passes; in a person in whom'.format
    assert told(8) in methods_text({'background': 'vsharp'}, version='1').markdown
    asked = {'background': 'vsharp', 'settings': {'background': {'passes': 2}}}
    assert told(2) in methods_text(asked, version='1').markdown
    asked['settings'] = {'background': {'passes': 1}}
    assert 'given back' not in methods_text(asked, version='1').markdown


@pytest.mark.parametrize(
    ('echoes', 'bipolar', 'told'),
    [
        (3, None, 'was removed in those in whom it was found'),
        (3, 'on', 'with a bipolar readout was removed'),
        (3, 'off', None),
        (2, None, None),
        (1, None, None),
    ],
)
def test_that_echoes_were_made_alike_is_told_of_those_in_whom_it_was_done(echoes, bipolar, told):
    steps = {'unwrap': 'romeo', 'n_echoes': echoes}
    if bipolar:
        steps['settings'] = {'field': {'bipolar': bipolar}}
    text = methods_text(steps, version='1').markdown
    assert ('alternate' in text) == (told is not None)
    assert (told or '') in text


@pytest.mark.parametrize(
    ('methods', 'parabola'),
    [(Methods(), True), (Methods(settings={'field': {'offsets': False}}), False)],
)
def test_what_was_done_in_people_of_one_echo_is_told_beside_several(methods, parabola):
    echoes = [0.01, 0.02, 0.03]
    text = describe_methods(methods, echoes, version='1', single=['sub-01', 'sub-07'])
    (told,) = [p for p in text.markdown.split('\n\n') if p.startswith('**Differences')]
    assert 'In sub-01, sub-07 there was one echo' in told
    assert 'R2* was not fitted there' in told
    assert ('parabola' in told) == parabola
    assert ('katscher2009' in keys(text)) == parabola
    alike = describe_methods(methods, echoes, version='1').markdown
    assert '**Differences' not in alike


@pytest.mark.parametrize(
    ('masks', 'outlined', 'exception'),
    [
        ({'made': ['sub-01', 'sub-02']}, True, None),
        ({'made': ['sub-01'], 'given': ['sub-02']}, True, 'in sub-02 a given mask'),
        ({'given': ['sub-01', 'sub-02']}, False, 'by masks that were given'),
        ({}, False, None),
    ],
)
def test_where_the_brain_comes_from_is_told(masks, outlined, exception):
    text = describe_methods(Methods(), [0.02], version='1', masks=masks).markdown
    assert ('template’s mask' in text) == outlined
    assert ('given' in text.split('**Susceptibility')[0]) == (exception is not None)
    assert (exception or '') in text
    assert ('Voxels without signal' in text) == bool(masks)


def test_what_pdf_weighs_is_told():
    assert 'depth below the surface' in methods_text({'background': 'pdf'}, version='1').markdown
    assert 'depth' not in methods_text({'background': 'lbv'}, version='1').markdown


@pytest.mark.parametrize('method', METHODS)
def test_every_fit_of_r2star_has_its_sentence(method):
    name = r2star_method(method)
    assert 'R2*' in methods_text({'r2star': name}, version='1').markdown


def test_two_echoes_are_fitted_as_asked():
    steps = {'unwrap': 'romeo', 'r2star': 'nonlinear', 'n_echoes': 2}
    assert 'logarithm' not in methods_text(steps, version='1').markdown
    steps['r2star'] = 'loglinear'
    assert 'logarithm' in methods_text(steps, version='1').markdown
    assert 'single echo' in methods_text({'unwrap': 'romeo', 'n_echoes': 1}, version='1').markdown


def test_one_group_is_not_compared():
    group = {
        'group_column': 'group', 'groups': ['MS'], 'covariates': ['age'], 'scores': ['edss'],
        'adjustment': 'fdr_bh', 'permutations': 5000, 'voxelwise': 9, 'smoothing': 3.0,
    }  # fmt: skip
    text = methods_text({'group': group}, version='1').markdown
    assert 'values were regressed on `age`' in text
    assert 'Association with `edss`' in text
    assert 'tested (mean, covariates, scores) voxel by voxel' in text
    for absent in ('Groups (', 'Pairwise', 'Tukey', '5000 permutations'):
        assert absent not in text
    plain = methods_text({'group': {**group, 'covariates': []}}, version='1').markdown
    assert 'Means per nucleus' in plain


def test_text_and_comparison_use_the_same_columns():
    people = make_people().rename(columns={'edss': 'EDSS', 'age': 'Age'}).assign(sex='F')
    found = compare_groups(make_regions(people))
    text = methods_text({'group': found.settings}, version='1').markdown
    assert '`EDSS`' in text
    assert '`Age`' in text
    assert '`sex`' not in text  # everyone's is the same


@pytest.mark.parametrize(
    ('option', 'value', 'key', 'words'),
    [
        ('permutations', 5000, 'winkler2014', '5000 permutations'),
        ('bootstraps', 2000, 'efron1987', '2000 resamples'),
        ('harmonise', 'site', 'fortin2018', 'ComBat'),
        ('voxelwise', 1000, 'smith2009', 'smoothed by 3 mm'),
        ('interactions', ['age'], None, 'Interaction of the group with'),
    ],
)
def test_what_the_group_level_was_asked_for_is_told(option, value, key, words):
    plain = {'group_column': 'group', 'smoothing': 3.0}
    text = methods_text({'group': {**plain, option: value}}, version='1')
    without = methods_text({'group': plain}, version='1')
    assert words in text.markdown
    assert words not in without.markdown
    if key:
        assert key in keys(text)
        assert key not in keys(without)
