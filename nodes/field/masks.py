"""Where the field can be trusted."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from ..errors import NigraError
from ..parallel import run, slabs
from ..volumes import bounding_box, check_echoes, echo_volumes
from .unwrap import edge_costs

_NOISE_QUALITY = 0.3


def finite_mask(*images: NDArray[Any]) -> NDArray[np.bool_]:
    """Voxels at which every image (and every echo of it) is finite, (x, y, z).

    Examples
    --------
    >>> int(finite_mask(np.array([[[[1.0, np.nan], [1.0, 2.0]]]])).sum())
    1
    """
    inside = np.ones(images[0].shape[:3], bool)
    for image in images:
        good = np.isfinite(image)
        inside &= good.all(axis=3) if image.ndim == 4 else good
    return inside


def voxel_quality(
    phase: NDArray[Any],
    magnitude: NDArray[Any],
    mask: NDArray[np.bool_],
    *,
    echo_times: ArrayLike | None = None,
    echo: int | None = None,
    nthreads: int = 1,
) -> NDArray[np.float32]:
    """How far each voxel agrees with its neighbours: 0 in noise, 1 at best.

    Parameters
    ----------
    phase
        Wrapped phase, rad, (x, y, z, echo).
    magnitude
        Magnitude, same shape.
    mask
        Where it is wanted; neighbours outside do not count.
    echo_times
        Echo times, s, rising; where given, phase differences should also grow with them.
    echo
        Echo to judge, counted from 0; the second of several by default.
    nthreads
        Threads; the result does not depend on them.

    Returns
    -------
    NDArray
        Mean weight of the edges to the neighbours in the mask, float32; zero outside the mask, in
        voxels that are not finite and in those without a neighbour.

    Raises
    ------
    NigraError
        Shapes, echo times or `echo` do not fit.

    Notes
    -----
    The edge weights of ROMEO (Dymerska et al. 2021, doi 10.1002/mrm.28563): coherence of the
    phase in space and in time, similar and sufficient magnitude.
    """
    _check(phase, magnitude, mask)
    echoes = phase.shape[3]
    chosen = min(1, echoes - 1) if echo is None else echo
    if not 0 <= chosen < echoes:
        raise NigraError(f'echo must be from 0 to {echoes - 1}, got {chosen}')
    used = [chosen]
    times = np.ones(1)
    if echo_times is not None and echoes > 1:
        times = check_echoes(phase, magnitude, echo_times, mask)
        used = [chosen - 1, chosen] if chosen else [0, 1]
        times = times[used]
    out = np.zeros(mask.shape, np.float32)
    box = bounding_box(mask)
    angle = echo_volumes(phase[..., used], box, nthreads)
    size = echo_volumes(magnitude[..., used], box, nthreads)
    inside = mask[box] & np.isfinite(angle).all(0) & np.isfinite(size).all(0)
    if inside.any():
        angle[:, ~inside] = 0
        size[:, ~inside] = 0
        costs = edge_costs(angle, size, times, inside, used.index(chosen), nthreads=nthreads)
        quality = np.zeros(inside.shape, np.float32)
        run(lambda s: _mean_weight(costs, quality, s.start, s.stop), slabs(inside.shape[0]),
            nthreads)  # fmt: skip
        out[box] = quality
    return out


@numba.njit(cache=True, nogil=True)
def _mean_weight(costs, out, first, last):
    """Mean weight of the up to six edges of each voxel, from their costs of 1 to 254."""
    _, ny, nz, _ = costs.shape
    for i in range(first, last):
        for j in range(ny):
            for k in range(nz):
                total, count = 0, 0
                for axis in range(3):
                    a = i - 1 if axis == 0 else i
                    b = j - 1 if axis == 1 else j
                    c = k - 1 if axis == 2 else k
                    cost = int(costs[i, j, k, axis])
                    before = int(costs[a, b, c, axis]) if min(a, b, c) >= 0 else 0
                    total += (254 - cost if cost else 0) + (254 - before if before else 0)
                    count += (1 if cost else 0) + (1 if before else 0)
                if count:
                    out[i, j, k] = np.float32(total) / np.float32(253 * count)


def trusted_mask(
    phase: NDArray[Any],
    magnitude: NDArray[Any],
    brain_mask: NDArray[np.bool_],
    *,
    echo_times: ArrayLike | None = None,
    quality: float = 0.6,
    signal: float = 0.1,
    fill: bool = True,
    echo: int | None = None,
    nthreads: int = 1,
) -> NDArray[np.bool_]:
    """Part of the brain mask in which phase is signal, not noise.

    Parameters
    ----------
    phase
        Wrapped phase, rad, (x, y, z, echo).
    magnitude
        Magnitude, same shape.
    brain_mask
        Brain, (x, y, z).
    echo_times
        Echo times, s, rising; where given, phase should also grow with them.
    quality
        Voxels whose `voxel_quality` is below this fraction of the brain's median are dropped, and
        those below 0.3, as nine in ten voxels of pure noise are.
    signal
        Voxels below this fraction of the brain's median, averaged over 3 voxels, are dropped.
    fill
        Take back what good voxels enclose.
    echo
        Echo to judge, counted from 0; the second of several by default.
    nthreads
        Threads; the result does not depend on them.

    Returns
    -------
    NDArray
        Boolean; the largest connected part and any other of at least a tenth of its size, with
        enclosed holes filled (deep nuclei are dark at high field yet needed; a noisy voxel there
        has a low weight later). Voxels that are not finite stay out.

    Raises
    ------
    NigraError
        Nothing is left, or shapes and settings do not fit.
    """
    _check(phase, magnitude, brain_mask)
    inside = brain_mask & finite_mask(phase, magnitude)
    if not inside.any():
        raise NigraError('the brain mask holds no voxel with finite phase and magnitude')
    box = bounding_box(inside)
    angle, size, brain, there = phase[box], magnitude[box], brain_mask[box], inside[box]
    chosen = min(1, phase.shape[3] - 1) if echo is None else echo
    coherent = voxel_quality(
        angle, size, there, echo_times=echo_times, echo=chosen, nthreads=nthreads
    )
    even = coherent >= max(_NOISE_QUALITY, quality * float(np.median(coherent[there])))
    kept = _main_parts(there & even & _bright(size[..., chosen], there, signal))
    if not kept.any():
        raise NigraError(
            'no voxel of the brain mask has coherent phase; check that phase and magnitude belong '
            'together'
        )
    if fill:
        kept = ndimage.binary_fill_holes(_closed(kept) & brain | kept)
    out = np.zeros(brain_mask.shape, bool)
    out[box] = kept & there
    return out


def two_pass_masks(
    phase: NDArray[Any],
    magnitude: NDArray[Any],
    brain_mask: NDArray[np.bool_],
    *,
    echo_times: ArrayLike | None = None,
    quality: float = 0.75,
    signal: float = 0.1,
    nthreads: int = 1,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """A strict mask with holes at strong sources and a generous one without.

    Parameters
    ----------
    phase, magnitude, brain_mask, echo_times, signal, nthreads
        As `trusted_mask` has them.
    quality
        Fraction of the brain's median quality that the strict mask asks for.

    Returns
    -------
    tuple
        The strict mask, not filled; and the generous one, `trusted_mask`'s and the strict one's
        union. Susceptibility is computed on both, and `combine_passes` takes the strict map where
        it holds: errors of the holes then stay in the holes.

    Raises
    ------
    NigraError
        As `trusted_mask`.

    Notes
    -----
    After Stewart et al. 2022 (doi 10.1002/mrm.29048).
    """
    common: dict[str, Any] = {'echo_times': echo_times, 'signal': signal, 'nthreads': nthreads}
    strict = trusted_mask(phase, magnitude, brain_mask, quality=quality, fill=False, **common)
    generous = trusted_mask(phase, magnitude, brain_mask, **common)
    return strict, generous | strict


def combine_passes(
    strict_map: NDArray[Any], generous_map: NDArray[Any], strict: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Map of the strict pass where its mask holds, of the generous pass elsewhere.

    Examples
    --------
    >>> combine_passes(np.ones(2), np.zeros(2), np.array([True, False])).tolist()
    [1.0, 0.0]
    """
    if not strict_map.shape == generous_map.shape == strict.shape:
        raise NigraError(
            f'maps {strict_map.shape} and {generous_map.shape} and mask {strict.shape} do not fit '
            'together'
        )
    return np.where(strict, strict_map, generous_map).astype(np.float32)


def _check(phase: NDArray[Any], magnitude: NDArray[Any], mask: NDArray[np.bool_]) -> None:
    if phase.ndim != 4 or phase.shape != magnitude.shape or mask.shape != phase.shape[:3]:
        raise NigraError(
            f'phase {phase.shape}, magnitude {magnitude.shape} and mask {mask.shape} do not '
            'fit together'
        )
    if not mask.any():
        raise NigraError('the mask is empty; check the brain mask and the signal')


def _bright(size: NDArray[Any], inside: NDArray[np.bool_], signal: float) -> NDArray[np.bool_]:
    """Voxels whose magnitude, averaged over 3 voxels of the mask, is not too dark."""
    image = np.where(inside, size, 0).astype(np.float32)
    fraction = ndimage.uniform_filter(inside.astype(np.float32), 3, mode='constant')
    local = ndimage.uniform_filter(image, 3, mode='constant') / np.maximum(fraction, 1e-3)
    return np.asarray(local > signal * _typical(image[inside]))


def _typical(values: NDArray[Any]) -> float:
    """Median of the brain, also where most of the mask given as brain is air.

    The brightest tenth then is brain all the same; in a brain it lies less than twice as high.
    """
    middle, high = np.percentile(values, (50, 90))
    return float(max(middle, high / 2))


def _closed(mask: NDArray[np.bool_], width: int = 1) -> NDArray[np.bool_]:
    """Mask without the single voxels bitten out of its surface."""
    return np.asarray(
        ndimage.binary_closing(np.pad(mask, width), iterations=width)[
            width:-width, width:-width, width:-width
        ]
    )


def _main_parts(mask: NDArray[np.bool_], fraction: float = 0.1) -> NDArray[np.bool_]:
    """Connected parts of at least `fraction` of the largest, thin bridges cut first."""
    opened = ndimage.binary_opening(mask)
    parts, count = ndimage.label(opened if opened.any() else mask)
    if count == 0:
        return np.zeros_like(mask)
    sizes = np.bincount(parts.ravel())[1:]
    keep = np.flatnonzero(sizes >= fraction * sizes.max()) + 1
    core = np.isin(parts, keep)
    # the opening rounded corners off; give those that touch the core back
    return np.asarray(ndimage.binary_dilation(core) & mask | core)
