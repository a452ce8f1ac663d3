"""A reconstruction in memory: what the graph of a run does with its phase, without its files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..nodes.errors import NigraError
from ..nodes.field.masks import trusted_mask
from ..nodes.field.relaxometry import r2star_method
from ..nodes.grid import conducting_curvature
from ..nodes.inversion.reference import ventricles
from ..nodes.methods import FIELD, RELAXOMETRY, Method
from ..nodes.parallel import Progress
from ..nodes.stages import Arrays, Scan, parameters, run_step
from .methods import Methods
from .phase_found import look_for_open_fringes, tell_alternation
from .phase_sign import judge_field, sign_warnings, turned
from .reference import apply_reference

MASK_WARNING = 0.75
"""Warn when less than this fraction of the brain mask has phase that can be trusted."""

Told = Callable[[str, float], None]
"""What is called with the name of a step and the fraction of the whole that is done."""


@dataclass(frozen=True)
class Recipe:
    """What decides a reconstruction beside its images.

    Attributes
    ----------
    chain
        Methods in their order.
    settings
        Settings that differ from the defaults, by `Method.step`.
    phase_sign
        One of `methods.PHASE_SIGNS`; judged on the total field.
    reference
        `none`, `brain` or `csf`; another name stands for a region that is given.
    metadata
        Sidecar of the phase, for hints on its sign and filters.
    nthreads
        Threads; the result does not depend on them.
    """

    chain: tuple[Method, ...]
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    phase_sign: str = 'keep'
    reference: str = 'none'
    metadata: Mapping[str, Any] = field(default_factory=dict)
    nthreads: int = 1


@dataclass
class Made:
    """What a reconstruction has made.

    Attributes
    ----------
    data
        Arrays by their names in the contract between stages.
    parameters
        Method and settings of each step, evidence on the phase, reference and offset.
    warnings
        Sentences.
    """

    data: Arrays
    parameters: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def recipe_of(
    methods: Methods, *, metadata: Mapping[str, Any] | None = None, nthreads: int = 1
) -> Recipe:
    """The recipe by which the graph of a run reconstructs.

    An inversion that takes the phase in one step is preceded by the total field all the same: it
    tells the sign of the phase.
    """
    steps = methods.steps()
    chain = tuple(steps[name] for name in ('field', 'background', 'inversion') if name in steps)
    by_step = {steps[name].step: methods.settings_of(name) for name in steps}
    return Recipe(
        chain, by_step, methods.phase_sign, methods.reference, dict(metadata or {}), nthreads
    )


def trust(data: Arrays, scan: Scan, nthreads: int = 1) -> Made:
    """Shrink the mask of the brain to the part whose phase can be trusted."""
    brain = data['mask']
    inside = trusted_mask(
        data['phase'], data['magnitude'], brain, echo_times=scan.echo_times, nthreads=nthreads
    )
    found, told = look_for_open_fringes(data['phase'], data['magnitude'], brain, scan.grid)
    return Made({**data, 'mask': inside}, {'phase': found}, [*mask_warnings(brain, inside), *told])


def run_chain(made: Made, scan: Scan, recipe: Recipe, progress: Told | None = None) -> None:
    """Do all steps of a recipe one after the other, and turn the phase where it is inverted.

    Parameters
    ----------
    made
        Holds the images that the first step reads; gets what the steps make.
    scan
        Geometry, echo times and field strength.
    recipe
        The steps.
    progress
        Told of every step, and within those that tell of themselves.

    Raises
    ------
    NigraError
        A step needs something that is not there, or refuses what is.
    """
    for number, step in enumerate(_with_sign(recipe)):
        settings = recipe.settings.get(step.step, {})
        told = _told(progress, _title(step), number, len(recipe.chain))
        data = made.data
        if step.step == 'phase-to-chi':  # the only kernel that sees the phase outside the mask
            data = {**data, 'phase': np.nan_to_num(data['phase'])}
        made.data |= run_step(
            step, data, scan, settings=settings, nthreads=recipe.nthreads, progress=told
        )
        made.parameters[_title(step)] = parameters(step, settings)
        if step.step == 'field':
            _tell(made, *tell_alternation(float(made.data['alternation'])))
            if recipe.phase_sign != 'keep':
                _turn(made, scan, recipe)
    if progress:
        progress('end', 1.0)


def _with_sign(recipe: Recipe) -> tuple[Method, ...]:
    """The steps, with that of the field first where one that does without needs its sign."""
    if recipe.phase_sign != 'keep' and recipe.chain[0].step == 'phase-to-chi':
        return (next(iter(FIELD.values())), *recipe.chain)
    return recipe.chain


def _title(step: Method) -> str:
    """How users name a step: one that takes several at once is the inversion."""
    return 'inversion' if step.step.endswith('to-chi') else step.step


def _told(progress: Told | None, name: str, number: int, total: int) -> Progress | None:
    """A kernel's progress as part of the whole."""
    if progress is None:
        return None
    progress(name, number / total)
    return lambda done, steps: progress(name, min(1.0, (number + done / max(1, steps)) / total))


def _turn(made: Made, scan: Scan, recipe: Recipe) -> None:
    """Turn phase and field where their sign is wrong, and keep the evidence."""
    data = made.data
    done = judge_field(
        data['totalfield'], data['magnitude'], data['mask'], scan.grid,
        conductivity=conductivity(data['curvature'], scan.b0), sign=recipe.phase_sign,
        metadata=recipe.metadata,
    )  # fmt: skip
    if done['phase_inverted']:
        data['phase'], data['totalfield'] = turned(data['phase']), turned(data['totalfield'])
    _tell(made, done, sign_warnings(done))


def _tell(made: Made, found: Mapping[str, Any], warnings: Sequence[str]) -> None:
    """Add what was found of the phase."""
    made.parameters['phase'] = {**made.parameters.get('phase', {}), **found}
    made.warnings += warnings


def fit_decay(made: Made, scan: Scan, mask: NDArray[np.bool_], recipe: Recipe) -> None:
    """Add the decay rate R2* (1/s) and the signal at time zero, of several echoes, in a mask."""
    step = RELAXOMETRY['r2star']
    settings = recipe.settings.get(step.step, {})
    images = {'magnitude': made.data['magnitude'], 'mask': mask}
    made.data |= run_step(step, images, scan, settings=settings, nthreads=recipe.nthreads)
    known = parameters(step, settings)
    made.parameters['r2star'] = known | {
        'method': r2star_method(known['method']), 'echo_times': list(scan.echo_times)
    }  # fmt: skip


def set_reference(
    made: Made, scan: Scan, name: str, region: NDArray[np.bool_] | None = None
) -> None:
    """Make the mean over the reference region zero; parameters as in `Recipe`.

    Raises
    ------
    NigraError
        The region is not there, or does not fit.
    """
    data = made.data
    inside = data['mask'] if region is None else region
    if name == 'csf':
        if 'r2star' not in data:
            raise NigraError(
                "the reference 'csf' needs R2* and so several echoes; use 'brain' or a region"
            )
        inside = ventricles(data['r2star'], data['mask'], scan.grid)
    data['chimap'], made.parameters['reference'] = apply_reference(
        name, data['chimap'], data['mask'], inside
    )


def conductivity(curvature: Any, b0: float) -> float:
    """Conductivity of the head by the Laplacian of its phase at time zero (rad/m^2), S/m."""
    return float(curvature) / conducting_curvature(b0)


def mask_warnings(brain: NDArray[np.bool_], trusted: NDArray[np.bool_]) -> list[str]:
    """Tell that little of the brain has phase that can be trusted."""
    fraction = trusted.sum() / max(1, brain.sum())
    if fraction >= MASK_WARNING:
        return []
    return [f'Only {100 * fraction:.0f} % of the brain mask has phase that can be trusted.']
