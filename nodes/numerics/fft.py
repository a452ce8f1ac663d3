"""Real FFTs over three axes, and the crop that keeps them small.

Every transform is cut into slabs that depend on the shape alone, each transformed by one
thread, so that the result is the same to the last bit for any number of threads (a library's own
threads share lines out differently, and its vector and scalar code round differently).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ducc0
import numpy as np
from numpy.typing import NDArray

from ..errors import NigraError
from ..grid import Grid
from ..parallel import run, slabs
from ..volumes import bounding_box, check_mask

_COMPLEX = {np.dtype(np.float32): np.complex64, np.dtype(np.float64): np.complex128}


def half_shape(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Shape of the half spectrum: the last axis keeps its non-negative frequencies.

    Examples
    --------
    >>> half_shape((4, 5, 7))
    (4, 5, 4)
    """
    return shape[0], shape[1], shape[2] // 2 + 1


def multiplicity(length: int) -> NDArray[np.float64]:
    """How often each frequency of the half spectrum's last axis stands in the whole one.

    Examples
    --------
    >>> multiplicity(4).tolist(), multiplicity(5).tolist()
    ([1.0, 2.0, 1.0], [1.0, 2.0, 2.0])
    """
    # each stands for its conjugate at -k too, but k = 0 and an even length's Nyquist frequency
    times = np.full(length // 2 + 1, 2.0)
    times[0] = 1
    if length % 2 == 0:
        times[-1] = 1
    return times


def fast_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Smallest lengths at least as long as `shape` that transform fast.

    Examples
    --------
    >>> fast_shape((157, 191, 13))
    (160, 192, 15)
    """
    return tuple(  # type: ignore[return-value]
        max(n, int(ducc0.fft.good_size(n, axis == 2))) for axis, n in enumerate(shape)
    )


def empty_spectrum(image: NDArray[Any]) -> NDArray[Any]:
    """Uninitialised half spectrum that fits a real image, complex64 or complex128."""
    nx, ny, nz = image.shape
    return np.empty(half_shape((nx, ny, nz)), _COMPLEX[image.dtype])


def rfftn(
    image: NDArray[Any], out: NDArray[Any] | None = None, *, nthreads: int = 1
) -> NDArray[Any]:
    """Forward transform of a real image, not normalised.

    Parameters
    ----------
    image
        Real array of three axes, float32 or float64.
    out
        Half spectrum to write into; made where absent.
    nthreads
        Threads; the result does not depend on them.
    """
    spectrum = empty_spectrum(image) if out is None else out

    # first axis last, so that each slab of the first pass is contiguous
    def planes(s: slice) -> None:
        ducc0.fft.r2c(image[s], axes=(1, 2), out=spectrum[s], nthreads=1)

    def columns(s: slice) -> None:
        ducc0.fft.c2c(spectrum[:, s], axes=(0,), out=spectrum[:, s], nthreads=1)

    run(planes, slabs(image.shape[0]), nthreads)
    run(columns, slabs(image.shape[1]), nthreads)
    return spectrum


def irfftn(spectrum: NDArray[Any], out: NDArray[Any], *, nthreads: int = 1) -> NDArray[Any]:
    """Inverse transform into the real array `out`, normalised; destroys `spectrum`.

    Parameters
    ----------
    spectrum
        Half spectrum, as `rfftn` returns it; overwritten.
    out
        Real array whose shape says the length of the last axis.
    nthreads
        Threads; the result does not depend on them.
    """

    def columns(s: slice) -> None:
        ducc0.fft.c2c(
            spectrum[:, s], axes=(0,), forward=False, inorm=2, out=spectrum[:, s], nthreads=1
        )

    def planes(s: slice) -> None:
        ducc0.fft.c2r(
            spectrum[s], axes=(1, 2), lastsize=out.shape[2], forward=False, inorm=2, out=out[s],
            nthreads=1, allow_overwriting_input=True,
        )  # fmt: skip

    # the passes of `rfftn` backwards: the real axis is undone last
    run(columns, slabs(out.shape[1]), nthreads)
    run(planes, slabs(out.shape[0]), nthreads)
    return out


def convolver(
    kernel: NDArray[Any], shape: tuple[int, int, int], *, nthreads: int = 1
) -> Callable[..., NDArray[Any]]:
    """Function `apply(image, out=None)` that convolves images of `shape` with a real kernel.

    Parameters
    ----------
    kernel
        Real half spectrum of the kernel, shape `half_shape(shape)`.
    shape
        Shape of the images.

    Notes
    -----
    One spectrum is kept and used again by each call; `out` may be the image itself.
    """
    if kernel.shape != half_shape(shape):
        raise NigraError(f'kernel of shape {kernel.shape} does not fit images of shape {shape}')
    spectrum: NDArray[Any] = np.empty(kernel.shape, _COMPLEX[kernel.dtype])

    def apply(image: NDArray[Any], out: NDArray[Any] | None = None) -> NDArray[Any]:
        rfftn(image, spectrum, nthreads=nthreads)
        np.multiply(spectrum, kernel, out=spectrum)
        return irfftn(spectrum, np.empty_like(image) if out is None else out, nthreads=nthreads)

    return apply


@dataclass(frozen=True)
class Crop:
    """The part of a grid that a calculation needs, inside an array of fast lengths.

    Attributes
    ----------
    grid
        Grid of the padded array.
    source
        Where the part lies in the full array.
    target
        Where it lies in the padded array.
    full
        Shape of the full array.
    turned
        Steps of 1, or of -1 along axes that the padded array holds the other way round.
    """

    grid: Grid
    source: tuple[slice, slice, slice]
    target: tuple[slice, slice, slice]
    full: tuple[int, int, int]
    turned: tuple[slice, slice, slice] = (slice(None),) * 3

    def take(self, image: NDArray[Any], dtype: Any = None, *, fill: float = 0) -> NDArray[Any]:
        """Padded copy of the part, `fill` elsewhere."""
        out = np.full(self.grid.shape, fill, image.dtype if dtype is None else dtype)
        out[self.target] = image[self.source][self.turned]
        return out

    def put(self, image: NDArray[Any]) -> NDArray[Any]:
        """Full-size copy of the part, zero elsewhere; undoes `take`."""
        out = np.zeros(self.full, image.dtype)
        out[self.source] = image[self.target][self.turned]
        return out


def crop_to_mask(mask: NDArray[np.bool_], grid: Grid, *, margin: float = 0.0) -> Crop:
    """Bounding box of a mask with at least `margin` mm of zeros on every side.

    Parameters
    ----------
    mask
        Voxels that matter, (x, y, z).
    grid
        The mask's grid.
    margin
        Empty border, mm; it keeps the periodic images of a convolution away.

    Raises
    ------
    NigraError
        The mask is empty or its shape is not the grid's.

    Notes
    -----
    Differences to the next voxel look one way along an axis, so a solver that penalises them would
    give another map of a flipped image. The part is therefore always held so that its mask is
    skewed the same way, however the image is stored.
    """
    check_mask(mask, grid)
    source = bounding_box(mask)
    part = mask[source]
    target, padded, turned = [], [], []
    for axis, size in enumerate(grid.voxel_size):
        counts = np.count_nonzero(part, axis=tuple(a for a in range(3) if a != axis))
        turned.append(slice(None, None, -1 if _leans_back(counts) else 1))
        # any axis may be stored last, where real transforms like other lengths: one rule for all
        length = fast_shape((1, 1, counts.size + 2 * int(np.ceil(margin / size))))[2]
        start = (length - counts.size) // 2
        target.append(slice(start, start + counts.size))
        padded.append(length)
    # the field turns with the axes
    b0_dir = tuple(b * t.step for b, t in zip(grid.b0_dir, turned, strict=True))
    padded_grid = Grid(tuple(padded), grid.voxel_size, b0_dir)  # type: ignore[arg-type]
    return Crop(padded_grid, source, tuple(target), grid.shape, tuple(turned))  # type: ignore[arg-type]


def _leans_back(counts: NDArray[Any]) -> bool:
    """Whether a distribution of voxels along an axis is skewed towards its end."""
    # third moment about the middle, in whole numbers: it must flip exactly with the image
    place = 2 * np.arange(counts.size, dtype=np.int64) - (counts.size - 1)
    return bool(np.sum(counts.astype(np.int64) * place**3) < 0)
