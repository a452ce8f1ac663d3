"""Spherical mean values of a cropped field: where balls fit, and what they leave of the field."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import NigraError
from ..grid import Grid
from ..numerics.fft import Crop, crop_to_mask, empty_spectrum, irfftn, rfftn
from ..numerics.kernels import smv_kernel

Image = NDArray[np.float32]

_ROUNDING = 1e-5
"""Fraction of a ball that may seem to lie outside: the transform's rounding."""


class Spheres:
    """A field and its mask, ready for balls of several radii.

    Parameters
    ----------
    totalfield
        Field, ppm, (x, y, z).
    mask
        Where it holds.
    grid
        Geometry.
    margin
        Largest radius, mm.
    nthreads
        Threads; the result does not depend on them.
    """

    def __init__(
        self,
        totalfield: NDArray[Any],
        mask: NDArray[np.bool_],
        grid: Grid,
        margin: float,
        nthreads: int,
    ) -> None:
        self.crop: Crop = crop_to_mask(mask, grid, margin=margin)
        self.nthreads = nthreads
        self.inside = self.crop.take(mask)
        self.field: Image = self.crop.take(np.where(mask, totalfield, 0), np.float32)
        self.field[self.inside] -= np.float32(self.field[self.inside].mean(dtype=np.float64))
        self._solid = rfftn(self.inside.astype(np.float32), nthreads=nthreads)
        self._product, self._image = empty_spectrum(self.field), np.empty_like(self.field)

    def removal(self, radius: float) -> tuple[Image, NDArray[np.bool_]]:
        """Kernel delta - ball as a half spectrum, and the voxels about which the ball fits."""
        ball = smv_kernel(self.crop.grid, radius, nthreads=self.nthreads)
        np.multiply(self._solid, ball, out=self._product)
        fraction = irfftn(self._product, self._image, nthreads=self.nthreads)
        fits = (fraction > 1 - max(1e-3 / (4 * radius**3 + 1), _ROUNDING)) & self.inside
        return np.subtract(1, ball, out=ball), fits


def check_radius(radius: float) -> None:
    """Raise where a ball's radius is no length."""
    if not (np.isfinite(radius) and radius > 0):
        raise NigraError(f'radius must be a positive length in mm, got {radius}')


def require_room(fits: NDArray[np.bool_], radius: float) -> None:
    """Raise where a ball fits nowhere."""
    if not fits.any():
        raise NigraError(f'no ball of {radius} mm fits into the mask; give a smaller radius')
