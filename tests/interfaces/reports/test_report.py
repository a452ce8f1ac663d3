"""Group pages: self-contained, safe with any name, and their numbers are the tables' numbers."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from toy_page import EVIL, Page, check_alone

from nigra.interfaces.group_tables import GROUP_TABLES
from nigra.interfaces.reports.boilerplate import methods_text
from nigra.interfaces.reports.report import (
    GroupReport,
    render_group,
)
from nigra.nodes.errors import InputError


def study(root, groups=('NMO', 'RRMS', 'HC'), n=4, empty=False):
    """Tables of a small study in which the first group has more iron in the putamen."""
    rng = np.random.default_rng(4)
    rows = [
        {'participant_id': f'sub-{g}-{i}', 'region': r, 'hemisphere': h, 'chi_mean':
            rng.normal(40, 2) + 20 * (r == 'putamen' and g == groups[0]),
         'session_id': None, 'run_id': None, 'volume_mm3': 1000.0, 'group': g, 'age': 30 + i,
         'sex': 'FM'[i % 2],
         'edss': float(i) if g != groups[-1] else np.nan}
        for g in groups for i in range(n) for r in ('putamen', 'caudate')
        for h in ('L', 'R', 'both')
    ]  # fmt: skip
    contrasts = [
        {'measure': 'chi_mean', 'region': r, 'hemisphere': h, 'contrast': f'{a} - {groups[-1]}',
         'group_a': a, 'group_b': groups[-1],
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
    (tmp_path / 'left_out.tsv').write_text(
        f'participant_id\treason\tscope\nsub-9\tno maps {EVIL}\tall\n'
    )
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
    for failed, there, absent in (
        ('equal_variance', 'allowing for unequal variances p = .004', 'by perm'),
        ('normality', 'by permutation p = .012', 'allowing for'),
    ):
        models.assign(failed_checks=failed).to_csv(paths['models'], sep='\t', index=False)
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
    lead = [c for c in GROUP_TABLES['contrasts'].lead if c in frame]
    order = [*lead, *(c for c in frame if c not in lead)]
    places = [order.index(c) for c in columns]
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
        'participant_id\treason\tscope\nsub-HC-0\tage n/a\tall\nsub-x\tno maps\tall\n'
    )
    page = Page(render_group({**study(tmp_path), 'exclusions': tmp_path / 'out.tsv'}))
    assert {'HC: n = 3', 'NMO: n = 4'} <= {w.strip() for w in page.text}
    assert 'participants compared 11' in page.words
    assert 'left out 2' in page.words
