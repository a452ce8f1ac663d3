"""From susceptibility to what a scanner stores: field, shim, signal, noise, integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from ..errors import NigraError
from ..grid import Grid, hz_per_ppm
from ..numerics.kernels import forward_field
from ..numerics.resample import block_fraction, block_mean

PHASE_CODES = ('0..4095', '-4096..4094', 'rad')


@dataclass(frozen=True)
class Slab:
    """Where a scan lies in the scanner, and the finer model grid that it is computed on.

    Attributes
    ----------
    shape
        Voxels of the scan.
    affine
        Voxel-to-world matrix of the scan, mm; the main field is the world's z axis.
    oversampling
        Model voxels per scan voxel along each axis.
    start, model_shape
        First scan voxel (may be negative) and number of scan voxels that the model covers.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    oversampling: tuple[int, int, int]
    start: tuple[int, int, int]
    model_shape: tuple[int, int, int]

    @property
    def fine_shape(self) -> tuple[int, int, int]:
        """Voxels of the model grid."""
        return tuple(n * f for n, f in zip(self.model_shape, self.oversampling, strict=True))  # type: ignore[return-value]

    @property
    def fine_affine(self) -> NDArray[np.float64]:
        """Voxel-to-world matrix of the model grid."""
        factor = np.asarray(self.oversampling, float)
        matrix = self.affine.copy()
        matrix[:3, :3] = self.affine[:3, :3] / factor
        # the first voxel's corner is half a voxel before its centre, in voxels of either grid
        first = np.asarray(self.start) - 0.5 + 0.5 / factor
        matrix[:3, 3] = self.affine[:3, :3] @ first + self.affine[:3, 3]
        return matrix

    @property
    def fine_grid(self) -> Grid:
        """Kernel geometry of the model grid."""
        return Grid.from_affine(self.fine_shape, self.fine_affine)

    @property
    def coarse_grid(self) -> Grid:
        """Kernel geometry of the model's extent in scan voxels."""
        return Grid.from_affine(self.model_shape, self.affine)

    @property
    def scan(self) -> tuple[slice, slice, slice]:
        """The scan within the model, in scan voxels."""
        return tuple(slice(-s, n - s) for s, n in zip(self.start, self.shape, strict=True))  # type: ignore[return-value]

    @property
    def fine_scan(self) -> tuple[slice, slice, slice]:
        """The scan within the model, in model voxels."""
        return tuple(
            slice(s.start * f, s.stop * f)
            for s, f in zip(self.scan, self.oversampling, strict=True)
        )  # type: ignore[return-value]


def scan_affine(
    shape: ArrayLike, voxel_mm: ArrayLike, centre_mm: ArrayLike, tilt_deg: ArrayLike = (0, 0, 0)
) -> NDArray[np.float64]:
    """Voxel-to-world matrix of a slab about a centre, turned about x, then y, then z.

    Examples
    --------
    >>> scan_affine((3, 3, 3), (2, 2, 2), (0, 0, 0))[:3, 3].tolist()
    [-2.0, -2.0, -2.0]
    """
    matrix = np.eye(4)
    matrix[:3, :3] = rotation(tilt_deg) @ np.diag(np.asarray(voxel_mm, float))
    # matrix @ middle is the centre: the slab turns about its middle, not about its corner
    middle = (np.asarray(shape, float) - 1) / 2
    matrix[:3, 3] = np.asarray(centre_mm, float) - matrix[:3, :3] @ middle
    return matrix


def shift_affine(affine: NDArray[np.float64], voxels: ArrayLike) -> NDArray[np.float64]:
    """Matrix of the part of an array that begins at a voxel.

    Examples
    --------
    >>> shift_affine(np.diag([2.0, 2, 2, 1]), (3, 0, 0))[:3, 3].tolist()
    [6.0, 0.0, 0.0]
    """
    matrix = affine.copy()
    matrix[:3, 3] += affine[:3, :3] @ np.asarray(voxels, float)
    return matrix


def rotation(degrees: ArrayLike) -> NDArray[np.float64]:
    """Rotation matrix about x, then y, then z, axes that stay in the world."""
    # Not scipy's Rotation: its last bits differ (6e-16), and with them the last digit of true
    # volumes of oblique scans, which stand at half a digit (1821.375 mm3); studies must repeat.
    ax, ay, az = np.deg2rad(np.asarray(degrees, float))
    cx, cy, cz, sx, sy, sz = *np.cos((ax, ay, az)), *np.sin((ax, ay, az))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def place_slab(
    shape: tuple[int, int, int], affine: NDArray[np.float64], oversampling: tuple[int, int, int],
    corners: NDArray[np.float64],
) -> Slab:  # fmt: skip
    """Slab whose model covers both the scan and a box of world points.

    Parameters
    ----------
    shape, affine
        The scan.
    oversampling
        Model voxels per scan voxel.
    corners
        World points that the model must reach, (n, 3), mm.
    """
    inverse = np.linalg.inv(affine)
    # world -> scan voxels, in which the scan itself is the box from 0 to shape
    index = corners @ inverse[:3, :3].T + inverse[:3, 3]
    first = np.minimum(np.floor(index.min(axis=0)).astype(int), 0)
    last = np.maximum(np.ceil(index.max(axis=0)).astype(int) + 1, shape)
    start, size = tuple(map(int, first)), tuple(map(int, last - first))
    return Slab(tuple(shape), affine, tuple(oversampling), start, size)  # type: ignore[arg-type]


def half(mask: NDArray[np.bool_], factor: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Blocks of which a mask fills at least half."""
    return block_fraction(mask, factor) >= 0.5


def majority(labels: NDArray[np.uint8], factor: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Label that fills most of each block.

    Blocks that two labels fill equally go to that of one corner, the first and the last corner
    by turns like the fields of a chessboard: to favour either label, or the background, would
    shift every border and so every volume.

    Examples
    --------
    >>> block = np.array([0, 0, 0, 3, 3, 3, 3, 3], np.uint8).reshape(2, 2, 2)
    >>> majority(block, (2, 2, 2)).tolist()
    [[[3]]]
    """
    shape = tuple(n // f for n, f in zip(labels.shape, factor, strict=True))
    best, most = np.zeros(shape, np.uint8), np.zeros(shape, np.float32)
    corner = _corners(labels, factor, shape)
    for label in np.flatnonzero(np.bincount(labels.ravel())):
        fraction = block_fraction(labels == label, factor)
        better = (fraction > most) | ((fraction == most) & (fraction > 0) & (corner == label))
        best[better] = label
        np.maximum(most, fraction, out=most)
    return best


def _corners(
    labels: NDArray[np.uint8], factor: tuple[int, int, int], shape: tuple[int, ...]
) -> NDArray[np.uint8]:
    """First subvoxel of blocks whose indices have an even sum, last one of the others."""
    ends = [
        labels[tuple(slice(k if k == 0 else f - 1, n * f, f)
                     for f, n in zip(factor, shape, strict=True))]
        for k in (0, 1)
    ]  # fmt: skip
    i, j, k = np.indices(shape, np.uint8, sparse=True)
    return np.where((i + j + k) % 2 == 1, ends[1], ends[0])


def upsample(image: NDArray[np.float32], slab: Slab) -> NDArray[np.float32]:
    """Linear interpolation from scan voxels of the model to model voxels."""
    if slab.oversampling == (1, 1, 1):
        return image
    # grid mode: voxels have extent, so that corners coincide and not the centres of corner voxels
    return ndimage.zoom(image, slab.oversampling, order=1, mode='nearest', grid_mode=True)


def anisotropic_field(
    vectors: NDArray[np.float32], fraction: NDArray[np.float32], grid: Grid, anisotropy_ppm: float,
    *, pad: float = 1.5,
) -> NDArray[np.float32]:  # fmt: skip
    """Field of the traceless part of axially symmetric susceptibility tensors.

    Parameters
    ----------
    vectors
        Unit vectors of the fibres in voxel axes, (3, x, y, z).
    fraction
        Fraction of each voxel that is white matter.
    grid
        Geometry.
    anisotropy_ppm
        Susceptibility along minus across the fibres.
    pad
        Zero padding of the convolution.

    Notes
    -----
    Liu 2010 (doi 10.1002/mrm.22482): the field of a magnetisation m along the main field h is
    h.m/3 - (k.h)(k.m)/k^2. The part of m along h is a dipole convolution; a part along t,
    perpendicular to h, gives -(k.h)(k.t)/k^2, which is half the difference of the dipole
    kernels for fields along (h + t) and (h - t).
    """
    h = np.asarray(grid.b0_dir)
    # t1, t2: any two directions that make a right-angled frame with h
    seed = np.eye(3)[int(np.argmin(np.abs(h)))]
    across = np.cross(h, seed)
    across /= np.linalg.norm(across)
    # m = anisotropy (v (v.h) - h / 3): traceless, so that the mean over directions is zero
    along = np.tensordot(h, vectors, 1)
    weight = fraction * np.float32(anisotropy_ppm)
    field = forward_field((weight * (along**2 - 1 / 3)).astype(np.float32), grid, pad=pad)
    for t in (across, np.cross(h, across)):
        part = (weight * along * np.tensordot(t, vectors, 1)).astype(np.float32)
        for sign in (1.0, -1.0):
            # -(k.h)(k.t) / k^2 = 1/2 [D for h + t] - 1/2 [D for h - t], where |h +- t|^2 = 2
            turned = Grid(grid.shape, grid.voxel_size, tuple(h + sign * t))
            field += np.float32(0.5 * sign) * forward_field(part, turned, pad=pad)
    return field


def _harmonics(points: NDArray, order: int) -> NDArray:
    """Solid harmonics up to an order of at most 2; points (3, ...) in units of 100 mm."""
    x, y, z = points
    # real solutions of Laplace's equation, as shim coils make them (Romeo & Hoult 1984, doi
    # 10.1002/mrm.1910010107)
    terms = [np.ones_like(x)]
    if order >= 1:
        terms += [x, y, z]
    if order >= 2:
        terms += [x * y, x * z, y * z, x**2 - y**2, 2 * z**2 - x**2 - y**2]
    return np.stack(terms)


def world_points(affine: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """World coordinates of every voxel, (3, *shape), in units of 100 mm."""
    index = np.indices(shape, np.float32)
    # about one at the head's edge, so that coefficients of all orders are of one magnitude
    matrix = (affine / 100).astype(np.float32)
    return np.tensordot(matrix[:3, :3], index, 1) + matrix[:3, 3, None, None, None]


def shim_terms(
    field: NDArray[np.float32], mask: NDArray[np.bool_], affine: NDArray[np.float64],
    order: int = 2,
) -> NDArray[np.float64]:  # fmt: skip
    """Solid harmonics that best fit the field inside a mask, as shim coils would remove it."""
    index = np.argwhere(mask)
    points = (index @ affine[:3, :3].T + affine[:3, 3]).T / 100
    return np.linalg.lstsq(_harmonics(points, order).T, field[mask].astype(float), rcond=None)[0]


def remove_shim(
    field: NDArray[np.float32], terms: NDArray[np.float64], affine: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Field minus its shim; evaluated slice by slice."""
    # 1, 3 and 5 harmonics of degree 0, 1 and 2
    order = {1: 0, 4: 1, 9: 2}[len(terms)]
    out = np.empty_like(field)
    for i in range(field.shape[0]):
        points = world_points(shift_affine(affine, (i, 0, 0)), (1, *field.shape[1:]))
        out[i] = field[i] - np.tensordot(terms, _harmonics(points, order), 1)[0]
    return out


def harmonic_phase(
    rng: np.random.Generator, affine: NDArray[np.float64], shape: tuple[int, ...], spread: float
) -> NDArray[np.float32]:
    """Random solid harmonics up to degree 2, without mean: the coils' own phase, rad."""
    terms = _harmonics(world_points(affine, shape), 2)
    weights = rng.normal(0, spread, len(terms)).astype(np.float32)
    total = np.tensordot(weights, terms, 1)
    return total - total.mean()


def smooth_polynomial(
    rng: np.random.Generator, affine: NDArray[np.float64], shape: tuple[int, ...], spread: float
) -> NDArray[np.float32]:
    """Random smooth function of position (a gain), order 3 along each axis."""
    x, y, z = world_points(affine, shape)
    # cubes and products by choice, not harmonics: coil sensitivities need not solve Laplace's
    terms = [x, y, z, x * y, y * z, x * z, x**2, y**2, z**2, x**3, y**3, x * y * z]
    weights = rng.normal(0, spread, len(terms)).astype(np.float32)
    total = sum(w * t for w, t in zip(weights, terms, strict=True))
    return total - total.mean()


def signal(
    amplitude: NDArray[np.float32], r2star: NDArray[np.float32],
    frequency_ppm: NDArray[np.float32], echo_time: float, b0: float,
    factor: tuple[int, int, int],
) -> NDArray[np.complex64]:  # fmt: skip
    """Complex signal of each scan voxel: mean over its model voxels, with their dephasing.

    Parameters
    ----------
    amplitude, r2star, frequency_ppm
        On the model grid of the scan; R2* in 1/s, frequency in ppm of the main field.
    echo_time
        Seconds.
    b0
        Tesla.
    factor
        Model voxels per scan voxel.

    Notes
    -----
    s(TE) = mean over the voxel of A exp(-R2* TE) exp(+2 pi i gamma B0 f TE).
    """
    out = np.empty(
        tuple(n // f for n, f in zip(amplitude.shape, factor, strict=True)), np.complex64
    )
    # phase = 2 pi gamma B0 f TE, with gamma in MHz/T and f in ppm
    radians = np.float32(2 * np.pi * hz_per_ppm(b0) * echo_time)
    for i in range(out.shape[0]):
        part = slice(i * factor[0], (i + 1) * factor[0])
        magnitude = amplitude[part] * np.exp(-np.float32(echo_time) * r2star[part])
        angle = radians * frequency_ppm[part]
        # the mean of complex model voxels: where the field varies, they dephase as spins do
        out[i].real = block_mean(magnitude * np.cos(angle), factor)[0]
        out[i].imag = block_mean(magnitude * np.sin(angle), factor)[0]
    return out


def add_noise(
    rng: np.random.Generator, image: NDArray[np.complex64], sd: float
) -> NDArray[np.complex64]:
    """Image plus complex Gaussian noise of deviation `sd` in each part."""
    # white and equal in both channels, so that the magnitude's is Rician
    noise = rng.standard_normal((2, *image.shape), np.float32) * np.float32(sd)
    return image + (noise[0] + 1j * noise[1])


def store_phase(
    phase: NDArray[np.float32], code: str, *, empty: NDArray[np.bool_] | None = None
) -> NDArray:
    """Phase as a converter writes it: integers over 2 pi, or radians.

    Parameters
    ----------
    phase
        Wrapped phase, rad.
    code
        `0..4095`, `-4096..4094` (even numbers, pi at 4096) or `rad`.
    empty
        Voxels without signal; stored as zero.

    Raises
    ------
    NigraError
        The code is unknown.

    Examples
    --------
    >>> store_phase(np.array([-np.pi, 0.0, 3.14], np.float32), '-4096..4094').tolist()
    [-4096, 0, 4094]
    """
    if code not in PHASE_CODES:
        raise NigraError(f'phase storage must be one of {", ".join(PHASE_CODES)}, got {code}')
    if code == 'rad':
        stored = phase.astype(np.float32)
    else:
        # 4096 steps to 2 pi; the upper end, +pi, is the same angle as the lower and wraps to it
        step = (np.rint((phase + np.pi) * (4096 / (2 * np.pi))) % 4096).astype(np.int16)
        stored = step if code == '0..4095' else 2 * step - 4096
    if empty is not None:
        stored[empty] = 0
    return stored
