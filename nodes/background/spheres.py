"""Spherical mean values of a cropped field: where balls fit, and what they leave of the field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import NigraError
from ..fields import dot
from ..grid import Grid
from ..numerics.fft import Crop, convolver, crop_to_mask, empty_spectrum, irfftn, rfftn
from ..numerics.kernels import smv_kernel
from ..numerics.multigrid import Stencils
from .coarse import Coarse
from .dipole_part import DipolePart, Removal, given_back, local_in_passes
from .frame import Image, Mask, Stop
from .solver import System, image_conjugate_gradients

_ROUNDING = 1e-5
"""Fraction of a ball that may seem to lie outside: the transform's rounding, with room to spare.

Where a ball lies inside, float32 missed 1 by 3e-7 to 6e-7 for radii of 2 to 18 mm.
"""


Builder = Callable[[Mask, Grid], tuple['Spheres', Removal, Mask]]
"""For a mask and its grid: arrays without a field, a removal in them, and what it keeps."""


class NoBallError(NigraError):
    """No ball fits into the mask."""


_BLOCKS = 1.6
"""Blocks along the radius of a ball that is still one."""


class Spheres:
    """A field and its mask, ready for balls of several radii.

    Parameters as in `background.frame`, and `margin`, the largest radius in mm. Without a field
    it is zero everywhere.
    """

    def __init__(
        self, totalfield: NDArray[Any] | None, mask: Mask, grid: Grid, margin: float, nthreads: int
    ) -> None:
        # as much empty border as a ball reaches, so that the transform's periodic image stays away
        self.crop: Crop = crop_to_mask(mask, grid, margin=margin)
        self.nthreads, self.margin = nthreads, margin
        self.inside = self.crop.take(mask)
        field = np.zeros(mask.shape) if totalfield is None else np.where(mask, totalfield, 0)
        self.field: Image = self.crop.take(field, np.float32)
        # balls see no constant, but its step at the mask's edge would cost float32 its digits
        self.field[self.inside] -= np.float32(self.field[self.inside].mean(dtype=np.float64))
        self._solid = rfftn(self.inside.astype(np.float32), nthreads=nthreads)
        self._product, self._image = empty_spectrum(self.field), np.empty_like(self.field)

    def ball(self, radius: float) -> Image:
        """Kernel of the mean over a ball as a half spectrum."""
        return smv_kernel(self.crop.grid, radius, nthreads=self.nthreads)

    def removal(self, radius: float) -> Image:
        """Kernel delta - ball."""
        return removal_of(self.ball(radius))

    def fits(self, radius: float, ball: Image) -> Mask:
        """Voxels about which the ball, whose kernel is given, fits into the mask."""
        # the mask's mean over the ball: 1 where all of the ball lies inside
        np.multiply(self._solid, ball, out=self._product)
        fraction = irfftn(self._product, self._image, nthreads=self.nthreads)
        # Balls are made of pieces of 1/343 voxel (`kernels.smv_kernel`): at 1 mm one is 2.9e-3 /
        # (4 r^3) of a ball. Below 3 mm a third of that may be missing; from 3 mm on `_ROUNDING`,
        # which hides the outermost pieces of balls of 8 mm and more (4.6e-6 and less).
        fits: Mask = fraction > 1 - max(1e-3 / (4 * radius**3 + 1), _ROUNDING)
        return fits & self.inside

    def local(
        self, remove: Removal, kept: Mask, stop: Stop, again: Removal | None = None
    ) -> tuple[Image, Mask]:
        """Local field by a removal, and the voxels that it keeps, on the full grid.

        `again` as in `dipole_part.local_in_passes`.
        """
        part = DipolePart(self.inside.astype(np.float32), self.crop.grid, self.nthreads)
        local = local_in_passes(remove, self.field, kept, part, stop, again)
        return self.crop.put(local), self.crop.put(kept)

    def local_by_blocks(
        self, remove: Removal, kept: Mask, build: Builder, stop: Stop
    ) -> tuple[Image, Mask]:
        """As `local`; what is given back is found by `build`'s removal on a coarser grid.

        On the grid itself where that is coarse already, or balls would hold too few blocks or fit
        nowhere.
        """
        coarse = Coarse(self.inside, self.crop.grid)
        reach = _BLOCKS * max(coarse.grid.voxel_size)
        if int(stop.passes) == 1 or max(coarse.factors) == 1 or self.margin < reach:
            return self.local(remove, kept, stop)
        try:
            spheres, again, inner = build(coarse.mask, coarse.grid)
        except NoBallError:  # blocks made the mask thinner
            return self.local(remove, kept, stop)
        local = remove(self.field, stop.of_pass(0))
        crop = spheres.crop
        part = DipolePart(spheres.inside.astype(np.float32), crop.grid, self.nthreads)
        first = crop.take(coarse.down(local, kept))
        back = crop.put(given_back(again, first, inner, part, stop))
        local += kept * coarse.up(back, crop.put(inner))
        return self.crop.put(local), self.crop.put(kept)


def removal_of(ball: Image) -> Image:
    """Kernel delta - ball in place of that of a ball."""
    return np.subtract(1, ball, out=ball)


class OneBall:
    """What one ball leaves of a field, for methods that deconvolve it step by step.

    Attributes
    ----------
    spheres
        The field in its crop.
    kernel
        delta - ball as a half spectrum.
    fits
        M, the voxels about which the ball fits into the mask.

    Raises
    ------
    NoBallError
        The ball fits nowhere.
    """

    def __init__(
        self, totalfield: NDArray[Any] | None, mask: Mask, grid: Grid, radius: float, nthreads: int
    ) -> None:
        self.spheres = Spheres(totalfield, mask, grid, radius, nthreads)
        ball = self.spheres.ball(radius)
        self.fits, self.kernel = self.spheres.fits(radius, ball), removal_of(ball)
        if not self.fits.any():
            raise NoBallError(f'no ball of {radius} mm fits into the mask; give a smaller radius')
        shape = self.spheres.crop.grid.shape
        self._sweep = Stencils(shape, nthreads).sweep
        self._remove = convolver(self.kernel, shape, nthreads=nthreads)

    def remains(self, image: Image, out: Image | None = None) -> Image:
        """M (delta - ball) * image: what differs from its mean over the ball, where it fits."""
        result: Image = self._remove(image, out=out)
        result *= self.fits
        return result

    def solve(self, apply: Callable[[Image, Image], Any], field: Image, stop: Stop) -> Image:
        """Solution x of A x = M (delta - ball) * field; `apply(p, q)` writes A p into q."""
        system = System(apply, dot, self._sweep)
        return image_conjugate_gradients(system, self.remains(field), stop)

    def local(
        self, remove: Removal, stop: Stop, again: Removal | None = None
    ) -> tuple[Image, Mask]:
        """Local field by a removal, and M, on the full grid; `again` as in `Spheres.local`."""
        return self.spheres.local(remove, self.fits, stop, again)
