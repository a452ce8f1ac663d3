"""Bootstrap intervals of differences between groups, for many values of the same people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ..parallel import run
from .question import BOOTSTRAPS

_BATCH = 250
"""Resamples drawn together from one seed, whatever the number of threads: the default
2000 are eight batches, so that threads have equal work."""


@dataclass(frozen=True)
class Intervals:
    """Lower and upper ends, (contrasts, values) each.

    Attributes
    ----------
    low, high
        Of the difference of adjusted means, in its unit.
    size_low, size_high
        Of the same difference over the standard deviation of the residuals.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    size_low: NDArray[np.float64]
    size_high: NDArray[np.float64]


def bootstrap_contrasts(
    values: NDArray[np.float64], matrix: NDArray[np.float64], strata: NDArray[np.intp],
    weights: NDArray[np.float64], *, n_bootstraps: int = BOOTSTRAPS, confidence: float = 0.95,
    seed: int = 1, nthreads: int = 1,
) -> Intervals:  # fmt: skip
    """Intervals of contrasts of least-squares models by resampling people within their groups.

    Parameters
    ----------
    values
        (people, values), finite: each column is a model of its own.
    matrix
        Design of all of them, (people, coefficients), of full rank.
    strata
        Group of each person as a number; a resample keeps the sizes of the groups.
    weights
        (contrasts, coefficients).
    n_bootstraps
        Resamples.
    confidence
        Of the intervals.
    seed
        Of the drawing; the result depends on it, but not on the number of threads.
    nthreads
        Threads.

    Notes
    -----
    Bias-corrected and accelerated (Efron 1987, doi 10.1080/01621459.1987.10478410), the
    acceleration from the jackknife, which least squares has in closed form. A resample whose
    covariate is constant (no men drawn) takes the shortest solution, in which the contrast of
    groups is the one without that covariate.
    """
    starts = range(0, n_bootstraps, _BATCH)
    seeds = np.random.SeedSequence(seed).spawn(len(starts))

    def draw(task: tuple[int, np.random.SeedSequence]) -> NDArray[np.float64]:
        first, own = task
        size = min(_BATCH, n_bootstraps - first)
        counts = _resample(strata, size, np.random.default_rng(own))
        return _replicates(values, matrix, weights, counts)

    # theta* of each resample, theta of the sample, theta_(i) with each person left out
    drawn = np.concatenate(run(draw, zip(starts, seeds, strict=True), nthreads), axis=1)
    observed = _replicates(values, matrix, weights, np.ones((1, len(values))))[:, 0]
    left_out = _jackknife(values, matrix, weights)
    estimate, size = (
        _bca(drawn[kind], observed[kind], left_out[kind], confidence) for kind in range(2)
    )
    return Intervals(*estimate, *size)


def _resample(
    strata: NDArray[np.intp], size: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """How often each person is drawn, (size, people); every stratum keeps its number."""
    counts = np.empty((size, len(strata)))
    for stratum in np.unique(strata):
        inside = strata == stratum
        n = int(inside.sum())
        # drawing n people with replacement is one multinomial draw of how often each comes
        counts[:, inside] = rng.multinomial(n, np.full(n, 1 / n), size=size)
    return counts


def _replicates(
    values: NDArray[np.float64], matrix: NDArray[np.float64], weights: NDArray[np.float64],
    counts: NDArray[np.float64],
) -> NDArray[np.float64]:  # fmt: skip
    """Estimates and standardised estimates with everyone counted so often.

    Returns
    -------
    ndarray
        (2, resamples, contrasts, values).
    """
    n, k = matrix.shape
    # weighted least squares with the counts for weights: all resamples in one product each
    gram = (counts @ _columns(matrix, matrix)).reshape(-1, k, k)
    moments = (counts @ _columns(matrix, values)).reshape(len(counts), k, -1)
    # the pseudoinverse, since a resample may hold no man at all: the shortest solution
    inverse = np.linalg.pinv(gram, hermitian=True)
    estimates = weights @ (inverse @ moments)
    # what is left of the residuals of the sample is what is left of the values, and exact where
    # their mean is large
    residuals = values - matrix @ np.linalg.lstsq(matrix, values, rcond=None)[0]
    moved = (counts @ _columns(matrix, residuals)).reshape(len(counts), k, -1)
    rest = counts @ residuals**2 - np.sum(moved * (inverse @ moved), axis=1)
    # the second kind, contrast over residual standard deviation, has an interval of its own
    spread = np.sqrt(np.maximum(rest / (n - k), np.finfo(float).tiny))
    return np.stack([estimates, estimates / spread[:, None]])


def _columns(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Products of every column of one array with every column of another, people first."""
    return (first[:, :, None] * second[:, None, :]).reshape(len(first), -1)


def _jackknife(
    values: NDArray[np.float64], matrix: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Both estimates with each person left out: (2, people, contrasts, values).

    Leaving out i changes the coefficients by -(X'X)^-1 x_i e_i / (1 - h_i) and the residual sum of
    squares by -e_i^2 / (1 - h_i) (Cook and Weisberg 1982). Someone with leverage h = 1 changes
    nothing else and is passed over.
    """
    inverse = np.linalg.inv(matrix.T @ matrix)
    beta = inverse @ (matrix.T @ values)
    residuals = values - matrix @ beta
    leverage = np.einsum('ij,jk,ik->i', matrix, inverse, matrix)
    kept = leverage < 1 - 1e-10
    fraction = residuals[kept] / (1 - leverage[kept])[:, None]
    direction = matrix[kept] @ inverse @ weights.T
    estimates = (weights @ beta)[None] - direction[:, :, None] * fraction[:, None, :]
    rest = np.sum(residuals**2, axis=0) - residuals[kept] * fraction
    df = max(len(matrix) - matrix.shape[1] - 1, 1)  # one person fewer
    spread = np.sqrt(np.maximum(rest / df, np.finfo(float).tiny))
    return np.stack([estimates, estimates / spread[:, None, :]])


def _bca(
    drawn: NDArray[np.float64], observed: NDArray[np.float64], left_out: NDArray[np.float64],
    confidence: float,
) -> NDArray[np.float64]:  # fmt: skip
    """Ends of the interval, (2, contrasts, values), after Efron 1987."""
    n = len(drawn)
    # z0, the bias in units of the normal: how far the median of theta* lies from theta; ties,
    # which a resample equal to the sample makes, count half
    below = (np.sum(drawn < observed, axis=0) + 0.5 * np.sum(drawn == observed, axis=0)) / n
    # half a resample from either end, so that z0 stays finite
    bias = special.ndtri(np.clip(below, 0.5 / n, 1 - 0.5 / n))
    # a, the acceleration: a sixth of the skewness of the jackknife values
    deviation = left_out.mean(axis=0) - left_out
    squares = np.sum(deviation**2, axis=0)
    acceleration = np.sum(deviation**3, axis=0) / np.maximum(
        6 * squares**1.5, np.finfo(float).tiny
    )
    ordered = np.sort(drawn, axis=0)
    ends = []
    for tail in ((1 - confidence) / 2, (1 + confidence) / 2):
        # the corrected level Phi(z0 + (z0 + z_alpha) / (1 - a (z0 + z_alpha)))
        z = bias + special.ndtri(tail)
        level = special.ndtr(bias + z / (1 - acceleration * z))
        # its quantile among the n resamples, linear between neighbours (ranks count from one)
        place = np.clip(level * (n + 1) - 1, 0, n - 1)
        lower = np.floor(place).astype(int)
        upper = np.minimum(lower + 1, n - 1)
        first, second = (np.take_along_axis(ordered, i[None], 0)[0] for i in (lower, upper))
        ends.append(first + (place - lower) * (second - first))
    return np.stack(ends)
