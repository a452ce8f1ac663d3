"""Where the field can be trusted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from ..errors import NigraError
from ..volumes import bounding_box, check_echoes, echo_volumes
from .echo_box import EchoBox
from .edges import edge_costs, mean_weight

_NOISE_QUALITY = 0.3
"""Quality below which lie 86 per cent of voxels of pure noise, 99 where echo times are given."""
_QUALITY = 0.6
"""Fraction of the brain's median quality that a voxel needs. On the tests' head it drops no voxel
at SNR 50, .5 per cent at 10 and 7 at 5 (most come back as holes are filled); .75 would drop none,
4 and 16. Of a real crop at 7 T it drops .7 per cent; .75 would drop 2.8."""
_SIGNAL = 0.1
"""Fraction of the brain's median magnitude that a voxel needs: air lies below (by eye)."""
_HEAD = 0.2
"""Fraction of the bright tissue's magnitude from which a voxel has signal: on the tests' images
and a real head at 3 T air, bone and sinuses lie below, fluid above."""
_PART = 0.1
"""Least size of a further part, of the largest: a hemisphere is kept, an eye is not (by eye)."""


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


def signal_mask(magnitude: NDArray[Any]) -> NDArray[np.bool_]:
    """Voxels with signal: the head without air and bone.

    Parameters
    ----------
    magnitude
        Of one echo, (x, y, z); what is not finite has no signal.

    Returns
    -------
    NDArray
        Boolean; where the magnitude, averaged over 3 voxels, reaches a fifth of its 98th
        percentile. Everywhere in an image without any signal, of which nothing can be said.
    """
    smooth = ndimage.uniform_filter(np.nan_to_num(magnitude, posinf=0, neginf=0), 3)
    bright = smooth >= _HEAD * max(float(np.percentile(smooth, 98)), 0)
    return np.asarray(bright & (smooth > 0) if smooth.any() else np.ones(smooth.shape, bool))


def voxel_quality(
    phase: NDArray[Any],
    magnitude: NDArray[Any],
    mask: NDArray[np.bool_],
    *,
    echo_times: ArrayLike | None = None,
    nthreads: int = 1,
) -> NDArray[np.float32]:
    """How far each voxel agrees with its neighbours: 0 in noise, 1 at best.

    Parameters
    ----------
    phase
        Wrapped phase, rad, (x, y, z, echo); of several echoes the second is judged.
    magnitude
        Magnitude, same shape.
    mask
        Where it is wanted; neighbours outside do not count.
    echo_times
        Echo times, s, rising; where given, phase differences should also grow with them.
    nthreads
        Threads; the result does not depend on them.

    Returns
    -------
    NDArray
        Mean of ROMEO's weights (`edges`) over the edges to the neighbours in the mask, float32;
        zero outside the mask, in voxels that are not finite and in those without a neighbour.

    Raises
    ------
    NigraError
        Shapes or echo times do not fit.
    """
    _check(phase, magnitude, mask)
    judged = _judged_echo(phase)
    used, times = slice(judged, judged + 1), np.ones(1)
    if echo_times is not None and judged:
        # the echo before is the one that coherence in time asks
        used, times = slice(0, 2), check_echoes(phase, magnitude, echo_times, mask)[:2]
    box = bounding_box(mask)
    angle = echo_volumes(phase[..., used], box, nthreads)
    strength = echo_volumes(magnitude[..., used], box, nthreads)
    inside = mask[box] & np.isfinite(angle).all(0) & np.isfinite(strength).all(0)
    if not inside.any():
        return np.zeros(mask.shape, np.float32)
    angle[:, ~inside] = 0
    strength[:, ~inside] = 0
    echoes = EchoBox(angle, strength, times, inside, box, nthreads)
    costs = edge_costs(echoes, times.size - 1)
    return echoes.put_back(mean_weight(echoes, costs), mask.shape)


def _judged_echo(images: NDArray[Any]) -> int:
    """The second of several echoes: it has both signal everywhere and contrast."""
    return min(1, images.shape[3] - 1)


def trusted_mask(
    phase: NDArray[Any],
    magnitude: NDArray[Any],
    brain_mask: NDArray[np.bool_],
    *,
    echo_times: ArrayLike | None = None,
    nthreads: int = 1,
) -> NDArray[np.bool_]:
    """Part of the brain mask in which phase is signal, not noise.

    Parameters
    ----------
    phase, magnitude, echo_times, nthreads
        As `voxel_quality` has them.
    brain_mask
        Brain, (x, y, z).

    Returns
    -------
    NDArray
        Boolean; the largest connected part and any other of at least a tenth of its size, with
        enclosed holes filled (deep nuclei are dark at high field yet needed; a noisy voxel there
        has a low weight later). Voxels that are not finite stay out.

    Raises
    ------
    NigraError
        Nothing is left, or shapes do not fit.

    Notes
    -----
    Voxels are dropped whose `voxel_quality` is below .6 of the brain's median or below .3, as it
    is in most voxels of pure noise; and those whose magnitude, averaged over 3 voxels, is
    below a tenth of the brain's median.
    """
    _check(phase, magnitude, brain_mask)
    inside = brain_mask & finite_mask(phase, magnitude)
    if not inside.any():
        raise NigraError('the brain mask holds no voxel with finite phase and magnitude')
    box = bounding_box(inside)
    angle, strength, brain, there = phase[box], magnitude[box], brain_mask[box], inside[box]
    quality = voxel_quality(angle, strength, there, echo_times=echo_times, nthreads=nthreads)
    coherent = quality >= max(_NOISE_QUALITY, _QUALITY * float(np.median(quality[there])))
    bright = _bright(strength[..., _judged_echo(phase)], there)
    kept = _main_parts(there & coherent & bright)
    if not kept.any():
        raise NigraError(
            'no voxel of the brain mask has coherent phase; check that phase and magnitude belong '
            'together'
        )
    # noise at the rim is left out, but holes inside would cut strong sources out of the map
    kept = ndimage.binary_fill_holes(_closed(kept) & brain | kept)
    out = np.zeros(brain_mask.shape, bool)
    out[box] = kept & there
    return out


def _check(phase: NDArray[Any], magnitude: NDArray[Any], mask: NDArray[np.bool_]) -> None:
    if phase.ndim != 4 or phase.shape != magnitude.shape or mask.shape != phase.shape[:3]:
        raise NigraError(
            f'phase {phase.shape}, magnitude {magnitude.shape} and mask {mask.shape} do not '
            'fit together'
        )
    if not mask.any():
        raise NigraError('the mask is empty; check the brain mask and the signal')


def _bright(magnitude: NDArray[Any], inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Voxels whose magnitude, averaged over 3 voxels of the mask, is not too dark."""
    image = np.where(inside, magnitude, 0).astype(np.float32)
    # mean over the mask only: mean of the image over mean of the mask
    fraction = ndimage.uniform_filter(inside.astype(np.float32), 3, mode='constant')
    local = ndimage.uniform_filter(image, 3, mode='constant') / np.maximum(fraction, 1e-3)
    return np.asarray(local > _SIGNAL * _typical(image[inside]))


def _typical(values: NDArray[Any]) -> float:
    """Median of the brain, also where most of the mask given as brain is air.

    The brightest tenth then is brain all the same; in a brain it lies less than twice as high.
    """
    # noise is far darker than half of the brain, so the median would be air's
    middle, high = np.percentile(values, (50, 90))
    return float(max(middle, high / 2))


def _closed(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mask without the single voxels bitten out of its surface."""
    # padded: SciPy takes what lies beyond the array for background when it erodes
    return np.asarray(ndimage.binary_closing(np.pad(mask, 1))[1:-1, 1:-1, 1:-1])


def _main_parts(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Connected parts of at least a tenth of the largest, thin bridges cut first."""
    # bridges of noise would tie eyes and scalp to the brain
    opened = ndimage.binary_opening(mask)
    parts, count = ndimage.label(opened if opened.any() else mask)
    if count == 0:
        return np.zeros_like(mask)
    sizes = np.bincount(parts.ravel())[1:]
    keep = np.flatnonzero(sizes >= _PART * sizes.max()) + 1
    core = np.isin(parts, keep)
    # the opening rounded corners off; give those that touch the core back
    return np.asarray(ndimage.binary_dilation(core) & mask | core)
