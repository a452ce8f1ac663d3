"""Stages of a reconstruction: the methods that make them up, their settings, and one step run."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import NigraError, SettingError
from .field.echoes import combine_magnitude
from .fields import KINDS, as_setting, check_digits
from .grid import Grid
from .methods import ONE_STEP, STEPS, Method
from .parallel import Progress

Arrays = dict[str, NDArray[Any]]

_MAKES = {
    'field': ('totalfield', 'noise', 'curvature', 'alternation'),
    'background': ('localfield', 'mask'),
    'inversion': ('chimap', 'mask'),
    'field-to-chi': ('chimap', 'mask'),
    'phase-to-chi': ('chimap', 'mask', 'curvature'),
    'relaxometry': ('r2star', 's0'),
    'separation': ('paramagnetic', 'diamagnetic'),
}
"""What each step makes; a mask only where the method changes it. Curvature and alternation are
numbers."""


@dataclass(frozen=True)
class Scan:
    """What a reconstruction needs to know besides its images.

    Attributes
    ----------
    grid
        Geometry of the images.
    echo_times
        Echo times, s; empty where no stage asks for them.
    b0
        Main field, T; NaN where no stage asks for it.
    """

    grid: Grid
    echo_times: tuple[float, ...] = ()
    b0: float = float('nan')


STAGES: dict[str, tuple[str, ...]] = {
    'field-mapping': ('field',),
    'bfr': ('background',),
    'dipole': ('inversion',),
    'bfr+dipole': ('background', 'inversion'),
    'end-to-end': ('field', 'background', 'inversion'),
    'relaxometry': ('relaxometry',),
    'chi-separation': ('separation',),
}
"""Steps that each stage of the contract takes."""


def stage_methods(stage: str) -> dict[str, tuple[Method, ...]]:
    """Methods of a stage by name, the default first; names of several steps are joined by `+`.

    Examples
    --------
    >>> list(stage_methods('bfr'))[:2]
    ['pdf', 'vsharp']
    >>> list(stage_methods('bfr+dipole'))[0]
    'pdf+dual'
    """
    if stage not in STAGES:
        raise NigraError(f"there is no stage '{stage}'; choose from {', '.join(STAGES)}")
    chains = itertools.product(*(STEPS[step].values() for step in STAGES[stage]))
    by_name = {'+'.join(m.name for m in chain): chain for chain in chains}
    return by_name | {name: (method,) for name, method in ONE_STEP.get(stage, {}).items()}


def choose(stage: str, name: str | None = None) -> tuple[Method, ...]:
    """Methods of a stage's steps, in order; the default where no name is given.

    A name may leave out steps, which then take their default.

    Examples
    --------
    >>> [m.name for m in choose('end-to-end', 'vsharp+tkd')]
    ['romeo', 'vsharp', 'tkd']
    """
    methods = stage_methods(stage)
    if name is None:
        return next(iter(methods.values()))
    if name in methods:
        return methods[name]
    named = name.split('+')
    chain = [next((STEPS[step][n] for n in named if n in STEPS[step]), None)
             for step in STAGES[stage]]  # fmt: skip
    if len(named) != sum(m is not None for m in chain):
        raise NigraError(
            f"stage {stage} has no method '{name}'; choose from {method_names(stage)}"
        )
    defaults = next(iter(methods.values()))
    return tuple(m or default for m, default in zip(chain, defaults, strict=True))


def method_names(stage: str) -> str:
    """The methods of a stage in words: each step's, joined by `+`, then those of one step.

    Examples
    --------
    >>> method_names('bfr')
    'pdf, vsharp, resharp, lbv, ismv'
    """
    steps = [list(STEPS[step]) for step in STAGES[stage]]
    one = list(ONE_STEP.get(stage, {}))
    if len(steps) == 1:
        return ', '.join(steps[0] + one)
    joined = '+'.join(f'{{{",".join(names)}}}' for names in steps)
    return joined + (f' or {", ".join(one)}' if one else '')


def read_settings(chain: Mapping[str, Method], texts: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Settings of each step from `name=value` texts, typed as the defaults are.

    Parameters
    ----------
    chain
        The methods that will run, by the name that users give to the step.
    texts
        Settings as `read_setting` takes them; the last of a name counts.

    Returns
    -------
    dict
        Keyword arguments by step.

    Raises
    ------
    NigraError
        A name is unknown or ambiguous, or its value has the wrong type.

    Examples
    --------
    >>> read_settings(by_step(choose('bfr', 'vsharp')), ['radii=9,6,3'])
    {'background': {'radii': (9.0, 6.0, 3.0)}}
    """
    out: dict[str, dict[str, Any]] = {step: {} for step in chain}
    for text in texts:
        step, name, value = read_setting(chain, text)
        out[step][name] = value
    return out


def setting_text(name: str, value: Any) -> str:
    """A setting as `read_setting` takes it.

    Examples
    --------
    >>> setting_text('radii', [3, 2]), setting_text('inversion.merit', True)
    ('radii=3,2', 'inversion.merit=true')
    """
    if isinstance(value, bool):
        return f'{name}={str(value).lower()}'
    check_digits(name, value)
    several = isinstance(value, list | tuple | np.ndarray) and np.ndim(value)
    return f'{name}={",".join(map(str, value)) if several else value}'


def read_setting(chain: Mapping[str, Method], text: str) -> tuple[str, str, Any]:
    """Step, name and value of one `name=value` text; `step.name=value` where two share a name.

    Raises
    ------
    NigraError
        As in `read_settings`.
    """
    key, equals, given = (part.strip() for part in text.partition('='))
    if not (equals and key):
        raise NigraError(f"a setting is written STEP.NAME=VALUE, got '{text}'")
    step, _, name = key.rpartition('.')
    owners = [s for s, m in chain.items() if name in m.defaults and step in ('', s)]
    if not owners:
        names = ', '.join(
            name if len(chain) == 1 else f'{s}.{name}'
            for s, m in chain.items()
            for name in m.defaults
        )
        raise NigraError(f"there is no setting '{key}'; choose from {names}")
    if len(owners) > 1:
        names = ' or '.join(f'{s}.{name}' for s in owners)
        raise NigraError(f"the setting '{key}' is ambiguous; write {names}")
    return owners[0], name, _typed(key, given, chain[owners[0]].defaults[name])


def by_step(chain: tuple[Method, ...]) -> dict[str, Method]:
    """Methods by the names of their steps."""
    return {method.step: method for method in chain}


def scan_values(chain: Iterable[Method]) -> dict[str, bool]:
    """Which of `echo_times` and `b0` methods take, and whether one of them needs it.

    Examples
    --------
    >>> scan_values(choose('dipole', 'dual')), scan_values(choose('bfr+dipole', 'pdf+medi'))
    ({}, {'echo_times': False, 'b0': False})
    >>> scan_values(choose('field-mapping'))
    {'echo_times': True, 'b0': True}
    """
    out: dict[str, bool] = {}
    for method in chain:
        for name, needed in method.scan_values.items():
            out[name] = needed or out.get(name, False)
    return out


def _typed(key: str, text: str, default: Any) -> Any:
    """Value of the default's type from a text."""
    try:
        if isinstance(default, bool):
            return {'true': True, 'false': False}[text.strip().lower()]
        if isinstance(default, tuple):
            return tuple(float(part) for part in text.split(','))
        if isinstance(default, int):
            return _whole(text)
        return type(default)(text)
    except (ValueError, KeyError):
        raise NigraError(
            f"the setting '{key}' must be {KINDS[type(default)]}, got '{text}'"
        ) from None


def _whole(text: str) -> int:
    """Whole number from a text, which may be written as 5.0 or 1e3."""
    number = float(text)
    if not number.is_integer():
        raise ValueError(text)
    return int(number)


def check_values(method: Method, settings: Mapping[str, Any]) -> None:
    """Refuse settings that a method refuses, without computing anything.

    Methods look at their settings before they look at their images: so it is given images that no
    method takes, which it refuses by another error.

    Raises
    ------
    SettingError
        A setting is out of range.

    Examples
    --------
    >>> check_values(STEPS['inversion']['tkd'], {'threshold': -1.0})
    Traceback (most recent call last):
    ...
    nigra.nodes.errors.SettingError: threshold must lie between 0 and 2/3, got -1.0
    """
    images: Arrays = {
        name: np.zeros((1, 1, 1), np.float32)
        for name in ('totalfield', 'localfield', 'chimap', 'r2star')
    }
    images |= {name: np.zeros((1, 1, 1, 1), np.float32) for name in ('phase', 'magnitude')}
    images['mask'] = np.ones((2, 2, 2), bool)
    scan = Scan(Grid((3, 3, 3)), (0.01, 0.02), 3.0)
    try:
        run_step(method, images, scan, settings=settings)
    except SettingError:
        raise
    except NigraError:
        return  # the images, as it should


def parameters(method: Method, settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Everything that decides a step's result: its method and each setting's value."""
    return {'method': method.name, **method.defaults, **(settings or {})}


def run_step(
    method: Method,
    data: Arrays,
    scan: Scan,
    *,
    settings: Mapping[str, Any] | None = None,
    nthreads: int = 1,
    progress: Progress | None = None,
) -> Arrays:
    """Do one step.

    Parameters
    ----------
    method
        From `STEPS` or `ONE_STEP`.
    data
        Arrays by their name in the contract between stages; `noise` may be among them, and any
        that the method can use without needing it.
    scan
        Geometry, echo times and field strength.
    settings
        Keyword arguments that differ from the defaults, of Python's types or NumPy's.
    nthreads
        Threads; the result does not depend on them.
    progress
        Told of the iterations of methods that iterate.

    Returns
    -------
    dict
        What the step makes (`makes`); the mask only where the method changes it.

    Raises
    ------
    NigraError
        The method needs something that is not there, or refuses what is.
    """
    chosen = {name: _setting(method, name, value) for name, value in (settings or {}).items()}
    known: dict[str, Any] = {**data, 'grid': scan.grid, 'nthreads': nthreads, 'progress': progress}
    if scan.echo_times:
        known['echo_times'] = scan.echo_times
    if np.isfinite(scan.b0):
        known['b0'] = scan.b0
    # the steps after the field take one magnitude for all echoes
    if method.step in ('background', 'inversion') and np.ndim(known.get('magnitude', 0)) == 4:
        known['magnitude'] = combine_magnitude(known['magnitude'])
    wanted = inspect.signature(method.function).parameters
    missing = [n for n, p in wanted.items() if p.default is p.empty and n not in known]
    if missing:
        raise NigraError(f'{method.name} needs {", ".join(missing)}')
    # kernels name their parameters as the contract between stages names the arrays
    arguments = {name: known[name] for name in wanted if name in known}
    result = method.function(**arguments, **chosen)
    results = result if isinstance(result, tuple) else (result,)
    return dict(zip(_MAKES[method.step], results, strict=False))


def _setting(method: Method, name: str, value: Any) -> Any:
    """A setting that a method has, as its default is."""
    if name not in method.defaults:
        names = ', '.join(method.defaults)
        raise NigraError(f"{method.name} has no setting '{name}'; choose from {names}")
    return as_setting(name, value, method.defaults[name])


def makes(step: str) -> tuple[str, ...]:
    """Names of the arrays that a step makes, the main one first.

    Examples
    --------
    >>> makes('relaxometry')
    ('r2star', 's0')
    """
    return _MAKES[step]
