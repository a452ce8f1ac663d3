"""Permutation tests of contrasts with covariates, and the largest of many statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import NigraError
from ..parallel import run
from .question import PERMUTATIONS

_BATCH = 250
"""Permutations drawn together from one seed, whatever the number of threads: the default
5000 are twenty batches, so that threads have equal work."""


@dataclass(frozen=True)
class Contrast:
    """A hypothesis on the coefficients of one model.

    Attributes
    ----------
    values
        (participants,), finite.
    matrix
        Design, (participants, coefficients), of full rank.
    weights
        (coefficients,); their sum product with the coefficients is zero under the hypothesis.
    who
        Positions of the participants in the study, (participants,).
    """

    values: NDArray[np.float64]
    matrix: NDArray[np.float64]
    weights: NDArray[np.float64]
    who: NDArray[np.intp]


@dataclass(frozen=True)
class PermutationResult:
    """Tests of several contrasts.

    Attributes
    ----------
    statistic
        Student's t of each contrast.
    p
        Two-sided, of each alone.
    p_max
        Two-sided, adjusted for all contrasts together: the chance that the largest of them is as
        large, with the null hypothesis true for all (strong control by step-down).
    n_permutations
        Drawn, the order as observed included.
    """

    statistic: NDArray[np.float64]
    p: NDArray[np.float64]
    p_max: NDArray[np.float64]
    n_permutations: int


def permute_contrasts(
    contrasts: Sequence[Contrast], *, n_participants: int, n_permutations: int = PERMUTATIONS,
    seed: int = 1, nthreads: int = 1,
) -> PermutationResult:  # fmt: skip
    """Test contrasts by permuting the residuals of their reduced models.

    Parameters
    ----------
    contrasts
        One family. They may differ in participants, as where a region was not measured in all.
    n_participants
        Of the study.
    n_permutations
        Orders drawn at random, the observed one included.
    seed, nthreads
        Of the drawing, which decides the result; of the work, which does not.

    Raises
    ------
    NigraError
        Fewer than two permutations, or a contrast whose residuals do not vary.

    Notes
    -----
    Freedman & Lane 1983 (doi 10.1080/07350015.1983.10509354), as Winkler et al. 2014 (doi
    10.1016/j.neuroimage.2014.01.060) recommend: residuals of the model that the hypothesis
    leaves are permuted and the whole model is fitted to them. One order serves all contrasts, so
    that their dependence is kept; participants without a value are passed over. The largest
    statistic, stepping down from the most extreme contrast, gives p values for the family
    (Westfall & Young 1993). The observed order counts, so p is never zero (Phipson & Smyth 2010,
    doi 10.2202/1544-6115.1585).

    Examples
    --------
    >>> x, y = np.repeat(np.eye(2), 4, axis=0), np.array([1.0, 2, 3, 4, 11, 12, 13, 14])
    >>> contrast = Contrast(y, x, np.array([1.0, -1.0]), np.arange(8))
    >>> result = permute_contrasts([contrast], n_participants=8, n_permutations=2000)
    >>> round(float(result.statistic[0]), 2), bool(result.p[0] < 0.06)
    (-10.95, True)
    """
    if n_permutations < 2:
        raise NigraError(f'n_permutations must be at least 2, got {n_permutations}')
    family = _Family.of([_Prepared.of(contrast) for contrast in contrasts])
    starts = range(0, n_permutations - 1, _BATCH)
    seeds = np.random.SeedSequence(seed).spawn(len(starts))

    def count(task: tuple[int, np.random.SeedSequence]) -> NDArray[np.int64]:
        first, own = task
        size = min(_BATCH, n_permutations - 1 - first)
        # everyone in the study draws a number; a contrast's people are put in its order
        return family.exceedances(np.random.default_rng(own).random((size, n_participants)))

    # the observed order is one of the permutations (Phipson & Smyth 2010)
    alone, together = 1 + np.sum(run(count, zip(starts, seeds, strict=True), nthreads), axis=0)
    p_max = np.empty(alone.size)
    # step-down: no contrast gets a smaller p than a more extreme one (Westfall & Young 1993)
    p_max[family.order] = np.maximum.accumulate(together) / n_permutations
    signs = np.array([p.sign for p in family.members])
    p = alone / n_permutations
    return PermutationResult(signs * family.observed, p, p_max, n_permutations)


_SLACK = 1e-9
"""Orders that differ by rounding only are ties."""


@dataclass(frozen=True)
class _Family:
    """Contrasts that are permuted together, their |t| as observed, and the most extreme first."""

    members: Sequence[_Prepared]
    observed: NDArray[np.float64]
    order: NDArray[np.intp]

    @classmethod
    def of(cls, members: Sequence[_Prepared]) -> _Family:
        kept = [p.statistics(np.arange(p.size)[None])[0] for p in members]
        observed = np.array([float(abs(t)) for t in kept])
        return cls(members, observed, np.argsort(-observed, kind='stable'))

    def exceedances(self, keys: NDArray[np.float64]) -> NDArray[np.int64]:
        """How many permutations reach each contrast's |t|: (alone, together in `order`)."""
        drawn = np.abs(np.stack([p.statistics(p.orders(keys)) for p in self.members], axis=1))
        alone = (drawn >= self.observed - _SLACK).sum(axis=0)
        # the largest among a contrast and all less extreme ones
        largest = np.maximum.accumulate(drawn[:, self.order[::-1]], axis=1)[:, ::-1]
        together = (largest >= self.observed[self.order] - _SLACK).sum(axis=0)
        return np.stack([alone, together])


@dataclass(frozen=True)
class _Prepared:
    """A contrast ready to be permuted: t = w r / sqrt(w w (r r - |Q r|^2) / df).

    r are the permuted residuals of the reduced model; w is the row of the pseudoinverse that the
    weights choose, Q an orthonormal basis of the design.
    """

    residuals: NDArray[np.float64]
    direction: NDArray[np.float64]
    basis: NDArray[np.float64]
    who: NDArray[np.intp]
    df: int
    sign: float

    @property
    def size(self) -> int:
        return self.residuals.size

    @classmethod
    def of(cls, contrast: Contrast) -> _Prepared:
        x, y, c = contrast.matrix, np.asarray(contrast.values, float), contrast.weights
        q, r = np.linalg.qr(x)
        # w = X (X'X)^-1 c, so that the contrast of the coefficients is w'y
        direction = q @ np.linalg.solve(r.T, c)
        # reduced model: the design's part orthogonal to the contrast's direction
        unit = direction / np.linalg.norm(direction)
        fitted = q @ (q.T @ y)
        reduced = fitted - unit * (unit @ fitted)
        residuals = y - reduced
        # rounding only, as in `Ancova`: t would be noise over noise
        if np.sum(residuals**2) <= 1e-24 * max(np.sum(y**2), np.finfo(float).tiny):
            raise NigraError('values do not vary within groups')
        sign = float(np.sign(direction @ y)) or 1.0
        return cls(residuals, direction, q, contrast.who, y.size - x.shape[1], sign)

    def orders(self, keys: NDArray[np.float64]) -> NDArray[np.intp]:
        """Order of this contrast's participants in each permutation of all."""
        return np.argsort(keys[:, self.who], axis=1)

    def statistics(self, orders: NDArray[np.intp]) -> NDArray[np.float64]:
        """Student's t of each order, (orders,)."""
        # Freedman-Lane: the reduced model's fit can stay away from y* = Z gamma + P e, since
        # neither w nor the residuals of the full model see it
        drawn = self.residuals[orders]
        # what the full model leaves of the permuted residuals: |r|^2 - |Q'r|^2
        rest = np.sum(self.residuals**2) - np.sum((drawn @ self.basis) ** 2, axis=1)
        variance = np.maximum(rest, 0) / self.df * np.sum(self.direction**2)
        return drawn @ self.direction / np.sqrt(np.maximum(variance, np.finfo(float).tiny))
