"""Tables of the group comparison: one model for each measure, region and hemisphere."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from ..errors import NigraError
from .ancova import Ancova, Design, hedges_factor, make_design
from .bootstrap import bootstrap_contrasts
from .measures import MEASURES
from .multiplicity import adjust_families, adjust_holm
from .permutation import Contrast, permute_contrasts
from .question import GroupContrast
from .robust_tests import by_group, dunn
from .sample import MIN_GROUP, Sample
from .values import PLACE

MODEL_COLUMNS = (
    'measure', 'region', 'hemisphere', 'formula', 'n', 'n_excluded', 'statistic', 'df_num',
    'df_den', 'p', 'p_adjusted', 'partial_eta_squared', 'normality_p', 'equal_variance_p',
    'p_hc3', 'p_rank', 'p_welch', 'p_kruskal', 'failed_checks', 'advice', 'max_cooks_distance',
    'most_influential', 'note',
)  # fmt: skip
CONTRAST_COLUMNS = (
    'measure', 'region', 'hemisphere', 'contrast', 'group_a', 'group_b', 'n_a', 'n_b', 'estimate',
    'ci_low', 'ci_high', 'statistic', 'p', 'p_adjusted', 'effect_size', 'se', 'df', 'p_tukey',
    'p_holm', 'p_permutation', 'p_max', 'p_hc3', 'p_dunn', 'boot_low', 'boot_high',
    'effect_size_low', 'effect_size_high', 'bayes_factor', 'p_equivalence',
    'estimate_at_equal_volume', 'p_at_equal_volume',
)  # fmt: skip
MEAN_COLUMNS = (
    'measure', 'region', 'hemisphere', 'group', 'n', 'mean', 'sd', 'adjusted_mean', 'se',
    'ci_low', 'ci_high',
)  # fmt: skip
DOUBTFUL = 0.05
"""p of a check below which a test with weaker assumptions is recommended beside the usual one."""
_ALIKE = 1e-9
"""Spread of volumes over the largest below which they differ by rounding: nothing is adjusted."""
MIN_BOOTSTRAP = 8
"""Fewest people of a group for a bootstrap interval: eight have C(15, 8) = 6435 different
resamples, seven 1716, fewer than the 2000 that are drawn by default."""


class Assumption(NamedTuple):
    """An assumption of the models that is tested.

    Attributes
    ----------
    code
        In column `failed_checks`, codes there separated by a space.
    column
        Its p value.
    advice
        What to read where it fails.
    instead
        Column of a contrast's p value that does without the assumption.
    words
        For that p value, to stand before it in a sentence.
    """

    code: str
    column: str
    advice: str
    instead: str
    words: str


CHECKS = (
    Assumption('equal_variance', 'equal_variance_p', 'unequal variances: see p_hc3',
               'p_hc3', 'allowing for unequal variances'),
    Assumption('normality', 'normality_p', 'residuals not normal: see p_rank and p_permutation',
               'p_permutation', 'by permutation'),
)  # fmt: skip


@dataclass(frozen=True)
class GroupTables:
    """Tables of all models: `MODEL_COLUMNS`, `CONTRAST_COLUMNS` and `MEAN_COLUMNS`."""

    models: pd.DataFrame
    contrasts: pd.DataFrame
    means: pd.DataFrame


@dataclass
class _Rows:
    """Rows of the tables as they grow; `permuted` and `fits` go along with `contrasts`."""

    models: list[dict[str, Any]] = field(default_factory=list)
    contrasts: list[dict[str, Any]] = field(default_factory=list)
    means: list[dict[str, Any]] = field(default_factory=list)
    permuted: list[Contrast | None] = field(default_factory=list)
    fits: list[Ancova | None] = field(default_factory=list)


def group_tables(
    sample: Sample, *, permutations: int = 0, bootstraps: int = 0, seed: int = 1, nthreads: int = 1
) -> GroupTables:
    """Omnibus tests, contrasts and adjusted means of every measure, region and hemisphere.

    A model leaves out participants without the value or a covariate, and groups of whom fewer
    than `MIN_GROUP` are left; what cannot be tested is a row of NaN with a note.

    Parameters
    ----------
    sample
        From `make_sample`.
    permutations
        Of `p_permutation` and `p_max`, the order as observed included; 0 leaves them out.
    bootstraps
        Resamples of the bootstrap intervals; 0 leaves them out, as do groups of fewer than
        `MIN_BOOTSTRAP`.
    seed
        Of permutations and resamples.
    nthreads
        Threads of both; the result does not depend on them.
    """
    rows = _Rows()
    designs: dict[bytes, Design] = {}
    for key in sample.values.columns:
        # most regions are known in the same people, who share one design
        used, counts = sample.with_values(sample.values[key].to_numpy(float))
        signature = used.tobytes()
        if signature not in designs:
            designs[signature] = make_design(
                sample.labels[used], sample.people[used], sample.groups, sample.covariates
            )
        _one_model(rows, sample, key, used, designs[signature], counts)
    contrasts = _finish(rows.contrasts, CONTRAST_COLUMNS)
    # Holm's family is one region's contrasts; the study's families are those of `p_adjusted`
    contrasts['p_holm'] = contrasts.groupby(list(PLACE), sort=False)['p'].transform(adjust_holm)
    if permutations:
        _permute(contrasts, rows.permuted, len(sample.labels), permutations, seed, nthreads)
    if bootstraps:
        _bootstrap(contrasts, rows.fits, sample.contrasts, bootstraps, seed, nthreads)
    return GroupTables(
        _finish(rows.models, MODEL_COLUMNS),
        contrasts,
        pd.DataFrame(rows.means).reindex(columns=list(MEAN_COLUMNS)),
    )


def _one_model(
    rows: _Rows, sample: Sample, key: Any, used: NDArray[np.bool_], design: Design,
    counts: Mapping[str, int],
) -> None:  # fmt: skip
    """Append everything about one measure, region and hemisphere."""
    place = dict(zip(PLACE, key, strict=True))
    values = sample.values[key].to_numpy(float)[used]
    model, fit = _model_row(sample, values, design, used)
    rows.models.append({**place, **model})
    rows.means += [{**place, **mean} for mean in fit.means()] if fit else []
    after_ranks = _dunn(fit)
    resized = _at_equal_volume(sample, key, used, fit)
    who = np.flatnonzero(used)
    for contrast in sample.contrasts:
        # a contrast one of whose groups the model lacks stays a row without numbers
        both = fit if fit and contrast.groups <= set(design.groups) else None
        row: dict[str, Any] = {**place, **contrast.columns}
        row['n_a'] = sum(counts[g] for g in contrast.first)
        row['n_b'] = sum(counts[g] for g in contrast.second)
        if both:
            row |= both.contrast(contrast.first, contrast.second)
            row['p_dunn'] = after_ranks.get(contrast.groups) if contrast.is_pair else None
            if resized:
                found = resized.difference(contrast.first, contrast.second)
                row['estimate_at_equal_volume'] = found['estimate']
                row['p_at_equal_volume'] = found['p']
        rows.contrasts.append(row)
        rows.permuted.append(
            both.hypothesis(contrast.first, contrast.second, who) if both else None
        )
        rows.fits.append(both)


def _dunn(fit: Ancova | None) -> dict[frozenset[str], float]:
    """Holm-adjusted p of Dunn's test by pair of groups."""
    if fit is None or len(fit.design.groups) < 2:
        return {}
    values = np.asarray(fit.fit.model.endog)
    table = dunn(by_group(values, fit.design.labels))
    return {frozenset([r.a, r.b]): r.p_holm for r in table.itertuples()}


def _at_equal_volume(
    sample: Sample, key: Any, used: NDArray[np.bool_], fit: Ancova | None
) -> Ancova | None:
    """The model with the region's own normalised volume as a further covariate."""
    measure, region, hemisphere = key
    # an analysis of covariance with the region's own size: what atrophy leaves of the difference
    column = ('volume_normalised', region, hemisphere)
    known = MEASURES.get(measure)
    if fit is None or (known and known.of_volume) or sample.volumes is None:
        return None
    if column not in sample.volumes:
        return None
    volume = sample.volumes[column].to_numpy(float)[used]
    # fewer people than in the model beside it would make the two estimates incomparable
    if not np.isfinite(volume).all() or not volume.std() > _ALIKE * np.abs(volume).max():
        return None
    added = stats.zscore(volume)[:, None]  # of the size of other columns, as its solver needs
    design = fit.design
    wider = replace(design, matrix=np.hstack([design.matrix, added]))
    try:
        return Ancova(np.asarray(fit.fit.model.endog), wider)
    except NigraError:
        return None


def _permute(
    table: pd.DataFrame, contrasts: Sequence[Contrast | None], n_participants: int,
    permutations: int, seed: int, nthreads: int,
) -> None:  # fmt: skip
    """Fill `p_permutation` and `p_max`, family by family, as `adjust_families` draws them."""
    sides = (table.hemisphere != 'both').rename('side')
    for _, rows in table.groupby([table.measure, sides], sort=False):
        # one order of the people for the whole family keeps the dependence of its tests
        known = [i for i in rows.index if contrasts[i] is not None]
        family = [c for i in known if (c := contrasts[i]) is not None]
        if family:
            found = permute_contrasts(
                family, n_participants=n_participants, n_permutations=permutations, seed=seed,
                nthreads=nthreads,
            )  # fmt: skip
            table.loc[known, 'p_permutation'] = found.p
            table.loc[known, 'p_max'] = found.p_max


def _bootstrap(
    table: pd.DataFrame, fits: Sequence[Ancova | None], contrasts: Sequence[GroupContrast],
    bootstraps: int, seed: int, nthreads: int,
) -> None:  # fmt: skip
    """Fill the bootstrap intervals; models of the same people share their resamples."""
    # fits by the design that they share: their resamples are drawn once for all of them
    alike: dict[int, dict[int, Ancova]] = {}
    for fit in fits:
        if fit is not None:
            alike.setdefault(id(fit.design), {})[id(fit)] = fit
    # row of the table of each model and contrast, to put the intervals where they belong
    place = {(id(fit), table.contrast[i]): i for i, fit in enumerate(fits) if fit is not None}
    ends = np.full((len(table), 4), np.nan)
    for members in alike.values():
        models = list(members.values())
        design = models[0].design
        # a model that lacks a group has no contrast with it
        shared = [c for c in contrasts if c.groups <= set(design.groups)]
        if not shared or min(np.unique(design.labels, return_counts=True)[1]) < MIN_BOOTSTRAP:
            continue
        found = bootstrap_contrasts(
            np.column_stack([np.asarray(m.fit.model.endog) for m in models]),
            design.matrix,
            np.unique(design.labels, return_inverse=True)[1],
            np.array([design.weights(c.first, c.second) for c in shared]),
            n_bootstraps=bootstraps, seed=seed, nthreads=nthreads,
        )  # fmt: skip
        # intervals of the standardised difference are those of d; g is d times a constant
        factor = hedges_factor(models[0].fit.df_resid)
        for (j, model), (i, contrast) in itertools.product(enumerate(models), enumerate(shared)):
            ends[place[id(model), contrast.name]] = (
                found.low[i, j], found.high[i, j],
                factor * found.size_low[i, j], factor * found.size_high[i, j],
            )  # fmt: skip
    table[['boot_low', 'boot_high', 'effect_size_low', 'effect_size_high']] = ends


def _model_row(
    sample: Sample, values: NDArray[np.float64], design: Design, used: NDArray[np.bool_]
) -> tuple[dict[str, Any], Ancova | None]:
    row: dict[str, Any] = {
        'formula': sample.formula,
        'n': int(used.sum()),
        'n_excluded': int((~used).sum()),
    }
    small = [g for g in sample.groups if g not in design.groups]
    notes = [f'fewer than {MIN_GROUP} participants in {", ".join(small)}'] if small else []
    try:
        fit = Ancova(values, design)
    except NigraError as error:
        return {**row, 'note': f'not tested: {error}'}, None
    checks = {**fit.checks(sample.labels.index[used]), **fit.counterparts()}
    failed = [check for check in CHECKS if checks[check.column] < DOUBTFUL]  # NaN does not fail
    told = {
        'failed_checks': ' '.join(check.code for check in failed) or None,
        'advice': '; '.join(check.advice for check in failed) or None,
        'note': '; '.join([*notes, *fit.untested()]) or None,
    }
    return {**row, **fit.omnibus(), **checks, **told}, fit


def _finish(rows: list[dict[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    table = pd.DataFrame(rows).reindex(columns=list(columns))
    table['p_adjusted'] = adjust_families(table)
    return table
