"""The sampling grid of a scan: everything a k-space kernel needs to know of its geometry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .errors import NigraError

GAMMA_BAR_MHZ_PER_T = 42.577478518
"""Proton gyromagnetic ratio over 2 pi (CODATA 2018); 1 ppm of B0 is this times B0 in Hz."""
MU0 = 4e-7 * np.pi
"""Permeability of free space, H/m."""
STRONGEST_T = 30.0
"""No magnet around anything alive is stronger, T; what is above is a frequency, in MHz."""


@dataclass(frozen=True)
class Grid:
    """Shape, voxel size and main field direction of a regular grid.

    Parameters
    ----------
    shape
        Voxels along each array axis.
    voxel_size
        Edge lengths along each array axis, mm.
    b0_dir
        Unit vector of the main field in *voxel* axes, so that oblique slabs and reoriented
        arrays give the same map.

    Raises
    ------
    NigraError
        A length is not positive and finite, or `b0_dir` has no direction.

    Examples
    --------
    >>> Grid((4, 4, 4), (1, 1, 2), (0, 0, 2)).b0_dir
    (0.0, 0.0, 1.0)
    """

    shape: tuple[int, int, int]
    voxel_size: tuple[float, float, float] = (1.0, 1.0, 1.0)
    b0_dir: tuple[float, float, float] = (0.0, 0.0, 1.0)

    def __post_init__(self) -> None:
        shape = tuple(int(n) for n in self.shape)
        size = tuple(float(v) for v in self.voxel_size)
        direction = np.asarray(self.b0_dir, float)
        length = float(np.linalg.norm(direction))
        if len(shape) != 3 or min(shape) < 1:
            raise NigraError(f'shape must be three positive integers, got {self.shape}')
        if len(size) != 3 or not all(np.isfinite(v) and v > 0 for v in size):
            raise NigraError(f'voxel_size must be three positive lengths, got {self.voxel_size}')
        if direction.shape != (3,) or not np.isfinite(length) or length == 0:
            raise NigraError(f'b0_dir must be a vector of three numbers, got {self.b0_dir}')
        object.__setattr__(self, 'shape', shape)
        object.__setattr__(self, 'voxel_size', size)
        object.__setattr__(self, 'b0_dir', tuple(float(c) for c in direction / length))

    @classmethod
    def from_affine(
        cls, shape: tuple[int, ...], affine: ArrayLike, b0_dir_world: ArrayLike = (0, 0, 1)
    ) -> Grid:
        """Grid of an image: the scanner's bore is the world's z axis unless told otherwise.

        Parameters
        ----------
        shape
            Image shape; only its first three entries count.
        affine
            4 x 4 voxel-to-world matrix, mm.
        b0_dir_world
            Main field direction in world axes.
        """
        matrix = np.asarray(affine, float)[:3, :3]
        size = np.linalg.norm(matrix, axis=0)
        if not np.all(size > 0):
            raise NigraError(f'affine has an axis of no length: {np.asarray(affine).tolist()}')
        direction = (matrix / size).T @ np.asarray(b0_dir_world, float)
        return cls(tuple(shape[:3]), tuple(size), tuple(direction))  # type: ignore[arg-type]

    @property
    def voxel_volume(self) -> float:
        """Volume of one voxel, mm^3."""
        return float(np.prod(self.voxel_size))


def check_field_strength(b0: float) -> None:
    """Raise where a main field is none, T."""
    if not 0 < b0 <= STRONGEST_T:
        raise NigraError(
            f'b0 must be a positive field strength in tesla, up to {STRONGEST_T:g}, got {b0}'
        )


def hz_per_ppm(b0: float) -> float:
    """Frequency shift of 1 ppm at a main field of `b0` tesla, Hz.

    Examples
    --------
    >>> round(hz_per_ppm(3.0), 3)
    127.732
    """
    check_field_strength(b0)
    return GAMMA_BAR_MHZ_PER_T * float(b0)


def conducting_curvature(b0: float) -> float:
    """Laplacian of a head's phase at echo time zero over its conductivity, rad/m^2 per S/m.

    2 mu0 omega, mu0 the permeability of free space and omega the Larmor frequency (Katscher et al.
    2009, doi 10.1109/TMI.2009.2015757).

    Examples
    --------
    >>> round(conducting_curvature(3.0))
    2017
    """
    return 2 * MU0 * 2 * np.pi * 1e6 * hz_per_ppm(b0)
