"""Pages: self-contained, safe with any name, and their numbers are the tables' numbers."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from nigra.interfaces.reports import group_sentences, participant_page
from nigra.interfaces.reports.boilerplate import methods_text
from nigra.interfaces.reports.report import (
    GroupReport,
    ParticipantReport,
    render_group,
    render_participant,
)
from nigra.nodes.errors import InputError

EVIL = '<script>alert("x")</script>'
NAMES = {1: 'caudate', 2: 'caudate', 3: 'pallidum', 4: 'pallidum'}


class Page(HTMLParser):
    """What a browser would load, run and show."""

    def __init__(self, html):
        super().__init__()
        self.addresses, self.links, self.scripts, self.tables = [], [], [], []
        self.text, self.stack, self.policy = [], [], ''
        self.feed(html)
        self.words = ' '.join(' '.join(self.text).split())

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == 'a':
            self.links.append(given['href'])
        else:
            self.addresses += [given[k] for k in ('src', 'href', 'srcset', 'data') if k in given]
        assert not [k for k in given if k.startswith('on')]
        if given.get('http-equiv') == 'Content-Security-Policy':
            self.policy = given['content']
        if tag == 'tr' and 'tbody' in self.stack:
            self.tables.append([])
        if tag == 'td' and 'data-v' in given:
            self.tables[-1].append(given['data-v'])
        if tag not in ('meta', 'input', 'br', 'link'):
            self.stack.append(tag)

    def handle_endtag(self, tag):
        while self.stack and self.stack.pop() != tag:
            pass

    def handle_data(self, data):
        if self.stack and self.stack[-1] == 'script':
            self.scripts.append(data)
        elif 'style' not in self.stack:
            self.text.append(data)


def check_alone(html):
    """The page loads nothing from anywhere and runs only its own script."""
    page = Page(html)
    assert all(a.startswith('data:image/png;base64,') for a in page.addresses)
    for link in page.links:
        assert link.startswith(('#', 'https://doi.org/')) or '/' not in link
    (script,) = page.scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page.policy
    assert "default-src 'none'" in page.policy
    css = re.search(r'<style>(.*?)</style>', html, re.DOTALL)[1]
    assert not re.search(r'url\(|@import', css)
    assert '{{' not in html
    assert 'undefined' not in page.words.lower()
    return page


def save(path, data, affine, dtype=np.float32):
    nib.save(nib.Nifti1Image(np.asarray(data).astype(dtype), affine), path)
    return str(path)


@pytest.fixture(scope='module')
def visit(tmp_path_factory):
    """A ball of a brain with two pairs of nuclei, T1w and an anisotropic gradient echo."""
    root = tmp_path_factory.mktemp('visit')
    rng = np.random.default_rng(0)

    def world(shape, zooms):
        affine = np.diag([*zooms, 1.0])
        affine[:3, 3] = -np.array(zooms) * (np.array(shape) - 1) / 2
        places = zip(shape, zooms, affine[:3, 3], strict=True)
        axes = np.meshgrid(*(np.arange(n) * z + o for n, z, o in places), indexing='ij')
        radius = np.sqrt(sum(a**2 for a in axes))
        labels = np.zeros(shape, np.uint8)
        for value, (x, y) in {1: (-15, 10), 2: (15, 10), 3: (-15, -8), 4: (15, -8)}.items():
            labels[(axes[0] - x) ** 2 + (axes[1] - y) ** 2 + axes[2] ** 2 < 49] = value
        return affine, radius, labels

    affine, radius, labels = world((36, 40, 36), (2.0, 2.0, 2.0))
    brain = radius < 30
    t1w = np.where(brain, 60 + 40 * (radius < 20), 5) + rng.normal(size=radius.shape)
    given = {
        't1w': save(root / 't1w.nii.gz', t1w, affine),
        't1w_brain_mask': save(root / 'mask.nii.gz', brain, affine, np.uint8),
        'template_in_t1w': save(root / 'template.nii.gz', t1w * brain, affine),
        'labels_in_t1w': save(root / 'labels.nii.gz', labels, affine, np.uint8),
    }
    affine, radius, labels = world((44, 40, 20), (1.5, 1.8, 3.5))
    mask = radius < 28
    chi = np.where(labels > 2, 0.13, 0.02) * (labels > 0) + 0.005 * rng.normal(size=mask.shape)
    maps = {'magnitude': 100 * mask, 't1w_in_gre': np.where(mask, 60 + 40 * (radius < 20), 5),
            'qsm_mask': mask, 'totalfield': 0.3 * mask * radius / 30,
            'localfield': 0.02 * chi * mask, 'chimap': chi * mask, 'r2star': 20 * mask,
            'dseg': labels}  # fmt: skip
    run = {k: save(root / f'{k}.nii.gz', v, affine) for k, v in maps.items()}
    run |= {
        'regions_tsv': str(root / 'regions.tsv'),
        'entities': {'prefix': 'sub-01'},
        'facts': {'MagneticFieldStrength': 1.5, 'EchoTimes': [0.02, 0.04],
                  'VoxelSize': [1.5, 1.8, 3.5], 'B0Direction': [0, 0, 1], 'Shape': [44, 40, 20]},
        'parameters': {'inversion': {'weight': 0.0004}},
        'quality': {'overlap': 0.93},
        'load_warnings': [f'phase of {EVIL} was rescaled'],
        'field_warnings': None,
    }  # fmt: skip
    region_rows().to_csv(root / 'regions.tsv', sep='\t', index=False, na_rep='n/a')
    return given, run


def region_rows(**changes):
    rows = []
    for region, mean in (('caudate', 20.25), ('pallidum', 130.125)):
        for side in ('L', 'R', 'both'):
            rows.append({
                'participant_id': 'sub-01', 'session_id': None, 'run_id': None, 'atlas': 'dgm',
                'region': region, 'hemisphere': side, 'n_voxels': 150, 'volume_mm3': 1400.0,
                'coverage': 0.97, 'chi_mean': mean, 'chi_median': mean, 'chi_sd': 5.0,
                'r2star_mean': 20.0,
            })  # fmt: skip
    brain = rows[0] | {'region': 'brain', 'hemisphere': 'both', 'volume_mm3': 1.3e6, 'chi_mean': 0}
    frame = pd.DataFrame([*rows, brain])
    for column, value in changes.items():
        frame.loc[1, column] = value
    return frame


def render(visit, **changes):
    given, run = visit
    return render_participant(
        participant_id='sub-01', runs=[run | changes], names=NAMES, versions={'nigra': '9.9'},
        warnings=[f'two T1w images {EVIL}'], methods_html='<p>as <b>told</b></p>', **given,
    )  # fmt: skip


def test_participant_page_stands_alone_and_shows_everything(visit):
    html = render(visit)
    page = check_alone(html)
    for text in ('Brain mask', 'T1w to template', 'Deep grey nuclei on the T1w image',
                 'Gradient echo to T1w', 'Deep grey nuclei on the susceptibility map',
                 'Susceptibility map', 'Local field', 'Total field', 'R2*', '1.5 T', '20, 40 ms',
                 '1.5 × 1.8 × 3.5 mm', 'inversion.weight', '0.0004', '9.9', 'Overlap', 'as told',
                 '±0.15'[1:], 'brain mask'):  # fmt: skip
        assert text in page.words, text
    assert f'two T1w images {EVIL}' in page.words
    assert f'phase of {EVIL} was rescaled' in page.words
    assert html == render(visit)
    assert len(html) < 1_000_000


def test_region_table_has_full_numbers(visit):
    page = check_alone(render(visit))
    rows = [row for row in page.tables if row and row[0] in ('caudate', 'pallidum', 'brain')]
    expected = region_rows()
    assert len(rows) == len(expected)
    for row, (_, truth) in zip(rows, expected.iterrows(), strict=True):
        assert row[:2] == [truth.region, truth.hemisphere]
        numbers = ['n_voxels', 'volume_mm3', 'coverage', 'chi_mean', 'chi_median', 'chi_sd']
        np.testing.assert_array_equal(np.array(row[2:8], float), truth[numbers].to_numpy(float))


def test_one_echo_and_no_labels(visit):
    given, run = visit
    given = {k: v for k, v in given.items() if k != 'labels_in_t1w'}
    html = render_participant(
        participant_id='sub-01', runs=[run | {'r2star': None}], names=NAMES, **given
    )
    words = check_alone(html).words
    assert 'R2* Enlarge' not in words
    assert 'on the T1w image outlines' not in words


def test_one_step_reconstruction_has_no_local_field(visit):
    given, run = visit
    html = render_participant(
        participant_id='sub-01', runs=[run | {'localfield': None}], names=NAMES, **given
    )
    words = check_alone(html).words
    assert 'Local field Enlarge' not in words
    assert 'Total field Enlarge' in words


def test_runs_have_their_own_sections(visit):
    given, run = visit
    runs = [run | {'entities': {'prefix': f'sub-01_run-{i}'}} for i in (1, 2)]
    html = render_participant(participant_id='sub-01', runs=runs, names=NAMES, **given)
    assert check_alone(html).words.count('Gradient echo run-2') >= 2
    assert {'#run-1', '#run-2'} <= set(Page(html).links)


def lights(frame, warnings=()):
    return {c.title: c for c in participant_page.region_checks(frame, list(warnings))}


def test_lights_are_green_where_all_is_well():
    found = lights(region_rows())
    assert {c.status for c in found.values()} == {'good'}
    assert participant_page.verdict(list(found.values())).status == 'good'


@pytest.mark.parametrize(
    ('changes', 'title', 'status', 'text'),
    [
        ({'coverage': 0.8}, 'Nuclei inside the mask', 'note', 'caudate right, 80 %'),
        ({'coverage': 0.3}, 'Nuclei inside the mask', 'bad', 'caudate right, 30 %'),
        ({'volume_mm3': 900.0}, 'Left/right volume difference', 'note', 'caudate, 43 %'),
        ({'n_voxels': 0}, 'Missing nuclei', 'bad', 'caudate right'),
    ],
)
def test_lights_tell_what_is_wrong(changes, title, status, text):
    found = lights(region_rows(**changes))
    assert found[title].status == status
    assert text in found[title].text
    assert participant_page.verdict(list(found.values())).status == status


def test_inverted_contrast_is_a_problem():
    frame = region_rows()
    frame['region'] = frame['region'].replace('caudate', 'thalamus')
    assert lights(frame)['Iron contrast'].status == 'good'
    frame['chi_mean'] *= -1
    found = lights(frame)['Iron contrast']
    assert found.status == 'bad'
    assert 'sign of the phase' in found.text


def test_warnings_light():
    found = lights(region_rows(), ['a', 'b'])
    assert found['Warnings'].status == 'note'
    assert found['Warnings'].text == '2 below'


def test_participant_interface_writes_the_page(visit, tmp_path):
    given, run = visit
    out = tmp_path / 'deep' / 'sub-01.html'
    result = ParticipantReport(
        participant_id='sub-01', runs=[run], warnings=['one'], anat_warnings=['two'],
        versions={'nigra': '1'}, out_file=str(out), **given,
    ).run()  # fmt: skip
    assert result.outputs.out_report == str(out)
    words = check_alone(out.read_text(encoding='utf-8')).words
    assert 'one two' in words


def study(root, groups=('NMO', 'RRMS', 'HC'), n=4, empty=False):
    """Tables of a small study in which the first group has more iron in the putamen."""
    rng = np.random.default_rng(4)
    rows = [
        {'participant_id': f'sub-{g}-{i}', 'region': r, 'hemisphere': h, 'chi_mean':
            rng.normal(40, 2) + 20 * (r == 'putamen' and g == groups[0]),
         'volume_mm3': 1000.0, 'group': g, 'age': 30 + i, 'sex': 'FM'[i % 2],
         'edss': float(i) if g != groups[-1] else np.nan}
        for g in groups for i in range(n) for r in ('putamen', 'caudate')
        for h in ('L', 'R', 'both')
    ]  # fmt: skip
    contrasts = [
        {'measure': 'chi_mean', 'region': r, 'hemisphere': h, 'contrast': f'{a} - {groups[-1]}',
         'n_a': n, 'n_b': n, 'estimate': -20.0 if r == 'putamen' else 0.5,
         'ci_low': -24.5 if r == 'putamen' else -1, 'ci_high': -15.5 if r == 'putamen' else 2,
         'statistic': 9.0, 'p': 0.0001, 'p_adjusted': 0.0003 if r == 'putamen' else 0.8,
         'effect_size': -2.5}
        for r in ('putamen', 'caudate') for h in ('L', 'R', 'both') for a in groups[:-1]
    ]  # fmt: skip
    models = [{'measure': 'chi_mean', 'region': 'putamen', 'hemisphere': 'both', 'p': 0.01}]
    correlations = [
        {'measure': 'chi_mean', 'region': 'putamen', 'hemisphere': 'both', 'group': g,
         'score': 'edss', 'n': n, 'rho': 0.75, 'p': 0.2, 'p_adjusted': 0.04 if i else 0.4}
        for i, g in enumerate(groups[:-1])
    ]  # fmt: skip
    values = [
        {'participant_id': r['participant_id'], 'group': r['group'], 'measure': 'chi_mean',
         'region': r['region'], 'hemisphere': r['hemisphere'], 'value': r['chi_mean']}
        for r in rows
    ]  # fmt: skip
    tables = {'regions': rows, 'models': models, 'contrasts': contrasts,
              'correlations': correlations, 'values': values}  # fmt: skip
    paths = {}
    for name, content in tables.items():
        frame = pd.DataFrame(content)
        frame = frame.iloc[:0] if empty and name not in ('regions', 'values') else frame
        paths[name] = root / f'group_{name}.tsv'
        frame.to_csv(paths[name], sep='\t', index=False, na_rep='n/a')
    return paths


def test_group_page_stands_alone_and_tells_the_findings(tmp_path):
    paths = study(tmp_path)
    (tmp_path / 'left_out.tsv').write_text(f'participant_id\treason\nsub-9\tno maps {EVIL}\n')
    text = methods_text({'group': {'group_column': 'group'}}, version='1')
    html = render_group(
        {**paths, 'exclusions': tmp_path / 'left_out.tsv'}, warnings=[f'mixed {EVIL}'],
        settings={'group_column': 'group', 'reference_group': 'HC', 'scores': ['edss'],
                  'formulae': {'chi_mean': 'chi ~ C(group)'}},
        methods_html=text.html, version='1',
    )  # fmt: skip
    page = check_alone(html)
    sentence = 'Mean susceptibility of the putamen was lower in NMO than in HC, by 20.0 ppb.'
    assert sentence in page.words
    assert '95 % CI 15.5 to 24.5' in page.words
    assert (
        'In RRMS, a higher EDSS went with higher mean susceptibility of the putamen.' in page.words
    )
    assert 'In NMO, a higher EDSS' not in page.words
    assert 'of the caudate was' not in page.words
    for shown in (f'sub-9 no maps {EVIL}', f'mixed {EVIL}', 'NMO: n = 4', 'chi ~ C(group)',
                  'ρ = 0.75, adj. p = .040, n = 4', 'NMO − HC'):  # fmt: skip
        assert shown in page.words.replace('\u00a0', ' '), shown
    files = [link for link in page.links if link.endswith('.tsv')]
    assert files == ['group_regions.tsv', 'group_models.tsv', 'group_contrasts.tsv',
                     'group_correlations.tsv', 'left_out.tsv', 'group_values.tsv']  # fmt: skip
    assert page.words.index('NMO') < page.words.index('HC')


def test_other_tests_stand_beside_a_finding_where_a_check_failed(tmp_path):
    paths = study(tmp_path)
    contrasts = pd.read_csv(paths['contrasts'], sep='\t').assign(
        p_hc3=0.004, p_permutation=0.0123, estimate_at_equal_volume=-17.3, p_at_equal_volume=0.02
    )
    contrasts.to_csv(paths['contrasts'], sep='\t', index=False)
    models = pd.read_csv(paths['models'], sep='\t')
    for advice, there, absent in (
        ('unequal variances: see p_hc3', 'allowing for unequal variances p = .004', 'by perm'),
        ('residuals not normal: see p_rank', 'by permutation p = .012', 'allowing for'),
    ):
        models.assign(advice=advice).to_csv(paths['models'], sep='\t', index=False)
        words = Page(render_group(paths)).words.replace('\u00a0', ' ')
        assert 'at equal volume 17.3 ppb, p = .020' in words
        assert there in words
        assert absent not in words


def test_every_participant_is_a_point_in_each_panel(tmp_path):
    html = render_group(study(tmp_path, n=5))
    marks = re.findall(r'class="point"[^>]*><title>(sub-[^:]+):', html)
    counts = pd.Series(marks).value_counts()
    assert len(counts) == 15
    # two regions for everybody, one scatter chart for the two patient groups
    assert counts[[i for i in counts.index if '-HC-' in i]].eq(2).all()
    assert counts[[i for i in counts.index if '-HC-' not in i]].eq(3).all()


def test_tables_have_full_numbers(tmp_path):
    paths = study(tmp_path)
    page = Page(render_group(paths))
    frame = pd.read_csv(paths['contrasts'], sep='\t')
    rows = [r for r in page.tables if len(r) == len(frame.columns)]
    assert len(rows) == len(frame)
    columns = ['estimate', 'ci_low', 'ci_high', 'statistic', 'p', 'p_adjusted', 'effect_size']
    places = [frame.columns.get_loc(c) for c in columns]
    shown = [[float(row[i]) for i in places] for row in rows]
    np.testing.assert_array_equal(shown, frame[columns].to_numpy())


@pytest.mark.parametrize('labels', [(EVIL, 'b & c'), ('1', '2'), ('NA', 'x-y - z'), ('01', '1')])
def test_group_labels_are_data(tmp_path, labels):
    page = check_alone(render_group(study(tmp_path, groups=labels)))
    for label in labels:
        assert f'{label}: n = 4' in page.words
    assert f'was lower in {labels[0]} than in {labels[1]}' in page.words


def test_no_tests_still_gives_a_page(tmp_path):
    page = check_alone(render_group(study(tmp_path, empty=True)))
    assert 'No difference between groups was significant' in page.words
    assert 'Nobody was left out' in page.words
    assert 'Mean susceptibility' in page.words


def test_missing_values_are_shown_as_such(tmp_path):
    paths = study(tmp_path)
    frame = pd.read_csv(paths['contrasts'], sep='\t')
    frame.loc[frame.region == 'putamen', ['estimate', 'ci_low', 'ci_high', 'p_adjusted']] = np.nan
    frame.to_csv(paths['contrasts'], sep='\t', index=False, na_rep='n/a')
    words = check_alone(render_group(paths)).words
    assert 'No difference between groups was significant' in words
    assert 'not tested' in words


def test_wrong_tables_are_named(tmp_path):
    paths = study(tmp_path)
    with pytest.raises(InputError, match=r"group_regions\.tsv: has no column 'diagnosis'"):
        render_group(paths, settings={'group_column': 'diagnosis'})
    paths['contrasts'] = paths['models']
    with pytest.raises(InputError, match=r"group_models\.tsv: has no column 'contrast'"):
        render_group(paths)


def test_group_interface_writes_the_page(tmp_path):
    paths = {f'{k}_tsv': str(v) for k, v in study(tmp_path).items()}
    out = str(tmp_path / 'group.html')
    result = GroupReport(**paths, settings={'alpha': 0.01}, version='1', out_file=out).run()
    assert result.outputs.out_report == out
    check_alone(Path(out).read_text(encoding='utf-8'))


def test_people_left_out_are_not_counted(tmp_path):
    (tmp_path / 'out.tsv').write_text(
        'participant_id\treason\nsub-HC-0\tage n/a\nsub-x\tno maps\n'
    )
    page = Page(render_group({**study(tmp_path), 'exclusions': tmp_path / 'out.tsv'}))
    assert {'HC: n = 3', 'NMO: n = 4'} <= {w.strip() for w in page.text}
    assert 'participants compared 11' in page.words
    assert 'left out 2' in page.words


@pytest.mark.parametrize('separator', [' - ', '-', ' vs ', ' − '])
def test_sides_of_a_contrast(separator):
    groups = ['A', 'A-B', 'B', 'C d']
    for a in groups[1:]:
        assert group_sentences.sides(f'{a}{separator}C d', groups) == (a, 'C d') or a == 'C d'
    assert group_sentences.sides('A over B', groups) is None
