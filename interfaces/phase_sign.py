"""The sign of a run's phase: tested, turned where it is inverted, and told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)
from numpy.typing import NDArray

from ..nodes.field.echoes import combine_magnitude
from ..nodes.field.filtered import is_filtered, names_filtered, smooth_ratio
from ..nodes.field.sign import SignVerdict, inverts_phase, judge_sign, sign_evidence
from ..nodes.grid import Grid
from ..nodes.memory import Memory
from .methods import PHASE_SIGNS
from .step_images import load_step, save_step

CHECKING = Memory(50, 9)
"""What the step takes that tests the sign."""
_HINTS = ('SeriesDescription', 'ProtocolName', 'ImageType', 'SequenceName')
"""Sidecar entries that may speak of a product with filtered phase."""


class _CheckSignInputSpec(BaseInterfaceInputSpec):
    phase = File(exists=True, mandatory=True, desc='(x, y, z, echo), rad')
    totalfield = File(exists=True, mandatory=True, desc='its total field, ppm')
    magnitude = File(exists=True, mandatory=True, desc='(x, y, z, echo)')
    mask = File(exists=True, mandatory=True, desc='where the field is known')
    conductivity = traits.Float(0.0, usedefault=True, desc='of its phase at time zero, S/m')
    sign = traits.Enum(*PHASE_SIGNS, usedefault=True, desc='what to do about it')
    metadata = traits.Dict(desc='sidecar of the phase')
    loaded = traits.Dict(desc='what loading the phase has found')
    found = traits.Dict(desc='what the field step has found')


class _CheckSignOutputSpec(TraitedSpec):
    phase = File(desc='as given, or inverted')
    totalfield = File(desc='as given, or inverted')
    warnings = traits.List(traits.Str, desc='what the user should know')
    parameters = traits.Dict(desc='evidence, and what was done')
    quality = traits.Dict(desc='the same as numbers')


class CheckSign(SimpleInterface):
    """Invert phase and field where the head's own field speaks against them."""

    input_spec = _CheckSignInputSpec
    output_spec = _CheckSignOutputSpec

    def _run_interface(self, runtime):
        inputs = self.inputs
        metadata, loaded, found = (
            dict(given) if isdefined(given) else {}
            for given in (inputs.metadata, inputs.loaded, inputs.found)
        )
        data, grid, affine = load_step(inputs, 'totalfield', 'magnitude', mask='mask')
        field, mask = data['totalfield'], data['mask']
        done = judge_field(
            field, data['magnitude'], mask, grid, conductivity=inputs.conductivity,
            sign=inputs.sign, metadata=metadata,
        )  # fmt: skip
        self._results['phase'], self._results['totalfield'] = inputs.phase, inputs.totalfield
        if done['phase_inverted']:
            phase, _, _ = load_step(inputs, 'phase', mask='mask')
            for name, image in (('phase', phase['phase']), ('totalfield', field)):
                self._results[name] = save_step(turned(image), affine, Path(runtime.cwd), name)
        self._results['warnings'] = sign_warnings(done)
        self._results['parameters'] = {**loaded, **found, **done}
        self._results['quality'] = phase_quality(self._results['parameters'])
        return runtime


def judge_field(
    field: NDArray[Any], magnitude: NDArray[Any], mask: NDArray[np.bool_], grid: Grid, *,
    conductivity: float, sign: str, metadata: Mapping[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """Ask a total field (ppm) whether its phase was inverted; returns what `decide` does.

    Parameters
    ----------
    field, mask, grid
        Total field, where it is known, and its geometry.
    magnitude
        (x, y, z, echo).
    conductivity
        Of the phase at time zero, S/m.
    sign, metadata
        As in `decide`.
    """
    found = {
        'sign_correlation': sign_evidence(field, combine_magnitude(magnitude), mask, grid),
        'smooth_ratio': smooth_ratio(field, mask, grid),
        'conductivity': conductivity,
    }
    return decide(found, sign, metadata)


def turned(image: NDArray[Any]) -> NDArray[Any]:
    """A phase or a field of the other sign; zero stays plain zero."""
    return 0 - image


def decide(found: Mapping[str, float], sign: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What the evidence means, and what is done about it.

    Parameters
    ----------
    found
        `sign_correlation` and `smooth_ratio`; `conductivity` where it is known.
    sign
        One of `PHASE_SIGNS`.
    metadata
        Sidecar of the phase.

    Returns
    -------
    dict
        `phase_sign` (what was asked for), `sign_correlation`, `smooth_ratio` and `conductivity`
        as found, `sign_verdict`, `manufacturer`, `phase_filtered` and `phase_inverted`.
    """
    maker = metadata.get('Manufacturer')
    manufacturer = maker if isinstance(maker, str) else ''
    hints = [word for key in _HINTS for word in _words(metadata.get(key))]
    filtered = is_filtered(found['smooth_ratio'], hinted=names_filtered(*hints))
    conductivity = found.get('conductivity', 0.0)
    verdict = judge_sign(found['sign_correlation'], manufacturer, conductivity)
    if filtered:
        verdict = SignVerdict.UNCLEAR  # what is left is not the head's field
    inverted = sign == 'invert' or (sign == 'auto' and verdict is SignVerdict.INVERTED)
    ratio = found['smooth_ratio']
    return {
        'phase_sign': sign,
        'sign_correlation': round(found['sign_correlation'], 3),
        'sign_verdict': verdict.value,
        'manufacturer': manufacturer or None,
        'conductivity': round(conductivity, 3),
        'smooth_ratio': round(ratio, 2) if np.isfinite(ratio) else None,
        'phase_filtered': filtered,
        'phase_inverted': inverted,
    }


def _words(value: Any) -> list[str]:
    return [str(v) for v in value] if isinstance(value, list) else [str(value or '')]


def sign_warnings(done: Mapping[str, Any]) -> list[str]:
    """Sentences on the sign and on filters, from what `decide` returns."""
    r = f'correlation {done["sign_correlation"]:.2f} with the field that the head itself makes'
    if done.get('conductivity'):
        r += f', {done["conductivity"]:.2f} S/m by the phase at time zero'
    asked, verdict = done['phase_sign'], SignVerdict(done['sign_verdict'])
    inverted = verdict is SignVerdict.INVERTED
    told = []
    if done['phase_inverted'] and inverted:
        told.append(f'The phase was stored inverted ({r}); its sign was turned.')
    elif done['phase_inverted']:
        told.append(
            'The sign of the phase was turned because --phase-sign invert asks for it; the image '
            f'itself does not say so ({r}).'
        )
    elif inverted:
        told.append(
            f'The phase seems to be inverted ({r}) but was left because --phase-sign keep asks '
            'for it: iron then reads as its opposite.'
        )
    elif asked == 'auto' and verdict is SignVerdict.UNCLEAR and _is_suspect(done):
        told.append(
            f'The sign of the phase is not certain ({r}) and was kept; see whether iron-rich '
            'nuclei are bright, and give --phase-sign keep or invert.'
        )
    if done['phase_filtered']:
        told.append(
            'The phase was high-pass filtered before it was stored: its field varies only '
            f'{done["smooth_ratio"]:g} times as much over centimetres as over millimetres (3.5 '
            'and more in a phase as measured). Nuclei read far too low; do not compare this map, '
            'and export the unfiltered phase.'
        )
    return told


def _is_suspect(done: Mapping[str, Any]) -> bool:
    """Whether anything speaks against a sign that is kept for want of evidence."""
    against = done['sign_correlation'] < 0 or inverts_phase(done['manufacturer'] or '')
    return against and not done['phase_filtered']


def phase_quality(facts: Mapping[str, Any]) -> dict[str, float]:
    """Numbers of the quality table, from what loading and `decide` have found.

    Examples
    --------
    >>> phase_quality({'sign_correlation': -0.5, 'phase_inverted': True})['sign_correlation']
    0.5
    """
    turned = -1 if facts.get('phase_inverted') else 1
    numbers = {
        'sign_correlation': turned * facts['sign_correlation'],
        'phase_inverted': facts.get('phase_inverted'),
        'conductivity': turned * facts.get('conductivity', 0.0) or None,
        'phase_filtered': facts.get('phase_filtered'),
        'smooth_ratio': facts.get('smooth_ratio'),
        'slice_step_rad': facts.get('slice_step_rad'),
        'slices_aligned': facts.get('slices_aligned'),
        'stray_voxels': facts.get('stray_voxels'),
        'open_fringe_mm': facts.get('open_fringe_mm'),
        'alternation_rad': facts.get('alternation_rad'),
        'measured_part': min(facts.get('measured_part') or [np.nan]),
    }
    return {name: float(value) for name, value in numbers.items() if value is not None}
