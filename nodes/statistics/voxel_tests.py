"""What is tested in every voxel: contrasts of groups, or what one group shows by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import NigraError
from .regressions import design_columns
from .sample import MIN_GROUP, Sample
from .voxelwise import partition_design

TOO_FEW = 'too few participants with maps for a voxel-wise comparison'


@dataclass(frozen=True)
class VoxelTest:
    """One coefficient that is tested in every voxel.

    Attributes
    ----------
    columns
        As in `CLUSTER_COLUMNS`: the name as `contrast`, and its two sides, None where nothing is
        compared.
    sides
        What the name is made of, for file names.
    tested
        Column whose coefficient is tested, (people, 1).
    rest
        All that is not tested, (people, columns); none where the model has no more.
    who
        Positions of the people in the sample, (people,).
    """

    columns: Mapping[str, str | None]
    sides: tuple[tuple[str, ...], ...]
    tested: NDArray[np.float64]
    rest: NDArray[np.float64]
    who: NDArray[np.intp]

    @property
    def name(self) -> str:
        """What is tested."""
        return str(self.columns['contrast'])


def voxel_tests(sample: Sample) -> list[VoxelTest]:
    """Contrasts of groups; of one group the mean, every covariate and every score.

    Parameters
    ----------
    sample
        From `voxel_sample`.

    Notes
    -----
    The mean is tested against zero, the susceptibility of the reference region, at the average of
    the covariates. Scores are adjusted for the covariates, among those who have the score.

    Raises
    ------
    NigraError
        There are too few people for the model.
    """
    everyone = np.ones(len(sample.labels), bool)
    design, columns = design_columns(sample, everyone)
    matrix, who = design.matrix, np.flatnonzero(everyone)
    full = matrix.size and np.linalg.matrix_rank(matrix) == matrix.shape[1] < len(matrix)
    if len(design.groups) < (2 if sample.contrasts else 1) or not full:
        raise NigraError(TOO_FEW)
    if sample.contrasts:
        shared = [c for c in sample.contrasts if c.groups <= set(design.groups)]
        if not shared:
            raise NigraError(TOO_FEW)
        return [
            VoxelTest(c.columns, c.sides,
                      *partition_design(matrix, design.weights(c.first, c.second)), who)
            for c in shared
        ]  # fmt: skip
    centred = matrix[:, 1:] - matrix[:, 1:].mean(axis=0)
    tests = [_effect('mean', matrix[:, :1], centred, who)]
    for column in columns:
        own = matrix[:, [column.place]]
        tests.append(_effect(column.name, own, np.delete(matrix, column.place, axis=1), who))
    return tests + _score_tests(sample)


def _score_tests(sample: Sample) -> list[VoxelTest]:
    """Regressions on the scores that are no covariates and vary beyond them."""
    tests = []
    known = [c.name for c in sample.covariates]
    for name in (s for s in sample.scores if s not in known):
        points = sample.people[name].to_numpy(float)
        used = np.isfinite(points)
        if used.sum() < MIN_GROUP or not np.ptp(points[used]) > 0:
            continue
        rest = design_columns(sample, used)[0].matrix
        own = ((points[used] - points[used].mean()) / points[used].std())[:, None]
        wider = np.hstack([own, rest])
        if np.linalg.matrix_rank(wider) == wider.shape[1] < len(wider):
            tests.append(_effect(name, own, rest, np.flatnonzero(used)))
    return tests


def _effect(
    name: str, tested: NDArray[np.float64], rest: NDArray[np.float64], who: NDArray[np.intp]
) -> VoxelTest:
    columns = {'contrast': name, 'group_a': None, 'group_b': None}
    return VoxelTest(columns, ((name,),), tested, rest, who)
