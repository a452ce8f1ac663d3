"""Every setting of every method is checked, and before the images are."""

import math
from collections.abc import Iterator
from typing import Any

import pytest

from nigra.nodes.errors import SettingError
from nigra.nodes.methods import ONE_STEP, STEPS, Method
from nigra.nodes.stages import check_values

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


@pytest.mark.parametrize('method', METHODS, ids=lambda m: f'{m.step}-{m.name}')
def test_the_defaults_are_in_range(method):
    check_values(method, method.defaults)
