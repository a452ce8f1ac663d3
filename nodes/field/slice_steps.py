"""Phase that jumps from slice to slice: offsets of slices, alternate slices turned by pi."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from ..errors import NigraError
from .wraps import wrap

LEAST_STEP = 0.06
"""Median step, rad, from which slices are repaired. Thirteen simulated heads, nine participants of
the example, a real head and a real spine have .001 to .013 along each axis."""
LEAST_STEP_3D = 0.12
"""The same where slices are not excited one by one, which leaves no reason for steps but pi."""
LEAST_SINGLE = 0.4
"""Third largest step of the first echo, rad, from which single slices are off: one slice off by x
makes three steps of x / 2 and more. The same images have .01 to .15."""
_TURNED = 0.75 * np.pi
"""Mean phase from slice to slice from which alternate slices are turned by pi. A field that steep
(5 Hz/mm over the whole head at 40 ms and 2 mm) is no head's; a spine's reaches .4 pi."""
_TOGETHER = 0.7
"""Length of the mean pointer from slice to slice below which it has no direction: .9 and more in
the same images, .1 to .3 in thirty slices turned at random."""
_LOST = 1.2
"""Median step, rad, from which phase cannot be counted from slice to slice any more: steps drawn
from the whole circle have 1.6, normal ones of 0.8 rad have 1.0."""
_STIFFNESS = 100.0
"""Of the curve through the slices: on simulated heads it takes 2 ppb of the smooth field at 1.5 T
and 40 ms with it, and leaves 2 ppb of alternating offsets of 0.5 rad, 5 to 8 of random ones of
0.3."""
_COHERENT = 0.3
"""Part of the weights that is left in the mean pointer from slice to slice, below which it is
noise's. The same images have .76 to 1."""
_LEAST_SLICES = 8
_LEAST_AREA = 0.2
"""Part of the median slice's area in the head that a slice needs to be counted."""


@dataclass(frozen=True)
class SliceSteps:
    """Jumps of the phase between neighbouring slices.

    Attributes
    ----------
    axis
        Array axis along which slices follow each other.
    step
        Median over slices of how far the phase lies from that of the two neighbours, rad; the
        worst echo.
    single
        The third largest such distance in the first echo, rad.
    turned
        Whether alternate slices are turned by pi.
    """

    axis: int
    step: float
    single: float
    turned: bool

    @property
    def excess(self) -> float:
        """The larger of the two distances over its limit."""
        return max(self.step / LEAST_STEP, self.single / LEAST_SINGLE)

    def are_there(self, least: float = LEAST_STEP) -> bool:
        """Whether the phase needs to be repaired."""
        return self.turned or self.step > least or self.single > LEAST_SINGLE


def find_slice_steps(
    phase: NDArray[Any], magnitude: NDArray[Any], signal: NDArray[np.bool_]
) -> SliceSteps:
    """The axis along which the phase jumps most from slice to slice, and how far.

    Parameters
    ----------
    phase
        Wrapped phase, rad, (x, y, z, echo); what is not finite does not count.
    magnitude
        Magnitude, same shape.
    signal
        Voxels with signal, (x, y, z).

    Returns
    -------
    SliceSteps
        Of the first and the last echo. No step where fewer than eight slices hold signal, or it is
        noise.

    Raises
    ------
    NigraError
        Shapes do not fit.

    Notes
    -----
    The phase that a slice gains on the one before is the angle of the weighted mean

        d_z = arg sum_xy m_z m_(z+1) exp(i (phi_(z+1) - phi_z)),

    in which wraps and noise cancel. A head's field and coils make it change slowly along z, so
    that d_z less the mean of d_(z-1) and d_(z+1) tells steps: its median absolute value is the
    step, the third largest tells single slices.
    """
    if phase.ndim != 4 or phase.shape != magnitude.shape or signal.shape != phase.shape[:3]:
        raise NigraError(
            f'phase {phase.shape}, magnitude {magnitude.shape} and signal {signal.shape} do not '
            'fit together'
        )
    echoes = [
        pointers(phase[..., echo], magnitude[..., echo], signal)
        for echo in sorted({0, phase.shape[3] - 1})
    ]
    found = []
    for axis in range(3):
        gains = [_gains(image, axis)[0] for image in echoes]
        turned = _are_turned(gains[0])
        jumps = [_jumps(g, turned=turned) for g in gains]
        step = max(float(np.median(j)) for j in jumps)
        found.append(SliceSteps(axis, step, float(np.sort(jumps[0])[-3]), turned))
    return max(found, key=lambda steps: (steps.turned, steps.excess))


def remove_slice_steps(
    phase: NDArray[Any],
    magnitude: NDArray[Any],
    signal: NDArray[np.bool_],
    steps: SliceSteps,
) -> NDArray[np.float32]:
    """Phase without the jumps between slices.

    Parameters
    ----------
    phase, magnitude, signal
        As `find_slice_steps` has them.
    steps
        What it found.

    Returns
    -------
    NDArray
        Wrapped phase, rad, float32. Each slice has lost what its phase lies above a smooth curve
        through all of them, echo by echo. Where steps are so large that phase cannot be counted
        from slice to slice, all of the gain is lost, the smooth part too.

    Notes
    -----
    The curve s through the summed gains F minimises |F - s|^2 + 100 |third differences of s|^2
    (Whittaker 1922, doi 10.1017/S0013091500077853; Eilers 2003, doi 10.1021/ac034173t).
    """
    count = phase.shape[steps.axis]
    out = np.empty(phase.shape, np.float32)
    for echo in range(phase.shape[3]):
        image = pointers(phase[..., echo], magnitude[..., echo], signal)
        gains, used = _gains(image, steps.axis)
        offsets = np.pi * steps.turned * np.arange(count, dtype=np.float32)
        if gains.size:
            # slices beyond the head go with the nearest
            offsets += np.pad(
                _offsets(gains, turned=steps.turned), (used.start, count - used.stop), mode='edge'
            )
        shape = [-1 if axis == steps.axis else 1 for axis in range(3)]
        out[..., echo] = wrap(phase[..., echo] - wrap(offsets).reshape(shape))
    return out


def pointers(
    phase: NDArray[Any], magnitude: NDArray[Any], signal: NDArray[np.bool_] | None = None
) -> NDArray[np.complex64]:
    """Complex signal of an echo, (x, y, z); zero where there is no phase, or no signal."""
    there = np.isfinite(phase) if signal is None else signal & np.isfinite(phase)
    angle = np.where(there, phase, 0).astype(np.float32, copy=False)
    strength = np.where(there, magnitude, 0).astype(np.float32, copy=False)
    out = np.empty(phase.shape, np.complex64)
    # an exponential function of complex numbers takes five times as long
    np.multiply(strength, np.cos(angle), out=out.real)
    np.multiply(strength, np.sin(angle), out=out.imag)
    return out


def _gains(image: NDArray[np.complex64], axis: int) -> tuple[NDArray[np.float64], slice]:
    """Phase that each slice gains on the one before, rad, and the slices with enough signal."""
    slices = np.moveaxis(image, axis, 0)
    area = np.count_nonzero(slices, axis=(1, 2))
    held = np.flatnonzero(area > _LEAST_AREA * np.median(area[area > 0])) if area.any() else area
    if held.size < _LEAST_SLICES:
        return np.zeros(0), slice(0, 0)
    used = slice(int(held[0]), int(held[-1]) + 1)
    there = slices[used]
    products = np.array([np.vdot(a, b) for a, b in itertools.pairwise(there)], np.complex128)
    size = [np.vdot(np.abs(a), np.abs(b)) for a, b in itertools.pairwise(there)]
    if np.median(np.abs(products) / size) < _COHERENT:
        return np.zeros(0), slice(0, 0)
    return np.angle(products).astype(np.float64), used


def _are_turned(gains: NDArray[np.float64]) -> bool:
    """Whether slices alternate by pi: their mean gain, where they have one, is close to it."""
    mean = np.exp(1j * gains).sum() / max(1, gains.size)
    return bool(abs(mean) > _TOGETHER and abs(np.angle(mean)) > _TURNED)


def _jumps(gains: NDArray[np.float64], *, turned: bool) -> NDArray[np.float64]:
    """Distances of gains from the mean of their neighbours, rad; zero where there are too few."""
    if not gains.size:
        return np.zeros(3)
    pointer = np.exp(1j * (gains + np.pi * turned))
    return np.abs(np.angle(pointer[1:-1] * (pointer[:-2] + pointer[2:]).conj()))


def _offsets(gains: NDArray[np.float64], *, turned: bool) -> NDArray[np.float32]:
    """What each slice's phase lies above a smooth curve, rad, beside turns by pi."""
    total = np.concatenate(([0.0], np.cumsum(wrap(gains + np.pi * turned))))
    if np.median(_jumps(gains, turned=turned)) < _LOST:
        total -= _smooth(total)
    return total.astype(np.float32)


def _smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Whittaker's curve with third differences."""
    differences = np.diff(np.eye(values.size), n=3, axis=0)
    matrix = np.eye(values.size) + _STIFFNESS * differences.T @ differences
    return np.asarray(linalg.solve(matrix, values, assume_a='pos'))
