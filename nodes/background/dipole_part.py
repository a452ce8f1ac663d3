"""What removals of the background take along of the local field, and how it is given back.

A local field, too, has a part that outside sources could have made, and every removal R takes it
along: of deep nuclei a twelfth, of wide structures a third. So what susceptibility in the mask
explains of the local field l (`DipolePart`, E l) is looked at again, and what the removal would
take of that is given back; of what that adds again, and so on:

    l_1 = R f,   d_1 = l_1,   d_n+1 = E d_n - R E d_n,   l_n+1 = l_n + d_n+1.

What is given back is smooth and may be found on larger voxels (`coarse`). A field of outside
sources alone still leaves nothing, for then l_1 is zero. What is added shrinks at first, to about
half from pass to pass; but in plates a few voxels thick, and by PDF after ten passes everywhere,
it may grow again. Such a series has no sum: it ends before the first term that is no smaller than
the one before.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..fields import dot
from ..grid import Grid
from ..numerics.fft import convolver, fast_shape
from ..numerics.kernels import dipole_kernel
from ..numerics.multigrid import Box
from .frame import Image, Mask, Stop

PAD = 1.3
"""Length of the padded arrays over the mask's box: keeps the periodic images of a field away."""
FLOOR = 0.003
"""D^2 below which a field is not believed to be one of susceptibility; see `pdf.pdf`."""
NOISY = 2.0
"""Variance from which a voxel counts less: noise as large as the local field."""

Removal = Callable[[Image, Stop], Image]
"""Local field of a total field, zero outside the voxels that the removal keeps."""


def local_in_passes(
    remove: Removal, field: Image, kept: Mask, part: DipolePart, stop: Stop,
    again: Removal | None = None,
) -> Image:  # fmt: skip
    """Local field after the passes of the module's docstring.

    Parameters
    ----------
    remove
        R.
    field
        Total field, in the arrays of `remove`.
    kept
        Voxels that `remove` keeps.
    part
        E.
    stop
        For all passes together, and how many there are at most.
    again
        R of all passes but the first, where there is a cheaper one that takes the same; R itself
        otherwise.
    """
    local = remove(field, stop.of_pass(0))
    local += given_back(again or remove, local, kept, part, stop)
    return local


def given_back(remove: Removal, local: Image, kept: Mask, part: DipolePart, stop: Stop) -> Image:
    """Sum of d_2, d_3, ... of the module's docstring; `local` is l_1, the others as above."""
    total = np.zeros_like(local)
    added, before = local, dot(local, local)
    for n in range(1, int(stop.passes)):
        plausible = part(added)
        added = plausible - remove(plausible, stop.of_pass(n))
        added *= kept
        square = dot(added, added)
        if square >= before:
            break
        total += added
        before = square
    return total


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
        Its voxel size and direction of the main field.
    nthreads
        Threads; the result does not depend on them.
    """

    def __init__(self, variance: Image, grid: Grid, nthreads: int = 1) -> None:
        self._box = Box.around(variance > 0)
        # one rule for all axes, however the image is stored (as `crop_to_mask` has it)
        nx, ny, nz = (fast_shape((1, 1, int(np.ceil(PAD * n))))[2] for n in self.mask.shape)
        self._padded = Grid((nx, ny, nz), grid.voxel_size, grid.b0_dir)
        self._nthreads = nthreads
        variance = self._box.take(variance)
        self.weight = np.zeros_like(variance)
        np.divide(NOISY, variance, where=self.mask, out=self.weight)
        np.minimum(self.weight, 1, out=self.weight)

    @property
    def mask(self) -> Mask:
        """Where susceptibility may lie, in its box."""
        return self._box.mask

    def __call__(self, field: Image) -> Image:
        """The part, zero outside the mask; `field` is zero there, too."""
        # all is made anew at each call: kept, it would double the memory of the next removal
        kernel = dipole_kernel(self._padded, nthreads=self._nthreads)
        image = np.zeros(self._padded.shape, np.float32)
        inner = tuple(slice(0, n) for n in self.mask.shape)

        def in_mask(kernel: Image, values: Image) -> Image:
            image[...] = 0
            image[inner] = values
            convolver(kernel, self._padded.shape, nthreads=self._nthreads)(image, out=image)
            return np.where(self.mask, image[inner], np.float32(0))

        inverse = np.divide(kernel, kernel**2 + np.float32(FLOOR))
        chi = in_mask(inverse, self._box.take(field) * self.weight)
        chi[self.mask] -= chi[self.mask].mean(dtype=np.float64).astype(np.float32)
        part: Image = self._box.put(in_mask(kernel, chi))
        return part
