"""The part of a field that susceptibility inside the mask explains, in closed form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..grid import Grid
from ..numerics.fft import convolver, fast_shape
from ..numerics.kernels import dipole_kernel
from .frame import Image

PAD = 1.3
"""Length of the padded arrays over the mask's box: keeps the periodic images of a field away."""
FLOOR = 0.003
"""D^2 below which a field is not believed to be one of susceptibility; see `pdf.pdf`."""
NOISY = 2.0
"""Variance from which a voxel counts less: noise as large as the local field."""


class DipolePart:
    """Field of the susceptibility that Tikhonov's solution finds in a field.

    x = D F / (D^2 + FLOOR), set to zero outside the mask and without its mean inside; the part is
    D * x in the mask. Where |D| is small a field tells next to nothing of susceptibility, and so
    nothing of it comes back.

    Parameters
    ----------
    variance
        Of the field over that which is usual for a local field; zero outside the mask, where
        susceptibility may not lie. Voxels much noisier count less.
    grid
        Its geometry.
    nthreads
        Threads; the result does not depend on them.
    """

    def __init__(self, variance: Image, grid: Grid, nthreads: int = 1) -> None:
        mask = variance > 0
        # one rule for all axes, however the image is stored (as `crop_to_mask` has it)
        nx, ny, nz = (fast_shape((1, 1, int(np.ceil(PAD * n))))[2] for n in mask.shape)
        shape = (nx, ny, nz)
        kernel = dipole_kernel(Grid(shape, grid.voxel_size, grid.b0_dir), nthreads=nthreads)
        self.mask = mask
        self.weight = np.minimum(NOISY / np.where(mask, variance, NOISY), 1).astype(np.float32)
        self._inner = tuple(slice(0, n) for n in mask.shape)
        self._image = np.zeros(shape, np.float32)
        self._forward = convolver(kernel, shape, nthreads=nthreads)
        self._inverse = convolver(kernel / (kernel**2 + np.float32(FLOOR)), shape,
                                  nthreads=nthreads)  # fmt: skip

    def __call__(self, field: Image) -> Image:
        """The part, zero outside the mask; `field` is zero there, too."""
        chi = self._applied(self._inverse, field * self.weight)
        chi[self.mask] -= chi[self.mask].mean(dtype=np.float64).astype(np.float32)
        return self._applied(self._forward, chi)

    def _applied(self, convolve: Callable[..., Any], image: Image) -> Image:
        """A convolution, in the mask."""
        self._image[...] = 0
        self._image[self._inner] = image
        return np.where(self.mask, convolve(self._image, self._image)[self._inner], np.float32(0))
