"""A field on fewer voxels, for what removals of the background give back.

What a removal takes of a local field is smooth, or it would not be taken for one of outside
sources; a voxel of 3 mm holds it at an eighth of the work.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..grid import Grid
from ..numerics.resample import along_axes, between, block_fraction, block_mean
from .frame import Image, Mask

LENGTH = 3.0
"""Longest edge of a coarse voxel, mm."""


class Coarse:
    """A mask whose voxels are joined in blocks of 1, 2, 4 ... along each axis.

    Parameters
    ----------
    mask
        On the fine grid.
    grid
        The fine grid.

    Attributes
    ----------
    factors
        Voxels of a block along each axis; all 1 where the grid is coarse enough.
    grid
        The coarse grid; blocks may reach beyond the end of the fine one.
    mask
        Blocks of which half or more lie inside.
    """

    def __init__(self, mask: Mask, grid: Grid) -> None:
        lengths = np.array(grid.voxel_size)
        self.factors = tuple(
            int(f) for f in 2 ** np.maximum(np.floor(np.log2(LENGTH / lengths)), 0)
        )
        self._shape = grid.shape
        self.mask: Mask = block_fraction(self._whole(mask), self.factors) >= 0.5
        nx, ny, nz = self.mask.shape
        hx, hy, hz = (float(h) for h in lengths * self.factors)
        self.grid = Grid((nx, ny, nz), (hx, hy, hz), grid.b0_dir)

    def _whole(self, image: NDArray[Any]) -> NDArray[Any]:
        """Image with zeros up to whole blocks."""
        ends = [(0, -n % f) for n, f in zip(self._shape, self.factors, strict=True)]
        return np.pad(image, ends)

    def down(self, image: Image, kept: Mask) -> Image:
        """Mean over the kept voxels of each block of which half or more are kept; 0 elsewhere.

        `image` is zero where nothing is kept.
        """
        share = block_fraction(self._whole(kept), self.factors)
        mean = block_mean(self._whole(image), self.factors)
        return np.divide(mean, share, where=share >= 0.5, out=np.zeros_like(mean))

    def up(self, image: Image, known: Mask) -> Image:
        """Linear interpolation of the known blocks, of which the nearest stands for others."""
        nearest = ndimage.distance_transform_edt(
            ~known, sampling=self.grid.voxel_size, return_distances=False, return_indices=True
        )
        filled = image[tuple(nearest)]
        return along_axes(filled, [
            between(m, (np.arange(n) + 0.5) / f - 0.5)
            for m, n, f in zip(filled.shape, self._shape, self.factors, strict=True)
        ])  # fmt: skip
