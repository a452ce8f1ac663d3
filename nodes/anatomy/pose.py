"""Where a head lies in its image: first guesses for registration, and how far a transform moves.

Matrices are 4 x 4 maps of points, points are in world coordinates (right, anterior, superior), mm.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

SLAB_MM = 150.0
"""Height of brain and skull below the top of a head: what lies lower is neck. By eye: the
template brain is 155 mm high, and the start is refined by a registration in any case."""

_TOP_PERCENTILE = 99
"""Height of a head that a few bright voxels of noise above it do not raise."""


def world_points(mask: NDArray[np.bool_], affine: ArrayLike) -> NDArray[np.float64]:
    """World coordinates of a mask's voxels, (n, 3), mm."""
    matrix = np.asarray(affine, float)
    return np.argwhere(mask) @ matrix[:3, :3].T + matrix[:3, 3]


def centroid(mask: NDArray[np.bool_], affine: ArrayLike) -> NDArray[np.float64]:
    """Middle of a mask, world mm.

    Examples
    --------
    >>> centroid(np.ones((3, 1, 1), bool), np.diag([2.0, 2, 2, 1])).tolist()
    [2.0, 0.0, 0.0]
    """
    matrix = np.asarray(affine, float)
    return matrix[:3, :3] @ np.argwhere(mask).mean(axis=0) + matrix[:3, 3]


def head_centre(image: NDArray[Any], affine: ArrayLike) -> NDArray[np.float64]:
    """Middle of what is bright within `SLAB_MM` of the top of a head, world mm.

    Parameters
    ----------
    image
        Intensities, (x, y, z), that vary.
    affine
        Voxel to world.
    """
    # half of the mean of what is above the mean: tissue, but neither air nor its noise
    bright = image > 0.5 * float(image[image > image.mean()].mean())
    points = world_points(bright, affine)
    top = np.percentile(points[:, 2], _TOP_PERCENTILE)
    return points[points[:, 2] > top - SLAB_MM].mean(axis=0)


def pitched(
    pitch_deg: float, size: float, centre: NDArray[np.float64], shift: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Rotation about the left-right axis through `centre`, scaling and shift, as 4 x 4 matrix.

    Examples
    --------
    >>> centre, shift = np.array([0.0, 1, 0]), np.array([5.0, 0, 0])
    >>> matrix = pitched(90, 2, centre, shift)
    >>> (matrix @ [0, 2, 0, 1]).round(6).tolist()
    [5.0, 1.0, 2.0, 1.0]
    """
    matrix = np.eye(4)
    matrix[:3, :3] = size * Rotation.from_euler('x', pitch_deg, degrees=True).as_matrix()
    # the centre goes to centre + shift, whatever the rotation
    matrix[:3, 3] = centre + shift - matrix[:3, :3] @ centre
    return matrix


def candidate_poses(
    centre: NDArray[np.float64],
    target: NDArray[np.float64],
    tolerance_mm: float,
    pitches_deg: Sequence[float],
    sizes: Sequence[float],
) -> list[NDArray[np.float64]]:
    """First guesses of the map from a template to a head: as the headers say, and centred.

    Parameters
    ----------
    centre, target
        Middles of template and head, world mm.
    tolerance_mm
        Where they lie this near, centring would add nothing.
    pitches_deg, sizes
        Nods of the head and scales to be tried in every combination.

    Examples
    --------
    >>> len(candidate_poses(np.zeros(3), np.array([0.0, 50, 0]), 4.0, [-15, 0, 15], [0.9, 1.0]))
    12
    """
    shift = target - centre
    shifts = [shift] if np.linalg.norm(shift) < tolerance_mm else [np.zeros(3), shift]
    return [
        pitched(pitch, size, centre, move)
        for move in shifts
        for pitch in pitches_deg
        for size in sizes
    ]


def affine_change(
    points: NDArray[np.float64], moved: NDArray[np.float64], refined: NDArray[np.float64]
) -> dict[str, float]:
    """How much an affine refinement of a rigid alignment changes it, beyond what is rigid.

    Parameters
    ----------
    points
        Of a head, (n, 3), not all in one plane.
    moved, refined
        Where the rigid alignment takes them, and where its affine refinement does, (n, 3).

    Returns
    -------
    dict
        `misfit_mm`, the root of the mean squared distance between the two, and `stretch`, the
        largest over the smallest stretch of the refinement along any direction. Two images of one
        head have about 0 and 1; another head has another shape.

    Examples
    --------
    >>> corners = np.argwhere(np.ones((2, 2, 2))).astype(float)
    >>> wider = corners * [1.1, 1.0, 1.0]
    >>> found = affine_change(corners, corners + 5, wider + 5)
    >>> {name: round(value, 3) for name, value in found.items()}
    {'misfit_mm': 0.071, 'stretch': 1.1}
    """
    distance = np.linalg.norm(refined - moved, axis=1)
    middle = points.mean(axis=0)
    matrix = np.linalg.lstsq(points - middle, refined - refined.mean(axis=0), rcond=None)[0]
    stretches = np.linalg.svd(matrix, compute_uv=False)
    with np.errstate(divide='ignore'):  # flattened altogether
        stretch = float(stretches[0] / stretches[-1])
    return {'misfit_mm': float(np.sqrt(np.mean(distance**2))), 'stretch': stretch}


def rigid_motion(points: NDArray[np.float64], moved: NDArray[np.float64]) -> dict[str, float]:
    """Shift of the middle of points, mm, and their rotation about it, degrees.

    Parameters
    ----------
    points, moved
        Before and after a rigid movement, (n, 3); not all on one line.

    Returns
    -------
    dict
        `shift_mm` and `turn_deg`.

    Notes
    -----
    The rotation is that of least squares (Kabsch 1976, doi 10.1107/S0567739476001873). Its angle
    comes from a quaternion: the arc cosine of a trace would lose half of the digits of small ones.

    Examples
    --------
    >>> corners = np.argwhere(np.ones((2, 2, 2))).astype(float)
    >>> turned = corners @ Rotation.from_euler('z', 10, degrees=True).as_matrix().T
    >>> shift = corners.mean(axis=0) - turned.mean(axis=0)
    >>> motion = rigid_motion(corners, turned + shift + [0, 3, 4])
    >>> {name: round(value, 6) for name, value in motion.items()}
    {'shift_mm': 5.0, 'turn_deg': 10.0}
    """
    middle, end = points.mean(axis=0), moved.mean(axis=0)
    rotation, _ = Rotation.align_vectors(moved - end, points - middle)
    return {
        'shift_mm': float(np.linalg.norm(end - middle)),
        'turn_deg': float(np.degrees(rotation.magnitude())),
    }
