"""Checks of settings and fields: the last value that is allowed, and the first that is not."""

import numpy as np
import pytest

from nigra.nodes import fields
from nigra.nodes.errors import NigraError, SettingError
from nigra.nodes.grid import Grid

NEXT = 1 + 1e-12


@pytest.mark.parametrize(
    ('check', 'allowed', 'refused'),
    [
        (fields.check_positive, [1e-9, 1.0, 1e9], [0.0, -1.0, 0.999e-9, 1e9 * NEXT, np.nan]),
        (fields.check_not_negative, [0.0, 1.0, 1e9], [-1e-12, 1e9 * NEXT, np.nan, np.inf]),
        (fields.check_fraction, [0.0, 0.5, 1.0], [-1e-12, NEXT, np.nan]),
        (fields.check_lengths, [1e-6, 200.0], [0.0, -1.0, 200 * NEXT, np.nan]),
        (fields.check_counts, [1, np.int64(3), 100_000], [0, -1, 100_001, 1.5, 3.0, np.True_]),
    ],
)
def test_ranges_end_where_they_say(check, allowed, refused):
    for value in allowed:
        check(x=value)
    for value in (*refused, '1', None, True, [1]):
        with pytest.raises(SettingError, match=r'^x must ') as caught:
            check(x=value)
        assert caught.value.name == 'x'
        with pytest.raises(SettingError, match=r'^second must '):
            check(first=allowed[0], second=value)


def test_counts_have_limits_of_their_own():
    fields.check_counts(0, 5, layers=0)
    fields.check_counts(0, 5, layers=5)
    for value in (-1, 6, 2.5):
        with pytest.raises(SettingError, match='layers must be a whole number from 0 to 5'):
            fields.check_counts(0, 5, layers=value)
    with pytest.raises(SettingError, match=r'from 1 to 100000, got the float 60\.0'):
        fields.check_counts(steps=60.0)


def test_a_margin_may_be_none_at_all_and_a_head_s_at_most():
    for margin in (0.0, 7.5, 200.0):
        fields.check_margin(margin)
    for margin in (-1e-9, 200.1, np.nan):
        with pytest.raises(SettingError, match='margin must be a length'):
            fields.check_margin(margin)


def test_a_word_is_one_of_the_choices():
    fields.check_choice(('one', 'two'), word='two')
    with pytest.raises(SettingError, match='word must be one of one, two, got three'):
        fields.check_choice(('one', 'two'), word='three')


def test_fields_fit_their_grid_and_are_known_in_the_mask():
    grid = Grid((4, 5, 6))
    field, mask = np.zeros(grid.shape), np.ones(grid.shape, bool)
    mask[0] = False
    field[0] = np.nan  # outside the mask nothing need be known
    fields.check_field_map(field, mask, grid)
    field[1:3, 0, 0] = np.inf, np.nan
    with pytest.raises(NigraError, match='the field has 2 values inside the mask'):
        fields.check_field_map(field, mask, grid)
    with pytest.raises(NigraError, match=r'the noise has shape \(4, 5\)'):
        fields.check_field(field[..., 0], grid, 'the noise')
    with pytest.raises(NigraError, match='mask'):
        fields.check_field_map(np.zeros(grid.shape), mask & False, grid)


def test_sums_of_products_are_of_double_precision():
    """In float32 a million times 0.1 is off in the fourth digit."""
    a = np.full((100, 100, 100), 0.1, np.float32)
    assert fields.dot(a, a) == pytest.approx(1e6 * float(a[0, 0, 0]) ** 2, rel=1e-12)
