"""The methods of each stage by name, with their parameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .background.ismv import ismv
from .background.lbv import lbv
from .background.pdf import pdf
from .background.resharp import resharp
from .background.vsharp import vsharp
from .field.relaxometry import fit_r2star
from .field.totalfield import laplacian_field, romeo_field
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
from .memory import Memory

_NOT_SETTINGS = {
    'echo_times', 'b0', 'nthreads', 'progress', 'noise', 'magnitude', 'noise_sd', 'r2',
}  # fmt: skip


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
    memory
        What its step takes at most, in a mask that fills the array.
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
    memory: Memory
    summary: str = ''
    sentence: str = ''
    defaults: Mapping[str, Any] = field(default_factory=dict)

    @property
    def scan_values(self) -> dict[str, bool]:
        """Which of `echo_times` and `b0` it takes, and whether it cannot do without.

        Examples
        --------
        >>> STEPS['inversion']['medi'].scan_values, STEPS['relaxometry']['r2star'].scan_values
        ({'echo_times': False, 'b0': False}, {'echo_times': True})
        """
        taken = inspect.signature(self.function).parameters
        return {n: taken[n].default is inspect.Parameter.empty
                for n in ('echo_times', 'b0') if n in taken}  # fmt: skip


def _method(
    name: str, step: str, function: Callable[..., Any], memory: tuple[int, int], sentence: str
) -> Method:
    defaults = {
        p.name: p.default
        for p in inspect.signature(function).parameters.values()
        if p.kind is p.KEYWORD_ONLY and p.name not in _NOT_SETTINGS
    }
    summary = (inspect.getdoc(function) or '').splitlines()[0]
    return Method(name, step, function, Memory(*memory), summary, sentence, defaults)


def _table(
    step: str, **entries: tuple[Callable[..., Any], tuple[int, int], str]
) -> dict[str, Method]:
    return {name: _method(name, step, *entry) for name, entry in entries.items()}


_OUTSIDE = 'Fields of sources outside the brain were removed '
_MADE = 'Susceptibility was reconstructed '

FIELD = _table(
    'field',
    romeo=(
        romeo_field,
        (85, 15),
        'Phase was unwrapped exactly, by region growing along the most reliable edges (ROMEO) '
        '[@dymerska2021].',
    ),
    laplacian=(
        laplacian_field,
        (85, 15),
        'Phase was unwrapped with its Laplacian [@schofield2003].',
    ),
)
BACKGROUND = _table(
    'background',
    pdf=(
        pdf,
        (130, 0),
        _OUTSIDE + 'by projection onto dipole fields (PDF) [@liu2011], fitted with weights that '
        'fall with the depth below the surface of the brain.',
    ),
    vsharp=(
        vsharp,
        (150, 0),
        _OUTSIDE + 'with spherical mean values of varying radius (V-SHARP) '
        '[@schweser2011; @li2011; @wu2012].',
    ),
    resharp=(
        resharp,
        (131, 0),
        _OUTSIDE + 'with spherical mean values and Tikhonov regularisation (RESHARP) [@sun2014].',
    ),
    lbv=(
        lbv,
        (104, 0),
        _OUTSIDE + 'by solving the Laplacian boundary value problem (LBV) [@zhou2014].',
    ),
    ismv=(ismv, (111, 0), _OUTSIDE + 'by iterated spherical mean values (iSMV) [@wen2014].'),
)
INVERSION = _table(
    'inversion',
    dual=(
        dual_tv,
        (146, 4),
        _MADE + 'together with a local frequency offset, as the microstructure of white matter '
        'makes [@wharton2012], both regularised with total variation [@milovic2018] whose edge '
        'weights were updated once [@candes2008]; the weight of the regularisation followed '
        'from the noise of the field.',
    ),
    tv=(
        tv_admm,
        (113, 4),
        _MADE + 'by dipole inversion regularised with total variation and solved by the '
        'alternating direction method of multipliers [@bilgic2014tv; @milovic2018].',
    ),
    rts=(
        rts,
        (115, 4),
        _MADE + 'in two steps, the ill-conditioned part of k-space with a total-variation prior '
        '(RTS) [@kames2018].',
    ),
    hdqsm=(hdqsm, (137, 4), _MADE + 'with a hybrid data fidelity term (HD-QSM) [@lambert2022].'),
    medi=(
        medi,
        (144, 4),
        _MADE + 'by non-linear morphology-enabled dipole inversion (MEDI) [@liu2012; @liu2013].',
    ),
    ilsqr=(
        ilsqr,
        (122, 4),
        _MADE + 'by least squares with estimation and removal of streaks (iLSQR) [@li2015].',
    ),
    tgv2=(
        tgv_inversion,
        (191, 4),
        _MADE + 'by dipole inversion regularised with total generalised variation '
        '[@langkammer2015].',
    ),
    tkd=(tkd, (79, 4), _MADE + 'by truncated k-space division [@shmueli2009].'),
    l2=(
        closed_form_l2,
        (84, 4),
        _MADE + 'in closed form, regularised with the squared gradient [@bilgic2014l2].',
    ),
)
RELAXOMETRY = _table('relaxometry', r2star=(fit_r2star, (70, 5), ''))
"""The sentence of R2* depends on the fit that the echoes allow."""
SEPARATION = _table(
    'separation',
    r2star=(
        separate_sources,
        (83, 0),
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


_TGV = (
    _MADE + 'from the wrapped phase in one step, regularised with total generalised variation '
    '[@langkammer2015].'
)
ONE_STEP: dict[str, dict[str, Method]] = {
    'bfr+dipole': _table('field-to-chi', tgv=(tgv, (200, 21), _TGV)),
    'end-to-end': _table('phase-to-chi', tgv=(tgv_phase, (200, 21), _TGV)),
}
"""Methods that take several steps of a stage at once, by stage."""
