"""Whether the phase grows where the field is positive: the head's own field tells."""

from __future__ import annotations

import enum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..errors import NigraError
from ..grid import Grid
from ..numerics.kernels import forward_field
from ..numerics.resample import block_mean

_TISSUE_PPM = -9.4
"""Susceptibility of tissue against air (Schenck 1996, doi 10.1118/1.597854)."""
_COARSE_MM = 4.0
"""Voxels on which the head's field is computed: it is smooth."""
_MARGIN_MM = 60.0
"""By which a head that is cut by the image goes on, so that the cut makes no field of its own."""
_LEAST_SIGNAL = 0.2
"""Fraction of the brain's median magnitude from which a coarse voxel is head."""
_LEAST_ML = 100.0
"""Volume of the mask below which nothing can be told: shims explain the field of so little."""
STRONG = 0.35
"""Correlation from which the sign is certain. Real heads have .18 (Siemens VE11C), .47 (GE), .58
(Siemens XA30) and .58 (Philips), the example .40 to .67, phantoms of several echoes .61 to .89,
those of one echo .08 and .36; a real spine, whose field is not that of a head, -.27 to -.15."""
STRONG_WITH_PRIOR = 0.1
"""The same where the vendor is known to invert the phase, and the image agrees."""
LEAST_CONDUCTIVITY, MOST_CONDUCTIVITY = 0.3, 1.5
"""S/m, of a head as its phase at time zero tells it: real ones .69 (Philips, two echoes) and
simulated ones .55 to .65; tissues reach from .3 (white matter) to 2.1 (fluid)."""
INVERTING_VENDORS = ('ge ', 'ge_', 'general electric')
"""Vendors whose phase is known to be inverted (seen on a GE MR450 DV26), as their names begin."""


class SignVerdict(enum.StrEnum):
    """What the image tells of its phase's sign."""

    RIGHT = 'right'
    INVERTED = 'inverted'
    UNCLEAR = 'unclear'


def sign_evidence(
    totalfield: NDArray[Any], magnitude: NDArray[Any], mask: NDArray[np.bool_], grid: Grid
) -> float:
    """Correlation of a measured field with that which the head's own shape makes.

    Parameters
    ----------
    totalfield
        Total field from the phase, (x, y, z), any unit.
    magnitude
        Echoes combined, same shape; what has signal is taken for the head.
    mask
        Where the field is known: the brain.
    grid
        Geometry.

    Returns
    -------
    float
        Near 1 where the phase's sign is right, near -1 where it is inverted; 0 in a mask too small
        to tell.

    Raises
    ------
    NigraError
        Shapes do not fit.

    Notes
    -----
    Head and air differ by -9.4 ppm, far more than tissues among each other, so that the field of
    a head filled with that (Marques & Bowtell 2005, doi 10.1002/cmr.b.20034) is much of what is
    measured, once shims are taken out: polynomials to second order are fitted to both inside the
    brain and subtracted.
    """
    if not totalfield.shape == magnitude.shape == mask.shape == grid.shape:
        raise NigraError(
            f'field {totalfield.shape}, magnitude {magnitude.shape}, mask {mask.shape} and grid '
            f'{grid.shape} do not fit together'
        )
    factors = tuple(max(1, round(_COARSE_MM / size)) for size in grid.voxel_size)
    x, y, z = (f * s for f, s in zip(factors, grid.voxel_size, strict=True))
    part = whole_blocks(mask, factors)
    inside = part > 0.5
    if np.count_nonzero(inside) * x * y * z < 1000 * _LEAST_ML:
        return 0.0
    field = whole_blocks(np.where(mask, totalfield, 0), factors) / np.maximum(part, 1e-3)
    strength = whole_blocks(np.nan_to_num(magnitude), factors)
    head = _filled(strength > _LEAST_SIGNAL * np.median(strength[inside]))
    model = _head_field(head, Grid(inside.shape, (x, y, z), grid.b0_dir))
    measured, expected = (_without_shims(image, inside) for image in (field, model))
    spread = float(measured.std() * expected.std())
    return float(np.mean(measured * expected)) / spread if spread > 0 else 0.0


def judge_sign(
    correlation: float, manufacturer: str = '', conductivity: float = 0.0
) -> SignVerdict:
    """What `sign_evidence`, the vendor and the phase at time zero tell together.

    Parameters
    ----------
    correlation
        From `sign_evidence`.
    manufacturer
        As the sidecar names it; empty where it is silent.
    conductivity
        That the phase at time zero speaks of, S/m (`parabola`): tissue's is positive, so a
        negative one is that of an inverted phase. Scanners may have taken that phase away; then
        it is about 0.

    Examples
    --------
    >>> judge_sign(-0.15).value, judge_sign(-0.15, 'GE').value, judge_sign(-0.15, '', -0.6).value
    ('unclear', 'inverted', 'inverted')
    """
    if correlation <= -(STRONG_WITH_PRIOR if inverts_phase(manufacturer) else STRONG):
        return SignVerdict.INVERTED
    if correlation >= STRONG:
        return SignVerdict.RIGHT
    if -MOST_CONDUCTIVITY <= conductivity <= -LEAST_CONDUCTIVITY:
        return SignVerdict.INVERTED
    agrees = LEAST_CONDUCTIVITY <= conductivity <= MOST_CONDUCTIVITY and correlation >= 0
    return SignVerdict.RIGHT if agrees else SignVerdict.UNCLEAR


def inverts_phase(manufacturer: str) -> bool:
    """Whether a vendor is known to invert the phase."""
    return f'{manufacturer.strip().lower()} '.startswith(INVERTING_VENDORS)


def whole_blocks(image: NDArray[Any], factors: tuple[int, ...]) -> NDArray[np.float32]:
    """Means over blocks of voxels; what is left over at the end of an axis is left out.

    Examples
    --------
    >>> whole_blocks(np.arange(5.0).reshape(5, 1, 1), (2, 1, 1)).ravel().tolist()
    [0.5, 2.5]
    """
    # a factor that leaves no block would leave no image
    factors = tuple(min(f, n) for f, n in zip(factors, image.shape, strict=True))
    cut = tuple(slice(0, n - n % f) for n, f in zip(image.shape, factors, strict=True))
    return np.asarray(block_mean(np.asarray(image[cut], np.float32), factors))


def _filled(head: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Head without the pinholes of noise and vessels; sinuses and the skull's bone stay air."""
    return np.asarray(ndimage.binary_closing(np.pad(head, 2))[2:-2, 2:-2, 2:-2])


def _head_field(head: NDArray[np.bool_], grid: Grid) -> NDArray[np.float32]:
    """Field of a head of -9.4 ppm that goes on beyond the image, ppm."""
    pad = [int(np.ceil(_MARGIN_MM / size)) for size in grid.voxel_size]
    chi = np.pad(head, [(p, p) for p in pad], mode='edge').astype(np.float32) * _TISSUE_PPM
    field = forward_field(chi, Grid(chi.shape, grid.voxel_size, grid.b0_dir), pad=1.0)
    return field[tuple(slice(p, p + n) for p, n in zip(pad, head.shape, strict=True))]


def _without_shims(field: NDArray[Any], inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Values inside less the polynomial of second order that fits them best."""
    # on -1 to 1, where powers of coordinates are told apart well
    x, y, z = ((2 * i / n - 1) for i, n in zip(np.nonzero(inside), inside.shape, strict=True))
    columns = (np.ones_like(x), x, y, z, x * x, y * y, z * z, x * y, x * z, y * z)
    shims = np.stack(columns, axis=1)
    values = field[inside].astype(np.float64)
    return np.asarray(values - shims @ np.linalg.lstsq(shims, values, rcond=None)[0])
