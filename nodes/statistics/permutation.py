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
    family = _Family.of(contrasts)
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
    return PermutationResult(family.statistic, alone / n_permutations, p_max, n_permutations)


_SLACK = 1e-9
"""Orders that differ by rounding only are ties."""


_TOGETHER = 25
"""Orders whose designs are multiplied at once: some 20 MB in studies of 10,000."""


@dataclass(frozen=True)
class _Family:
    """Contrasts that are permuted together, t as observed, and the most extreme first.

    `members` are those of one design each; `places` are their contrasts' among all.
    """

    members: Sequence[_Prepared]
    places: Sequence[NDArray[np.intp]]
    statistic: NDArray[np.float64]
    order: NDArray[np.intp]

    @classmethod
    def of(cls, contrasts: Sequence[Contrast]) -> _Family:
        alike: dict[tuple[bytes, bytes], list[int]] = {}
        for number, contrast in enumerate(contrasts):
            key = contrast.who.tobytes(), contrast.matrix.tobytes()
            alike.setdefault(key, []).append(number)
        places = [np.array(found) for found in alike.values()]
        members = [_Prepared.of([contrasts[i] for i in found]) for found in places]
        statistic = np.empty(len(contrasts))
        for member, place in zip(members, places, strict=True):
            statistic[place] = member.statistics(np.arange(member.size)[None])[0]
        return cls(members, places, statistic, np.argsort(-np.abs(statistic), kind='stable'))

    def exceedances(self, keys: NDArray[np.float64]) -> NDArray[np.int64]:
        """How many permutations reach each contrast's |t|: (alone, together in `order`)."""
        drawn, observed = np.empty((len(keys), len(self.order))), np.abs(self.statistic)
        for member, place in zip(self.members, self.places, strict=True):
            drawn[:, place] = np.abs(member.statistics(member.orders(keys)))
        alone = (drawn >= observed - _SLACK).sum(axis=0)
        # the largest among a contrast and all less extreme ones
        largest = np.maximum.accumulate(drawn[:, self.order[::-1]], axis=1)[:, ::-1]
        together = (largest >= observed[self.order] - _SLACK).sum(axis=0)
        return np.stack([alone, together])


@dataclass(frozen=True)
class _Prepared:
    """Contrasts of one design, to be permuted: t = w'r / sqrt(w'w (r'r - |Q'r|^2) / df).

    r are the permuted residuals of a contrast's reduced model, Q an orthonormal basis of the
    design, and w = Q a the row of the pseudoinverse that the contrast's weights choose.
    """

    residuals: NDArray[np.float64]
    """(contrasts, people)"""
    directions: NDArray[np.float64]
    """a, (contrasts, coefficients)"""
    basis: NDArray[np.float64]
    who: NDArray[np.intp]
    df: int

    @property
    def size(self) -> int:
        return len(self.basis)

    @classmethod
    def of(cls, contrasts: Sequence[Contrast]) -> _Prepared:
        x, y = contrasts[0].matrix, np.array([c.values for c in contrasts], float)
        q, r = np.linalg.qr(x)
        # w = X (X'X)^-1 c, so that the contrast of the coefficients is w'y
        directions = np.linalg.solve(r.T, np.array([c.weights for c in contrasts], float).T).T
        # reduced model: the design's part orthogonal to the contrast's direction
        units = directions / np.linalg.norm(directions, axis=1, keepdims=True)
        fitted = y @ q
        reduced = fitted - units * np.sum(units * fitted, axis=1, keepdims=True)
        residuals = y - reduced @ q.T
        # rounding only, as in `Ancova`: t would be noise over noise
        sizes = np.maximum(np.sum(y**2, axis=1), np.finfo(float).tiny)
        if np.any(np.sum(residuals**2, axis=1) <= 1e-24 * sizes):
            raise NigraError('values do not vary within groups')
        return cls(residuals, directions, q, contrasts[0].who, len(x) - x.shape[1])

    def orders(self, keys: NDArray[np.float64]) -> NDArray[np.intp]:
        """Order of these contrasts' participants in each permutation of all."""
        return np.argsort(keys[:, self.who], axis=1)

    def statistics(self, orders: NDArray[np.intp]) -> NDArray[np.float64]:
        """Student's t of each order, (orders, contrasts)."""
        pieces = range(0, len(orders), _TOGETHER)
        return np.concatenate([self._statistics(orders[i : i + _TOGETHER]) for i in pieces])

    def _statistics(self, orders: NDArray[np.intp]) -> NDArray[np.float64]:
        # Freedman-Lane: the reduced model's fit can stay away from y* = Z gamma + P e, since
        # neither w nor the residuals of the full model see it. Q'Pr is (P'Q)'r, which moves a few
        # columns instead of the residuals of all contrasts
        size, coefficients = self.basis.shape
        moved = np.empty((size, len(orders), coefficients))
        for i, order in enumerate(orders):
            moved[order, i] = self.basis
        shape = (len(self.residuals), *moved.shape[1:])
        seen = (self.residuals @ moved.reshape(size, -1)).reshape(shape)
        # what the full model leaves of the permuted residuals: |r|^2 - |Q'r|^2
        rest = np.sum(self.residuals**2, axis=1)[:, None] - np.sum(seen**2, axis=2)
        scale = np.sum(self.directions**2, axis=1)[:, None]
        variance = np.maximum(rest, 0) / self.df * scale
        found = np.einsum('cok,ck->oc', seen, self.directions)
        return found / np.sqrt(np.maximum(variance, np.finfo(float).tiny)).T
