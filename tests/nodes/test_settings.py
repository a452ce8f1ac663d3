"""Every setting of every method is checked, and before the images are."""

import dataclasses
import functools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from nigra.nodes.errors import NigraError, SettingError
from nigra.nodes.fields import as_setting
from nigra.nodes.grid import Grid
from nigra.nodes.methods import BACKGROUND, ONE_STEP, STEPS, Method
from nigra.nodes.stages import Scan, check_values, read_settings, run_step, setting_text

METHODS = [m for table in (*STEPS.values(), *ONE_STEP.values()) for m in table.values()]


def wrong_values(default: Any) -> Iterator[Any]:
    """Values of a setting's kind that no method can mean."""
    if isinstance(default, str):
        yield 'nonsense'
        return
    numbers = [math.nan, math.inf, -math.inf, 1e30, -1e30]
    if isinstance(default, tuple):
        yield ()
        yield from ((*default[:-1], number) for number in numbers)
        yield from ((number,) * len(default) for number in numbers)
    else:
        yield from numbers
        if isinstance(default, int):
            yield from (-1, 10**30, 1.5)


SETTINGS = [
    pytest.param(method, name, id=f'{method.step}-{method.name}-{name}')
    for method in METHODS
    for name, default in method.defaults.items()
    if not isinstance(default, bool)
]


@pytest.mark.parametrize(('method', 'name'), SETTINGS)
def test_a_setting_out_of_range_is_told_before_any_image_is_looked_at(method: Method, name: str):
    for value in wrong_values(method.defaults[name]):
        with pytest.raises(SettingError, match=f'^{name} must .*, got ') as caught:
            check_values(method, {name: value})
        assert caught.value.name == name


def alike(default: Any) -> Iterator[Any]:
    """The value of a default as NumPy, or an index of a table, gives it."""
    yield from (np.array(default), list(default) if isinstance(default, tuple) else default)
    if isinstance(default, int | float):
        yield from (np.float64(default), np.float32(default), float(default))
        if not isinstance(default, bool) and default == int(default):
            yield from (np.int16(default), np.uint16(default), int(default))


def kernel_of(method: Method, taken: dict[str, Any]) -> Method:
    """The method, whose kernel keeps what it is given and computes nothing."""

    @functools.wraps(method.function)
    def kernel(*_: Any, **given: Any) -> Any:
        taken.update({name: given[name] for name in method.defaults if name in given})
        return np.zeros((2, 2, 2))

    return dataclasses.replace(method, function=kernel)


@pytest.mark.parametrize('method', METHODS, ids=lambda m: f'{m.step}-{m.name}')
def test_settings_of_numpy_and_whole_floats_come_as_the_kernel_s_own_types(method):
    names = ('totalfield', 'localfield', 'chimap', 'r2star', 'phase', 'magnitude')
    images = dict.fromkeys((*names, 'mask'), np.zeros((2, 2, 2)))
    for name, default in method.defaults.items():
        if isinstance(default, bool):
            values = [np.bool_(default), np.array(default)]
        else:
            values = list(alike(default))
        for value in values:
            taken: dict[str, Any] = {}
            given = kernel_of(method, taken)
            run_step(given, images, Scan(Grid((2, 2, 2)), (0.01,), 3.0), settings={name: value})
            if isinstance(default, str):
                assert taken[name] == default
            else:
                assert taken[name] == pytest.approx(default, rel=1e-6)
            assert type(taken[name]) is type(default)
            assert setting_text(name, value).partition('=')[2]


@pytest.mark.parametrize('radius', [5, 5.0, np.float32(5), np.array(5)])
def test_one_number_is_a_row_of_one_as_it_is_in_a_text(radius):
    assert as_setting('radii', radius, (3.0, 2.0)) == (5.0,)
    chain = {'background': BACKGROUND['vsharp']}
    read = read_settings(chain, [setting_text('radii', radius)])
    assert read == {'background': {'radii': (5.0,)}}


@pytest.mark.parametrize('method', METHODS, ids=lambda m: f'{m.step}-{m.name}')
def test_a_setting_of_another_kind_is_told_in_one_sentence(method):
    for name, default in method.defaults.items():
        others = [None, {}, [[1, 2]], object()]
        others += [True, np.True_] if not isinstance(default, bool) else ['false', 1, 0.0]
        others += ['60'] if not isinstance(default, str) else [1, 2.0]
        for value in others:
            with pytest.raises(SettingError, match=f'^{name} must '):
                check_values(method, {name: value})
    with pytest.raises(NigraError, match=f"^{method.name} has no setting 'speed'; choose from "):
        run_step(method, {n: np.zeros((2, 2, 2)) for n in ('mask', 'totalfield', 'localfield',
                 'chimap', 'r2star', 'phase', 'magnitude')}, Scan(Grid((2, 2, 2)), (0.01,), 3.0),
                 settings={'speed': 1})  # fmt: skip


@pytest.mark.parametrize('digits', [400, 5000])  # Python writes out no more than 4300
@pytest.mark.parametrize('method', METHODS, ids=lambda m: f'{m.step}-{m.name}')
def test_a_whole_number_of_which_no_float_can_be_made_is_told(method, digits):
    for name, default in method.defaults.items():
        huge = -(10**digits)
        for value in (huge, [huge]) if isinstance(default, tuple) else (huge,):
            words = f'^{name} must be of at most 308 digits, got one of {digits + 1}$'
            with pytest.raises(SettingError, match=words):
                check_values(method, {name: value})
        with pytest.raises(SettingError, match=words):
            setting_text(name, huge)
    assert as_setting('strength', 10**307, 1.0) == 1e307


@pytest.mark.parametrize('method', METHODS, ids=lambda m: f'{m.step}-{m.name}')
def test_the_defaults_are_in_range(method):
    check_values(method, method.defaults)
