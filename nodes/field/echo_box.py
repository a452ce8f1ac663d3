"""The part of a scan that its mask needs, laid out for work on whole volumes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import NigraError
from ..parallel import run, slabs
from ..volumes import Box, bounding_box, check_echoes, echo_volumes
from .wraps import wrapped


@dataclass(frozen=True, eq=False)
class EchoBox:
    """Phase and magnitude of all echoes in the box of the mask.

    The steps from wrapped phase to field overwrite `angle`; copies would double the memory.

    Attributes
    ----------
    angle
        Phase, rad, contiguous (echo, x, y, z), float32.
    magnitude
        Magnitude, arbitrary units, as `angle`.
    times
        Echo times, s, rising.
    inside
        Mask, (x, y, z).
    box
        Where this part lies in the scan.
    nthreads
        Threads; no result depends on them.
    """

    angle: NDArray[np.float32]
    magnitude: NDArray[np.float32]
    times: NDArray[np.float64]
    inside: NDArray[np.bool_]
    box: Box
    nthreads: int = 1

    def first(self, count: int) -> EchoBox:
        """View of the first echoes."""
        return dataclasses.replace(
            self, angle=self.angle[:count], magnitude=self.magnitude[:count],
            times=self.times[:count],
        )  # fmt: skip

    def as_one_echo(
        self, angle: NDArray[np.float32], magnitude: NDArray[np.float32], time: float
    ) -> EchoBox:
        """The same voxels with one volume of phase and magnitude."""
        return dataclasses.replace(
            self, angle=angle[None], magnitude=magnitude[None], times=np.array([time])
        )

    def planes(self, work: Callable[[int, int], Any]) -> list[Any]:
        """Results of `work(first, last)` on runs of planes along x, in their order."""
        return run(lambda s: work(s.start, s.stop), slabs(self.inside.shape[0]), self.nthreads)

    def put_back(
        self, image: NDArray[np.float32], shape: tuple[int, ...], scale: float = 1.0
    ) -> NDArray[np.float32]:
        """Image of this box divided by `scale`, in an array of the scan's shape, zero around."""
        out = np.zeros(shape, np.float32)
        np.multiply(image, np.float32(1 / scale), out=out[self.box])
        return out


def cut_echoes(
    phase: NDArray[Any],
    magnitude: NDArray[Any],
    echo_times: ArrayLike,
    mask: NDArray[np.bool_],
    nthreads: int = 1,
) -> EchoBox:
    """Copy the mask's box out of a scan; voxels that are not finite leave the mask.

    Parameters
    ----------
    phase, magnitude
        (x, y, z, echo); the phase in rad.
    echo_times
        Echo times, s, rising.
    mask
        (x, y, z).
    nthreads
        Threads.

    Raises
    ------
    NigraError
        Shapes or echo times do not fit, the mask is empty, or nothing in it is finite.
    """
    times = check_echoes(phase, magnitude, echo_times, mask)
    box = bounding_box(mask)
    angle, strength = echo_volumes(phase, box, nthreads), echo_volumes(magnitude, box, nthreads)
    inside = mask[box].copy()
    for volume in (*angle, *strength):
        inside &= np.isfinite(volume)
    if not inside.any():
        raise NigraError('no voxel of the mask has finite phase and magnitude in every echo')
    # NaN outside the mask would spread through sums over neighbours
    for volume in (*angle, *strength):
        volume[~inside] = 0
    return EchoBox(angle, strength, times, inside, box, nthreads)


def subtract(echoes: EchoBox, offset: NDArray[np.float32], which: slice = slice(None)) -> None:
    """Take a phase, (x, y, z), from the echoes `which` and wrap them, in place, in the mask."""
    angle = echoes.angle[which]
    echoes.planes(lambda first, last: _subtract(angle, offset, echoes.inside, first, last))


@numba.njit(cache=True, nogil=True)
def _subtract(angle, offset, inside, first, last):
    for e in range(angle.shape[0]):
        for i in range(first, last):
            for j in range(inside.shape[1]):
                for k in range(inside.shape[2]):
                    # outside stays as it was: nobody has estimated an offset there
                    if inside[i, j, k]:
                        angle[e, i, j, k] = wrapped(angle[e, i, j, k] - offset[i, j, k])
