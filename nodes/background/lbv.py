"""Laplacian boundary value: the background solves Laplace's equation inside the mask.

Zhou et al. 2014 (doi 10.1002/nbm.3064) neglect the local field on the mask's outermost layer.
Inside, the background b has L b = 0, L the Laplacian, and on that layer b = f, the total field. So
the local field u = f - b solves L u = L f with u = 0 on the layer. Conjugate gradients find it,
preconditioned by a multigrid cycle.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import NigraError
from ..fields import MOST_LAYERS, check_counts, check_field_map
from ..grid import Grid
from ..numerics.multigrid import Box, Multigrid, interior, laplacian
from ..parallel import Progress
from .dipole_part import DipolePart, local_in_passes
from .frame import Image, Mask, Stop, field_in_box
from .solver import System, image_conjugate_gradients


# The defaults on the phantom of `background.frame`: a tolerance of 1e-4 takes 4 steps, slope .996;
# .01 takes 2, slope .983; 1e-6 takes 7 and changes nothing. Between 0 and 3 layers peeled the
# slope lies between .991 and .996 and the error between 2.01 and 2.06 ppb (one pass). `passes` on
# cal-3T of `benchmarks/phantoms.py`: 1, 2, 3 and 4 leave 2.64, 2.56, 2.33 and 2.54 ppb.
def lbv(
    totalfield: NDArray[Any], mask: Mask, grid: Grid, *,
    peel: int = 1, passes: int = 3,
    iterations: int = 30, tolerance: float = 1e-4,
    nthreads: int = 1, progress: Progress | None = None,
) -> tuple[Image, Mask]:  # fmt: skip
    """Laplacian boundary value method: harmonic inside, the total field on the boundary.

    Needs no ball to fit and no setting for the strength, but trusts the field on the boundary.

    Parameters
    ----------
    peel
        Layers of voxels that are taken off the mask first; where its rim is noisy, its rim makes
        a bad boundary.
    totalfield, mask, grid, passes, iterations, tolerance, nthreads, progress
        As in `background.frame`, which also lists the errors.

    Returns
    -------
    tuple
        Local field, and its mask: `peel` layers smaller, and one more.

    Notes
    -----
    Zhou et al. 2014 (doi 10.1002/nbm.3064); the equations are in the module's docstring.
    """
    stop = Stop(iterations, tolerance, progress, passes)
    check_counts(0, MOST_LAYERS, peel=peel)
    check_field_map(totalfield, mask, grid)
    box = Box.around(mask)
    # what the last `interior` takes off is the boundary, where u = 0
    inside = box.mask
    for _ in range(int(peel) + 1):
        inside = interior(inside)
    if not inside.any():
        raise NigraError(f'nothing is left of the mask after {int(peel) + 1} layers')
    multigrid = Multigrid(inside, grid.voxel_size, nthreads)

    def remove(field: Image, stop: Stop) -> Image:
        return without_harmonic(field, multigrid, stop)

    field = field_in_box(totalfield, box)
    part = DipolePart(box.mask.astype(np.float32), grid, nthreads)
    local = local_in_passes(remove, field, inside, part, stop)
    return box.put(local), box.put(inside)


def without_harmonic(field: Image, multigrid: Multigrid, stop: Stop) -> Image:
    """Solution u of L u = L f, zero outside: f less the harmonic field that has its boundary."""
    stencils = multigrid.stencils
    # -L in the rows of voxels inside: with u = 0 elsewhere it is symmetric and positive definite
    minus, weights = -multigrid.inside, multigrid.weights

    def apply(u: Image, out: Image) -> None:
        stencils.sweep(laplacian, u, minus, weights, out)

    # the field on the boundary enters here: f is not zero there, as u is
    right = np.zeros_like(field)
    apply(field, right)
    system = System(apply, stencils.dot, stencils.sweep, multigrid, by_residual=True)
    return image_conjugate_gradients(system, right, stop)
