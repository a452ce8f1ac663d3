"""How much memory a step takes, told from the size of its images."""

from __future__ import annotations

from dataclasses import dataclass

PROGRAM_GB = 0.3
"""What a process takes that has loaded the program and no image; .22 to .27 measured.

The first on a machine, which also compiles, was seen to take .32: less than the margin of any
image of a whole head.
"""


@dataclass(frozen=True)
class Memory:
    """What a step takes at most, in bytes for each voxel of the array.

    Attributes
    ----------
    fixed, echo
        Whatever the number of echoes, and for each of them.

    Notes
    -----
    The numbers of all steps are the largest that were measured with 128^3 voxels of 1 mm, all in
    the mask, and 1, 4 and 10 echoes, images loaded and all, and two or three bytes more. Larger
    arrays take less a voxel, by the margin around them: with 256 x 256 x 160 voxels what is told
    is 1.1 to 1.4 times the peak. `tests/interfaces/test_memory.py` measures them again.
    """

    fixed: int
    echo: int = 0

    def gb(self, voxels: int, echoes: int) -> float:
        """Memory of a process that does the step on images of this size, GB.

        Examples
        --------
        >>> round(Memory(100, 10).gb(1_000_000, 5), 2)
        0.45
        """
        return PROGRAM_GB + voxels * (self.fixed + self.echo * echoes) / 1e9
