"""What all removals of the background share: parameters, checks, and the field in its box.

A removal is called as `method(totalfield, mask, grid, *, ..., nthreads=1, progress=None)`. Its
docstring describes its own settings; these mean the same in all of them.

Parameters
----------
totalfield
    Total field, ppm, (x, y, z). Values outside the mask are never read, nor does a constant
    offset matter.
mask
    Voxels whose total field is known, (x, y, z).
grid
    Shape, voxel size and direction of the main field.
passes
    How often to look for what the local field and fields of outside sources have in common, 1 to
    20; 1 gives nothing back, as published. Fewer are made where they do not converge
    (`dipole_part`).
iterations
    Largest number of conjugate-gradient steps of a pass, at least 1.
tolerance
    Stop when the residual (in PDF about the error itself) has shrunk to this fraction; 0 takes all
    the steps.
nthreads
    Threads; the result does not depend on them.
progress
    Called with (steps done, most steps).

Returns
-------
local field
    ppm, float32, (x, y, z); zero outside the mask that is left.
mask
    Voxels whose local field is known, where the method needs to shrink the mask.

Raises
------
NigraError
    A setting is out of range, shapes differ, the mask is empty or too small for the method, or the
    field is not finite inside it. A method looks at its settings before it looks at its images, so
    that a command can check them before there are any (`stages.check_values`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..fields import check_counts, check_not_negative
from ..numerics.multigrid import Box
from ..parallel import Progress

# Comments in this room name errors on one phantom: the round head of the tests (`phantoms.head`),
# 96 x 88 x 80 voxels of 1.5 mm, main field along (.1, 0, 1), local field 2.6 ppb and background
# 233 ppb (standard deviations in the mask), noise 2 ppb, but 10 ppb in the outer two layers.
# "Error" is the standard deviation of found minus true local field, "slope" that of the regression
# of found on true, both deeper than five voxels. The noise alone makes an error of 2 ppb.

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Stop:
    """When an iteration ends, and who is told of its steps.

    Attributes
    ----------
    iterations, tolerance, progress, passes
        As in the module.
    later
        Tolerance of further passes, where it is larger; but all steps remain all.

    Raises
    ------
    NigraError
        A setting is out of range.
    """

    iterations: int
    tolerance: float
    progress: Progress | None = None
    passes: int = 1
    later: float = 0.0

    def __post_init__(self) -> None:
        check_counts(iterations=self.iterations)
        check_not_negative(tolerance=self.tolerance)
        check_counts(1, 20, passes=self.passes)

    def of_pass(self, n: int) -> Stop:
        """That of one pass, from 0, with its share of the progress."""
        passes, tell = int(self.passes), self.progress
        tolerance = max(self.tolerance, self.later) if n and self.tolerance else self.tolerance

        def share(done: int, most: int) -> None:
            if tell:
                tell(n * most + done, passes * most)

        return Stop(self.iterations, tolerance, share)


def field_in_box(totalfield: NDArray[Any], box: Box) -> Image:
    """Field minus its median inside the mask, in the mask's box.

    A constant is a field of outside sources, so its choice is free; a small one keeps the digits
    of float32 for the rest.
    """
    field = box.take(totalfield)
    field[box.mask] -= np.float32(np.median(field[box.mask]))
    return field
