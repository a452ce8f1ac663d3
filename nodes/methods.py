"""The methods of each stage by name, with their parameters."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .background.ismv import ismv
from .background.lbv import lbv
from .background.pdf import pdf
from .background.resharp import resharp
from .background.vsharp import vsharp
from .errors import NigraError
from .field.relaxometry import fit_r2star
from .field.totalfield import laplacian_field, romeo_field
from .grid import Grid
from .inversion.chi_separation import separate_sources
from .inversion.dual import dual_tv
from .inversion.hdqsm import hdqsm
from .inversion.ilsqr import ilsqr
from .inversion.medi import medi
from .inversion.rts import rts
from .inversion.tgv import tgv, tgv_phase
from .inversion.tgv_local import tgv_inversion
from .inversion.tkd import closed_form_l2, tkd
from .inversion.tv import tv_admm

Arrays = dict[str, NDArray[Any]]
_NOT_SETTINGS = {
    'echo_times', 'b0', 'nthreads', 'progress', 'noise', 'magnitude', 'noise_sd', 'r2',
}  # fmt: skip
_MAKES = {
    'field': ('totalfield', 'noise'),
    'background': ('localfield', 'mask'),
    'inversion': ('chimap', 'mask'),
    'field-to-chi': ('chimap', 'mask'),
    'phase-to-chi': ('chimap', 'mask'),
    'relaxometry': ('r2star', 's0'),
    'separation': ('paramagnetic', 'diamagnetic'),
}
"""What each step makes; a mask only where the method changes it."""


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


@dataclass(frozen=True)
class Method:
    """One way to do one step.

    Attributes
    ----------
    name
        As the user writes it.
    step
        `field`, `background` or `inversion`.
    function
        The kernel; its keyword-only parameters are the settings.
    summary
        First line of the kernel's docstring.
    sentence
        What the methods text says of it, with the keys of its references.
    defaults
        Settings and their default values.
    """

    name: str
    step: str
    function: Callable[..., Any]
    summary: str = ''
    sentence: str = ''
    defaults: Mapping[str, Any] = field(default_factory=dict)


def _method(name: str, step: str, function: Callable[..., Any], sentence: str) -> Method:
    defaults = {
        p.name: p.default
        for p in inspect.signature(function).parameters.values()
        if p.kind is p.KEYWORD_ONLY and p.name not in _NOT_SETTINGS
    }
    summary = (inspect.getdoc(function) or '').splitlines()[0]
    return Method(name, step, function, summary, sentence, defaults)


def _table(step: str, **entries: tuple[Callable[..., Any], str]) -> dict[str, Method]:
    return {name: _method(name, step, *entry) for name, entry in entries.items()}


_OUTSIDE = 'Fields of sources outside the brain were removed '
_MADE = 'Susceptibility was reconstructed '

FIELD = _table(
    'field',
    romeo=(
        romeo_field,
        'Phase was unwrapped exactly, by region growing along the most reliable edges (ROMEO) '
        '[@dymerska2021].',
    ),
    laplacian=(laplacian_field, 'Phase was unwrapped with its Laplacian [@schofield2003].'),
)
BACKGROUND = _table(
    'background',
    pdf=(pdf, _OUTSIDE + 'by projection onto dipole fields (PDF) [@liu2011].'),
    vsharp=(
        vsharp,
        _OUTSIDE + 'with spherical mean values of varying radius (V-SHARP) '
        '[@schweser2011; @li2011; @wu2012].',
    ),
    resharp=(
        resharp,
        _OUTSIDE + 'with spherical mean values and Tikhonov regularisation (RESHARP) [@sun2014].',
    ),
    lbv=(
        lbv,
        _OUTSIDE + 'by solving the Laplacian boundary value problem (LBV) [@zhou2014].',
    ),
    ismv=(ismv, _OUTSIDE + 'by iterated spherical mean values (iSMV) [@wen2014].'),
)
INVERSION = _table(
    'inversion',
    dual=(
        dual_tv,
        _MADE + 'together with a local frequency offset, as the microstructure of white matter '
        'makes [@wharton2012], both regularised with total variation [@milovic2018] whose edge '
        'weights were updated once [@candes2008]; the weight of the regularisation followed '
        'from the noise of the field.',
    ),
    tv=(
        tv_admm,
        _MADE + 'by dipole inversion regularised with total variation and solved by the '
        'alternating direction method of multipliers [@bilgic2014tv; @milovic2018].',
    ),
    rts=(
        rts,
        _MADE + 'in two steps, the ill-conditioned part of k-space with a total-variation prior '
        '(RTS) [@kames2018].',
    ),
    hdqsm=(hdqsm, _MADE + 'with a hybrid data fidelity term (HD-QSM) [@lambert2022].'),
    medi=(
        medi,
        _MADE + 'by non-linear morphology-enabled dipole inversion (MEDI) [@liu2012; @liu2013].',
    ),
    ilsqr=(
        ilsqr,
        _MADE + 'by least squares with estimation and removal of streaks (iLSQR) [@li2015].',
    ),
    tgv2=(
        tgv_inversion,
        _MADE + 'by dipole inversion regularised with total generalised variation '
        '[@langkammer2015].',
    ),
    tkd=(tkd, _MADE + 'by truncated k-space division [@shmueli2009].'),
    l2=(
        closed_form_l2,
        _MADE + 'in closed form, regularised with the squared gradient [@bilgic2014l2].',
    ),
)
RELAXOMETRY = _table('relaxometry', r2star=(fit_r2star, ''))
"""The sentence of R2* depends on the fit that the echoes allow."""
SEPARATION = _table(
    'separation',
    r2star=(
        separate_sources,
        'Para- and diamagnetic parts of the susceptibility were separated by the decay that both '
        'add to R2*, with published relaxometric constants and without a measurement of R2 '
        '[@shin2021; @dimov2022].',
    ),
)
STEPS: dict[str, dict[str, Method]] = {
    'field': FIELD,
    'background': BACKGROUND,
    'inversion': INVERSION,
    'relaxometry': RELAXOMETRY,
    'separation': SEPARATION,
}
"""Methods of each step; the first is the default."""

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

_TGV = (
    _MADE + 'from the wrapped phase in one step, regularised with total generalised variation '
    '[@langkammer2015].'
)
ONE_STEP: dict[str, dict[str, Method]] = {
    'bfr+dipole': _table('field-to-chi', tgv=(tgv, _TGV)),
    'end-to-end': _table('phase-to-chi', tgv=(tgv_phase, _TGV)),
}
"""Methods that take several steps of a stage at once, by stage."""


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


def read_settings(
    chain: Mapping[str, Method], texts: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """Settings of each step from `name=value` texts, typed as the defaults are.

    Parameters
    ----------
    chain
        The methods that will run, by the name that users give to the step.
    texts
        Values by name; `step.name` where two steps share a name.

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
    >>> read_settings(by_step(choose('bfr', 'vsharp')), {'radii': '9,6,3'})
    {'background': {'radii': (9.0, 6.0, 3.0)}}
    """
    out: dict[str, dict[str, Any]] = {step: {} for step in chain}
    for key, text in texts.items():
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
        out[owners[0]][name] = _typed(key, text, chain[owners[0]].defaults[name])
    return out


def by_step(chain: tuple[Method, ...]) -> dict[str, Method]:
    """Methods by the names of their steps."""
    return {method.step: method for method in chain}


def _typed(key: str, text: str, default: Any) -> Any:
    """Value of the default's type from a text."""
    try:
        if isinstance(default, bool):
            return {'true': True, 'false': False}[text.strip().lower()]
        if isinstance(default, tuple):
            return tuple(float(part) for part in text.split(','))
        return type(default)(text)
    except (ValueError, KeyError):
        kinds = {bool: 'true or false', int: 'a whole number', float: 'a number'}
        kind = kinds.get(type(default), 'numbers separated by commas')
        raise NigraError(f"the setting '{key}' must be {kind}, got '{text}'") from None


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
        Keyword arguments that differ from the defaults.
    nthreads
        Threads; the result does not depend on them.

    Returns
    -------
    dict
        What the step makes (`makes`); the mask only where the method changes it.

    Raises
    ------
    NigraError
        The method needs something that is not there, or refuses what is.
    """
    known: dict[str, Any] = {**data, 'grid': scan.grid, 'nthreads': nthreads}
    if scan.echo_times:
        known['echo_times'] = scan.echo_times
    if np.isfinite(scan.b0):
        known['b0'] = scan.b0
    if method.step in ('background', 'inversion') and 'magnitude' in known:
        known['magnitude'] = _combined(known['magnitude'])
    wanted = inspect.signature(method.function).parameters
    missing = [n for n, p in wanted.items() if p.default is p.empty and n not in known]
    if missing:
        raise NigraError(f'{method.name} needs {", ".join(missing)}')
    # kernels name their parameters as the contract between stages names the arrays
    arguments = {name: known[name] for name in wanted if name in known}
    result = method.function(**arguments, **(settings or {}))
    results = result if isinstance(result, tuple) else (result,)
    return dict(zip(_MAKES[method.step], results, strict=False))


def makes(step: str) -> tuple[str, ...]:
    """Names of the arrays that a step makes, the main one first.

    Examples
    --------
    >>> makes('relaxometry')
    ('r2star', 's0')
    """
    return _MAKES[step]


def _combined(magnitude: NDArray[Any]) -> NDArray[np.float32]:
    """Root of the sum of squares over the echoes where there are any."""
    size = magnitude.astype(np.float32)
    return size if size.ndim == 3 else np.sqrt((size**2).sum(-1))
