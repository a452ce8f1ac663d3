"""Arrays of a scan: their boxes, their echoes, and whether they fit each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from .errors import NigraError
from .grid import Grid
from .parallel import run, slabs

Box = tuple[slice, slice, slice]


def check_echoes(
    phase: NDArray[Any],
    magnitude: NDArray[Any],
    echo_times: ArrayLike,
    mask: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Echo times as an array, after checking that four-dimensional data fit them and the mask."""
    times = np.atleast_1d(np.asarray(echo_times, float))
    if phase.ndim != 4 or phase.shape != magnitude.shape:
        raise NigraError(
            f'phase and magnitude must share a shape (x, y, z, echo), got {phase.shape} and '
            f'{magnitude.shape}'
        )
    if times.shape != (phase.shape[3],):
        raise NigraError(f'{phase.shape[3]} echoes but {times.size} echo times')
    if not (np.all(np.isfinite(times)) and times[0] > 0 and np.all(np.diff(times) > 0)):
        raise NigraError(f'echo_times must be positive and rise, got {times.tolist()}')
    if mask.shape != phase.shape[:3]:
        raise NigraError(f'mask has shape {mask.shape} but the phase {phase.shape}')
    if not mask.any():
        raise NigraError('the mask is empty; check the brain mask and the signal')
    return times


def bounding_box(mask: NDArray[np.bool_]) -> Box:
    """Smallest box that holds a mask which is not empty.

    Examples
    --------
    >>> bounding_box(np.ones((1, 2, 3), bool))
    (slice(0, 1, None), slice(0, 2, None), slice(0, 3, None))
    """
    # true voxels are the object of label 1
    x, y, z = ndimage.find_objects(np.asarray(mask, np.uint8), max_label=1)[0]
    return x, y, z


def finite(image: NDArray[Any]) -> NDArray[Any]:
    """Image with zero where it is not finite; the same array where all of it is.

    Examples
    --------
    >>> finite(np.array([1.0, np.nan, -np.inf])).tolist()
    [1.0, 0.0, 0.0]
    """
    # nearly every image is, and a look takes a sixth of the time of a copy
    return image if np.isfinite(image).all() else np.where(np.isfinite(image), image, 0)


def echo_volumes(images: NDArray[Any], box: Box, nthreads: int = 1) -> NDArray[np.float32]:
    """Part of (x, y, z, echo) as contiguous volumes, (echo, x, y, z), float32."""
    part = images[box]
    # neighbours in space lie side by side then, as the kernels walk along them
    out = np.empty((part.shape[3], *part.shape[:3]), np.float32)

    def copy(s: slice) -> None:
        for echo in range(part.shape[3]):
            np.copyto(out[echo, s], part[s, :, :, echo], casting='unsafe')

    run(copy, slabs(part.shape[0]), nthreads)
    return out


def check_mask(mask: NDArray[np.bool_], grid: Grid) -> None:
    """Raise where a mask is empty or does not fit its grid."""
    if mask.shape != grid.shape:
        raise NigraError(f'mask has shape {mask.shape} but its grid {grid.shape}')
    if not mask.any():
        raise NigraError('the mask is empty; check the brain mask and the signal')
