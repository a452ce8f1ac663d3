"""The skeleton of every dipole inversion: what all take, check, weigh and put back.

An inversion is a function of `localfield`, `mask` and `grid` with keyword options. Its docstring
tells the settings of its own; these mean the same in all of them:

localfield
    Local field, ppm, (x, y, z); finite inside the mask.
mask
    Voxels whose field counts, boolean, same shape.
grid
    Voxel size and direction of the main field.
noise
    Standard deviation of the field, ppm, same shape. Voxels noisier than the median weigh less,
    those whose noise is zero or not finite have no weight. Without a map all voxels of the mask
    weigh the same.
magnitude
    Magnitude image, same shape; the method says what its edges do.
iterations
    Most steps.
tolerance
    Stop when a step changes the map by less than this fraction.
margin
    Empty border around the mask, mm: room for sources, and for the periodic images of the
    Fourier transform.
nthreads
    Threads; the result does not depend on them.
progress
    Called with (steps done, steps in all).

Each returns the susceptibility, ppm, float32, zero outside the mask, and raises `NigraError`
where a setting is out of range, shapes differ, the mask is empty or the field is not finite
inside it. A new one reads

    check_positive(strength=strength)
    problem = prepare(localfield, mask, grid, noise=noise, margin=margin, nthreads=nthreads)
    chi = ...  # its equations, on problem.field, problem.weight and problem.kernel
    return problem.put_back(chi)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..fields import check_field, check_field_map, check_margin
from ..grid import Grid
from ..numerics.fft import Crop, crop_to_mask
from ..numerics.kernels import dipole_kernel
from ..parallel import Sweep

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
Spectrum = NDArray[np.complex64]


@dataclass(frozen=True, eq=False)
class Problem:
    """A local field ready for inversion, in a padded box.

    Attributes
    ----------
    field
        f, ppm: mean zero inside the mask, zero outside.
    weight
        W^2, the squared weight of each voxel in the data term, 0 to 1; zero outside the mask.
    crop
        Where the box lies in the scan.
    mask
        The mask in the whole scan.
    nthreads
        Threads.
    """

    field: Image
    weight: Image
    crop: Crop
    mask: Mask
    nthreads: int = 1

    @property
    def grid(self) -> Grid:
        """Geometry of the box."""
        return self.crop.grid

    @cached_property
    def inside(self) -> Mask:
        """The mask in the box."""
        return self.crop.take(self.mask)

    @cached_property
    def kernel(self) -> Image:
        """D, the dipole kernel of the box as a half spectrum."""
        return dipole_kernel(self.grid, nthreads=self.nthreads)

    @cached_property
    def sweep(self) -> Sweep:
        """Runs stencils over the box."""
        return Sweep(self.grid.shape[0], self.nthreads)

    def edge_costs(self, magnitude: NDArray[Any] | None, strength: float) -> Image:
        """1 where the magnitude is flat, down to 1 - strength at its strongest edges."""
        if magnitude is None or strength == 0:
            return np.ones(self.grid.shape, np.float32)
        check_field(magnitude, Grid(self.crop.full), 'the magnitude')
        return edge_weights(self.crop.take(magnitude), self.inside, self.grid, strength)

    def put_back(self, chi: Image) -> Image:
        """Map of the whole scan from one of the box, zero outside the mask."""
        full = self.crop.put(chi)
        np.copyto(full, 0, where=~self.mask)
        return full


def prepare(
    localfield: NDArray[Any], mask: Mask, grid: Grid, *, noise: NDArray[Any] | None = None,
    margin: float = 0.0, nthreads: int = 1, least_margin: float = 0.0, reliable: float = 1.0,
) -> Problem:  # fmt: skip
    """Check what every inversion takes, and cut out and weigh what it needs.

    Parameters
    ----------
    localfield, mask, grid, noise, margin, nthreads
        As in this module's docstring.
    least_margin
        Border that the solver needs whatever `margin` is, mm.
    reliable
        Noise over its median up to which a voxel weighs 1.

    Raises
    ------
    NigraError
        Shapes differ, the mask is empty, the field is not finite inside it, or the margin is
        negative.
    """
    check_margin(margin)
    check_field_map(localfield, mask, grid)
    if noise is not None:
        check_field(noise, grid, 'the noise')
    crop = crop_to_mask(mask, grid, margin=max(margin, least_margin))
    field, weight = centred(localfield, mask), data_weights(noise, mask, reliable)
    return Problem(crop.take(field), crop.take(weight), crop, mask, nthreads)


def centred(field: NDArray[Any], mask: Mask) -> Image:
    """Field minus its mean over the mask, zero outside: k = 0 carries no information."""
    image = np.zeros(field.shape, np.float32)
    values = field[mask]
    image[mask] = values - values.mean(dtype=np.float64)
    return image


def data_weights(noise: NDArray[Any] | None, mask: Mask, reliable: float = 1.0) -> Image:
    """1 in the mask, less where the noise exceeds `reliable` times its median; 0 outside."""
    weight = mask.astype(np.float32)
    if noise is not None:
        values = noise[mask].astype(np.float64)
        good = np.isfinite(values) & (values > 0)
        if good.any():
            # inverse variance, level below the limit: dark iron is noisy, yet it is what matters
            limit = reliable * float(np.median(values[good]))
            weight[mask] = np.where(
                good, np.minimum(1, (limit / np.where(good, values, 1)) ** 2), 0
            )
    return weight


def edge_weights(magnitude: NDArray[Any], mask: Mask, grid: Grid, strength: float) -> Image:
    """1 where the magnitude is flat, down to 1 - strength at its strongest edges."""
    image = np.where(mask, magnitude, 0).astype(np.float32)
    slope = np.zeros(image.shape, np.float32)
    for axis, h in enumerate(grid.voxel_size):
        # the border of the mask is no edge of the tissue
        inside = mask & np.roll(mask, -1, axis)
        slope += np.where(inside, (np.roll(image, -1, axis) - image) / h, 0) ** 2
    slope = np.sqrt(slope)
    # a tenth of the voxels hold edges: the slope that they begin at halves `strength`
    typical = float(np.percentile(slope[mask], 90)) or 1.0
    return (1 - strength * slope**2 / (slope**2 + typical**2)).astype(np.float32)


def without_constant(chi: Image) -> Image:
    """Map less its mean over the box, which stood for a constant of the field.

    Solvers that let the constant be free carry it at k = 0 (`with_constant`).
    """
    return chi - np.float32(chi.mean(dtype=np.float64))
