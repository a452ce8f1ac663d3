"""Words and numbers of the group page's tables and charts, one piece at a time."""

from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from nigra.interfaces.reports import effect_maps, group_page
from nigra.interfaces.reports.cells import fixed, p_value
from nigra.interfaces.reports.effect_maps import draw_effects, draw_tests
from nigra.interfaces.reports.group_page import (
    _auto_column,
    _auto_table,
    _effect,
    _note,
    _samples,
    summary,
)


@pytest.mark.parametrize(
    ('values', 'text'),
    [
        ([20.0, 30.0, 40.0], '30.0 (SD 10.0), 20 to 40'),
        ([20.0, 30.0, np.nan], '25.0 (SD 7.1), 20 to 30, 1 n/a'),
        ([20.0], '20.0, 20 to 20'),
        ([np.nan, np.nan], None),
        (['F', 'M', 'F'], '2 F, 1 M'),
        (['F', None, None], '1 F, 2 n/a'),
    ],
)
def test_covariates_of_a_group_are_summed_up(values, text):
    assert summary(pd.Series(values)) == text


@pytest.mark.parametrize(
    ('row', 'text'),
    [
        ({'rho': np.nan, 'p_adjusted': 0.1, 'n': 4}, 'not tested'),
        ({'rho': -0.5, 'p_adjusted': 0.04, 'n': 9}, 'ρ = −0.50, adj. p =\u00a0.040, n = 9'),
        ({'rho': 0.5, 'p_adjusted': np.nan, 'n': 9}, 'ρ = 0.50, n = 9'),
        ({'rho': 0.5, 'p_adjusted': 1e-5}, 'ρ = 0.50, adj. p <\u00a0.001'),
        ({'rho': 0.5, 'p_adjusted': 0.2, 'n': np.nan}, 'ρ = 0.50, adj. p =\u00a0.20'),
    ],
)
def test_correlations_are_told_with_what_is_known(row, text):
    assert _note(row) == text


ROW = {'region': 'red_nucleus', 'group_a': 'A', 'group_b': 'B', 'estimate': 4.0, 'ci_low': 1.5,
       'ci_high': 6.5, 'p_adjusted': 0.01, 'effect_size': 0.8}  # fmt: skip
DATA = SimpleNamespace(alpha=0.05, groups=['A', 'B'])


@pytest.mark.parametrize(
    ('change', 'text', 'significant'),
    [
        ({}, '4.00 [1.50, 6.50],  p =\u00a0.010', True),
        ({'p_adjusted': 0.05}, '4.00 [1.50, 6.50],  p =\u00a0.050', False),
        ({'p_adjusted': np.nan}, '4.00 [1.50, 6.50]', False),
        ({'estimate': np.nan}, 'not tested', True),
    ],
)
def test_effects_are_told_with_interval_and_p(change, text, significant):
    effect = _effect({**ROW, **change}, DATA)
    assert (effect.text, effect.significant) == (text, significant)
    assert (effect.region, effect.contrast) == ('red nucleus', 'A − B')
    assert effect.effect_size == 0.8


def test_values_of_groups_come_with_the_score_of_each_person():
    rows = pd.DataFrame({
        'participant_id': ['s1', 's2', 's3'], 'group': ['B', 'A', 'B'], 'value': [1.0, 2, 3],
    })  # fmt: skip
    a, b = _samples(DATA, rows, pd.Series({'s1': 10.0, 's3': 30.0}))
    assert (a.group, a.people, a.values.tolist()) == ('A', ('s2',), [2])
    assert (b.people, b.values.tolist(), b.x.tolist()) == (('s1', 's3'), [1, 3], [10, 30])
    assert np.isnan(a.x).all()
    assert _samples(DATA, rows)[0].x is None


@pytest.mark.parametrize(
    ('name', 'shown'),
    [('p', '.012'), ('p_adjusted', '.012'), ('normality_p', '.012'), ('n', '0'), ('n_a', '0'),
     ('estimate', '0.0123'), ('np', '0.0123'), ('spin', '0.0123')],
)  # fmt: skip
def test_columns_are_formatted_by_their_name(name, shown):
    column = _auto_column(name, pd.Series([0.01234]), 'hint')
    assert column.show(0.01234) == shown
    text = _auto_column(name, pd.Series(['x']), 'hint')
    assert text.show is None
    assert not text.words
    assert _auto_column('region', pd.Series(['x']), '').words
    assert _auto_column('ci_low', pd.Series([1.0]), '').title == 'CI low'


def test_rows_are_marked_by_their_adjusted_p_and_side():
    frame = pd.DataFrame({
        'measure': 'chi_mean', 'region': 'putamen', 'hemisphere': ['both', 'L', 'R', 'both'],
        'p': [0.001, 0.001, 0.2, np.nan], 'p_adjusted': [0.049, 0.05, 0.2, np.nan],
        'failed_checks': [None, 'normality', None, None],
    })  # fmt: skip
    table = SimpleNamespace(lead=('region', 'absent'), hint=lambda name: '')
    made = _auto_table(table, frame, 0.05)
    assert list(made.row_classes) == ['significant', 'side', 'side', '']
    assert made.lead == 1
    assert made.columns[0].title == 'region'
    checks = [row[-1].text for row in made.rows]
    assert checks == ['none', 'normality', 'none', 'n/a']
    plain = _auto_table(table, frame.drop(columns='p_adjusted'), 0.05)
    assert list(plain.row_classes) == ['significant', 'significant side', 'side', '']


def test_p_values_and_counts_have_formats_of_their_own():
    assert _auto_column('p', pd.Series([0.1]), '').show is p_value
    assert _auto_column('n', pd.Series([1200]), '').show(1200) == fixed(0)(1200)


def test_tables_that_come_first_come_first():
    shown = group_page.shown_tables()
    firsts = [table.first for table in shown]
    assert firsts == sorted(firsts, reverse=True)
    assert all(table.title for table in shown)


# Pictures of effects


@pytest.fixture
def drawn(monkeypatch):
    """What is handed on to be drawn."""
    calls = []

    def catch(layers, rows, reference, **more):
        calls.append({'layers': layers, 'rows': rows, **more})
        return 'svg'

    monkeypatch.setattr(effect_maps, 'draw_slices', catch)
    return calls


def test_nuclei_have_the_colour_of_their_effect_and_the_largest_the_full_one(drawn):
    known = effect_maps.region_labels()
    sizes = {'putamen': 1.0, 'caudate': -0.5, 'thalamus': 0.0, 'nowhere': 9.0}
    assert draw_effects(sizes, {'caudate'}, label='x', limit=2.0) == 'svg'
    (call,) = drawn
    _, labels, _ = effect_maps._scene()
    pixels = call['layers'][1].pixels
    for region, fraction in (('putamen', 0.5), ('caudate', -0.25), ('thalamus', 0.0)):
        inside = np.isin(labels, known[region])
        assert set(np.unique(pixels[inside])) == {128 + round(127 * fraction)}
    assert not pixels[labels == 0].any()
    (outline,) = call['outlines']
    np.testing.assert_array_equal(outline.values > 0, np.isin(labels, known['caudate']))
    assert outline.label == 'caudate: -0.50, significant'
    assert (call['bar'].low, call['bar'].high) == (-2, 2)
    shown = {axis: [i for a, i in call['rows'][0] if a == axis] for axis in (2, 1)}
    assert [len(places) for places in shown.values()] == [4, 2]
    draw_effects({'putamen': 5.0}, (), label='x', limit=2.0)
    assert drawn[-1]['layers'][1].pixels.max() == 255  # what is beyond the scale ends there
    assert draw_effects({'nowhere': 1.0}, (), label='x') == ''


def test_voxels_are_shown_from_a_t_on_and_outlined_below_the_level(tmp_path, drawn):
    t = np.zeros((20, 24, 20), np.float32)
    t[4:16, 4:20, 4:16] = 0.1
    t[6, 6, 6], t[7, 6, 6], t[8, 6, 6] = 4.0, -2.0, 0.99 * effect_maps.SHOWN_T
    t[9, 6, 6] = effect_maps.SHOWN_T
    p = np.ones(t.shape, np.float32)
    p[6, 6, 6], p[7, 6, 6] = 0.01, 0.05
    affine = np.diag([8.0, 8, 8, 1])
    affine[:3, 3] = (-80, -110, -60)
    for name, data in (('t', t), ('p', p)):
        nib.save(nib.Nifti1Image(data, affine), tmp_path / f'{name}.nii.gz')
    draw_tests(tmp_path / 't.nii.gz', tmp_path / 'p.nii.gz', alpha=0.05, label='x')
    (call,) = drawn
    low, high = effect_maps.T_LIMITS
    limit = min(max(4.0, low), high)
    assert call['bar'].high == limit == -call['bar'].low
    pixels = call['layers'][1].pixels
    assert pixels[6, 6, 6] == 128 + round(127 * 4 / limit)
    assert pixels[7, 6, 6] == (128 - round(127 * 2 / limit) if effect_maps.SHOWN_T <= 2 else 0)
    assert pixels[8, 6, 6] == 0
    assert pixels[9, 6, 6] > 128
    assert np.argwhere(call['outlines'][0].values).tolist() == [[6, 6, 6]]
    places = {axis: [i for a, i in call['rows'][0] if a == axis] for axis in (2, 1)}
    assert [len(v) for v in places.values()] == [5, 2]
    assert min(places[2]) >= 4
    assert max(places[2]) <= 15


def test_colours_of_effects_are_grey_in_the_middle_and_differ_at_the_ends():
    colours = effect_maps._palette().astype(int)
    assert np.ptp(colours[128]) < 12
    assert np.abs(colours[1] - colours[255]).max() > 80
    for side in (colours[128:], colours[128:0:-1]):
        away = np.abs(side - side[0]).sum(axis=1)
        assert away[-1] > 150
        assert (np.diff(away) >= -6).all()
