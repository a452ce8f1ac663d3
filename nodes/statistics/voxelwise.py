"""Voxel-wise comparison: its grid, sample, smoothing, model and clusters, as arrays and frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from ..errors import NigraError
from .question import Question
from .sample import MIN_GROUP, Sample, make_sample
from .values import name_some

CLUSTER_COLUMNS = (
    'contrast', 'group_a', 'group_b', 'cluster', 'sign', 'p', 'statistic', 'x', 'y', 'z',
    'volume_mm3', 'regions',
)  # fmt: skip
LEAST_KNOWN = 0.5
"""Fraction of a voxel's neighbourhood that must be known for its smoothed value to count: the
larger part."""
LEAST_COVERAGE = 0.8
"""Fraction of the median map's voxels that a map must have for its participant to be compared."""
_NAMED = 0.05
"""Fraction of a cluster from which a region is named."""


@dataclass(frozen=True)
class Ground:
    """Where voxels are compared, in template space.

    Attributes
    ----------
    mask
        The nuclei and what lies near them, bool (x, y, z).
    labels
        Labels of the atlas on the same grid.
    affine
        Voxel to world, mm.
    """

    mask: NDArray[np.bool_]
    labels: NDArray[np.integer]
    affine: NDArray[np.float64]


def ground_around(
    labels: NDArray[np.integer], affine: NDArray[np.float64], *, near: float, step: int
) -> Ground:
    """Every `step`-th voxel of the box around the labels.

    Parameters
    ----------
    labels
        Atlas, 0 outside, (x, y, z).
    affine
        Voxel to world, mm.
    near
        How far from the labels voxels are compared, in voxels of the atlas.
    step
        Voxels of the atlas along each edge of a voxel of the comparison.
    """
    inside = ndimage.distance_transform_edt(labels == 0) <= near
    places = np.argwhere(inside)
    # one voxel of the comparison around it, for the interpolation at the border
    start = np.maximum(places.min(axis=0) - step, 0)
    stop = places.max(axis=0) + step + 1
    box = tuple(slice(a, b, step) for a, b in zip(start, stop, strict=True))
    coarse = affine.copy()
    coarse[:3, :3] *= step
    coarse[:3, 3] = (affine @ [*start, 1.0])[:3]
    return Ground(inside[box], labels[box], coarse)


def voxel_sample(
    regions: pd.DataFrame, question: Question, mapped: Sequence[str], *, source: str
) -> tuple[Sample, list[str]]:
    """Participants with group, covariates and map; sites enter as a covariate.

    Parameters
    ----------
    regions, question, source
        As in `make_sample`.
    mapped
        Participants who have a map.

    Returns
    -------
    tuple
        Sample without groups of fewer than `MIN_GROUP` mapped people, and sentences.
    """
    warnings = []
    if question.harmonise is not None:
        question = _sites_as_covariate(regions, question, source)
        warnings.append(
            'The voxel-wise comparison adjusts for differences of the mean between scanners by a '
            'covariate; ComBat is used for regions only.'
        )
    sample = make_sample(regions, question, source=source)
    used = sample.complete & sample.labels.isin(sample.large_groups)
    used &= sample.labels.index.isin(list(mapped))
    # counted again: a group may be large enough for regions and have too few maps
    kept = sample.labels[used]
    large = [g for g, n in kept.value_counts().items() if n >= MIN_GROUP]
    used &= sample.labels.isin(large)
    return replace(
        sample,
        values=sample.values[used],
        labels=sample.labels[used],
        people=sample.people[used],
        groups=tuple(g for g in sample.groups if g in large),
    ), warnings


def _sites_as_covariate(regions: pd.DataFrame, question: Question, source: str) -> Question:
    """The question with the column of sites among its covariates, and no harmonising."""
    plain = replace(question, harmonise=None)
    chosen = make_sample(regions, plain, source=source).covariates
    names = [f'C({c.name})' if c.categorical else c.name for c in chosen]
    if question.harmonise not in [c.name for c in chosen]:
        names.append(f'C({question.harmonise})')
    return replace(plain, covariates=tuple(names))


def covered_maps(
    maps: Mapping[str, NDArray[np.floating]], mask: NDArray[np.bool_]
) -> tuple[dict[str, NDArray[np.floating]], list[str]]:
    """Maps of those who have most of what the others have, and a sentence on those left out.

    Only what all have is compared, so that one slab among whole maps would cut everyone's.

    Parameters
    ----------
    maps
        By participant, (x, y, z), NaN where unknown.
    mask
        Where voxels are compared.
    """
    fractions = {who: float(np.isfinite(m[mask]).mean()) for who, m in maps.items()}
    # against the median, so that a study of slabs alone keeps all of them
    least = LEAST_COVERAGE * float(np.median(list(fractions.values())))
    short = [who for who, fraction in fractions.items() if fraction < least]
    told = []
    if short:
        told.append(
            f'The maps of {len(short)} participants cover much less of the deep grey matter than '
            f'those of others: left out of the voxel-wise comparison are {name_some(short)}.'
        )
    return {who: m for who, m in maps.items() if who not in short}, told


def stack_known(
    maps: Sequence[NDArray[np.floating]], mask: NDArray[np.bool_]
) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
    """Values where all maps know them, (people, voxels), and that mask."""
    known = mask & np.all([np.isfinite(m) for m in maps], axis=0)
    return np.stack([m[known] for m in maps]), known


def spread_values(
    values: NDArray[np.floating], mask: NDArray[np.bool_], rest: float
) -> NDArray[np.float64]:
    """Volume with `values` in the mask, in its order, and `rest` outside."""
    out = np.full(mask.shape, rest)
    out[mask] = values
    return out


def smooth_known(
    values: NDArray[np.floating], known: NDArray[np.floating], sigma: tuple[float, float, float]
) -> NDArray[np.float32]:
    """Gaussian mean of the known part of each voxel's neighbourhood.

    Parameters
    ----------
    values
        Map, (x, y, z); what it holds outside `known` does not matter.
    known
        Fraction of each voxel that is known, 0 to 1.
    sigma
        Standard deviation along each axis, voxels; zeros leave the map as it is.

    Returns
    -------
    ndarray
        NaN where less than `LEAST_KNOWN` of the neighbourhood is known.

    Notes
    -----
    Normalised convolution (Knutsson and Westin 1993): what lies outside the mask neither dilutes
    the border nor leaks into it.

    Examples
    --------
    >>> known = np.zeros((9, 9, 9)); known[2:7, 2:7, 2:7] = 1
    >>> out = smooth_known(np.where(known > 0, 3.0, 99.0), known, (1.0, 1.0, 1.0))
    >>> float(out[4, 4, 4]), float(out[2, 4, 4]), bool(np.isnan(out[0, 0, 0]))
    (3.0, 3.0, True)
    """
    # numerator and denominator of the normalised convolution, both over the known part only
    weight = np.asarray(known, np.float64)
    inside = np.where(weight > 0, np.nan_to_num(values), 0.0) * weight
    fraction = ndimage.gaussian_filter(weight, sigma, mode='constant')
    total = ndimage.gaussian_filter(inside, sigma, mode='constant')
    enough = fraction >= LEAST_KNOWN
    return np.where(enough, total / np.where(enough, fraction, 1), np.nan).astype(np.float32)


def partition_design(
    matrix: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """One column whose coefficient is a contrast, and columns for all that is not tested.

    Parameters
    ----------
    matrix
        Design, (people, coefficients), of full rank.
    weights
        Contrast of the coefficients, (coefficients,), not all zero.

    Returns
    -------
    tuple
        Tested column (people, 1) and the others (people, coefficients - 1). Together they span
        the design, and the coefficient of the first is the contrast.

    Notes
    -----
    With beta = c gamma / (c'c) + Q delta, Q a basis of what is orthogonal to c, gamma is c' beta.

    Examples
    --------
    >>> x = np.repeat([[1.0, 0.0], [0.0, 1.0]], 2, axis=0)
    >>> tested, rest = partition_design(x, np.array([1.0, -1.0]))
    >>> tested.ravel().tolist()
    [0.5, 0.5, -0.5, -0.5]
    """
    c = np.asarray(weights, float)
    if not c.any():
        raise NigraError('a contrast must weigh something')
    # the right singular vectors of c': itself, then an orthonormal basis Q of the rest
    full = np.linalg.svd(c[None])[2]
    return matrix @ (c / (c @ c))[:, None], matrix @ full[1:].T


def cluster_table(
    columns: Mapping[str, str | None], statistic: NDArray[np.floating], p: NDArray[np.floating],
    affine: NDArray[np.float64], labels: NDArray[np.integer], names: Mapping[int, str], *,
    alpha: float = 0.05,
) -> pd.DataFrame:  # fmt: skip
    """Clusters of significant voxels of one sign, largest statistic first.

    Parameters
    ----------
    columns
        What was tested: `contrast` and its two sides, as every row tells it.
    statistic
        Student's t, (x, y, z).
    p
        Family-wise p of each voxel; NaN where nothing was tested.
    affine
        Voxel to world, mm.
    labels
        Region of each voxel on the same grid.
    names
        Of the regions, by label.
    alpha
        Level.

    Returns
    -------
    DataFrame
        `CLUSTER_COLUMNS`; `regions` tells which fraction of the cluster lies in which region.
    """
    rows: list[dict[str, Any]] = []
    volume = float(abs(np.linalg.det(affine[:3, :3])))
    for word, inside in _clusters(statistic, np.nan_to_num(p, nan=1.0) < alpha):
        heights = np.where(inside, np.abs(statistic), -1)
        peak = np.unravel_index(np.argmax(heights), statistic.shape)
        x, y, z = (affine @ [*peak, 1.0])[:3]
        rows.append({
            **columns, 'sign': word, 'p': float(np.min(p[inside])),
            'statistic': float(statistic[peak]), 'x': x, 'y': y, 'z': z,
            'volume_mm3': float(inside.sum() * volume),
            'regions': _regions_of(labels[inside], names),
        })  # fmt: skip
    rows.sort(key=lambda row: -abs(row['statistic']))
    table = pd.DataFrame(rows).reindex(columns=list(CLUSTER_COLUMNS))
    return table.assign(cluster=range(1, len(table) + 1))


def _clusters(
    statistic: NDArray[np.floating], significant: NDArray[np.bool_]
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Sign of each cluster, and its voxels."""
    for sign, word in ((1, 'higher'), (-1, 'lower')):
        # 26 neighbours: voxels that share a corner are one cluster, those of opposite signs two
        found, count = ndimage.label(significant & (sign * statistic > 0), np.ones((3, 3, 3)))
        yield from ((word, found == i) for i in range(1, count + 1))


def _regions_of(labels: NDArray[np.integer], names: Mapping[int, str]) -> str:
    values, counts = np.unique(labels, return_counts=True)
    fractions: dict[str, float] = {}
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        name = names.get(value, 'outside the nuclei')
        fractions[name] = fractions.get(name, 0.0) + count / labels.size
    ordered = sorted(fractions.items(), key=lambda item: -item[1])
    return ', '.join(f'{name} {fraction:.0%}' for name, fraction in ordered if fraction >= _NAMED)
