"""What a planned study can find: power of contrasts, and studies drawn with measured error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize, special, stats

from .errors import NigraError
from .simulation.cohort import GroupModel, Person, RegionModel, draw_cohort
from .statistics.covariates import Covariate
from .statistics.question import choose_contrasts
from .statistics.sample import Sample, exclusion_table


@dataclass(frozen=True)
class Precision:
    """How a region is measured by one protocol.

    Attributes
    ----------
    chi_slope
        Measured difference over true difference.
    chi_error_ppb
        Standard deviation of a measured mean, both sides together, around that line.
    volume_error_percent
        Standard deviation of a measured volume around the true one.
    """

    chi_slope: float = 1.0
    chi_error_ppb: float = 0.0
    volume_error_percent: float = 0.0


@dataclass(frozen=True)
class Comparison:
    """Sizes of two groups of a study, and how its tests are made.

    Attributes
    ----------
    n_a, n_b
        Participants of the two groups that are compared.
    df
        Degrees of freedom of the residuals, those of all groups less the coefficients.
    alpha
        Two-sided level of one test.
    """

    n_a: int
    n_b: int
    df: float
    alpha: float = 0.05

    def __post_init__(self) -> None:
        if min(self.n_a, self.n_b) < 2 or self.df < 1 or not 0 < self.alpha < 1:
            raise NigraError(f'no test can be made of {self}')


def power(difference: float, sd: float, comparison: Comparison) -> float:
    """Chance that a true difference is significant.

    Parameters
    ----------
    difference, sd
        Between two groups, and within them; one unit.
    comparison
        Sizes and level.

    Notes
    -----
    Student's t of an analysis of covariance whose covariates do not go along with the groups:
    noncentral t with noncentrality difference / (sd sqrt(1 / n_a + 1 / n_b)), both sides of it
    together by its square, noncentral F.

    Examples
    --------
    >>> round(power(0.91, 1.0, Comparison(20, 20, 38)), 2)
    0.8
    """
    # P(F > edge) of noncentral F(1, df, shift^2): both tails of noncentral t at once
    shift = difference / (sd * np.sqrt(1 / comparison.n_a + 1 / comparison.n_b))
    edge = stats.t.isf(comparison.alpha / 2, comparison.df)
    return float(1 - special.ncfdtr(1, comparison.df, shift**2, edge**2))


def detectable(sd: float, comparison: Comparison, *, chance: float = 0.8) -> float:
    """Smallest true difference that is significant with a given chance, in the unit of `sd`.

    Examples
    --------
    >>> round(detectable(10.0, Comparison(20, 20, 38)), 1)
    9.1
    """
    if not comparison.alpha < chance < 1:
        raise NigraError(f'chance must lie between {comparison.alpha} and 1, got {chance}')
    # in standard deviations; 60 standard errors bracket every usual level and wanted power
    scale = np.sqrt(1 / comparison.n_a + 1 / comparison.n_b)
    found = optimize.brentq(
        lambda size: power(size, 1.0, comparison) - chance, 0.0, 60 * scale, xtol=1e-9
    )
    return float(found * sd)


def contrast_power(
    sizes: Mapping[str, int], spreads: Mapping[str, float], *, n_covariates: int = 2,
    effects: Mapping[tuple[str, str], float] | None = None,
    slopes: Mapping[str, float] | None = None, alpha: float = 0.05, chance: float = 0.8,
) -> pd.DataFrame:  # fmt: skip
    """Detectable differences and power of every region and pair of groups.

    Parameters
    ----------
    sizes
        Participants by group, the reference group last.
    spreads
        Standard deviation between people of a group, measurement error included, by region.
    n_covariates
        Columns that models adjust for.
    effects
        True change of a region in a group, by (region, group).
    slopes
        Measured over true difference, by region; 1 where absent.
    alpha, chance
        Level of the family, and wanted power.

    Returns
    -------
    DataFrame
        One row per region and pair: the contrast and its sides, `n_a`, `n_b`, `sd`, `detectable`
        (alone) and `detectable_family` (at the level that Bonferroni leaves to each of all rows,
        which the corrections in use do not fall below), both as true differences; and where
        effects are given `effect`, and `power` and `power_family` of those that are not zero.
    """
    df = sum(sizes.values()) - len(sizes) - n_covariates
    contrasts = choose_contrasts(None, list(sizes))
    family = alpha / (len(contrasts) * len(spreads))
    rows = []
    for region, sd in spreads.items():
        slope = (slopes or {}).get(region, 1.0)
        for contrast in contrasts:
            (a,), (b,) = contrast.first, contrast.second
            alone = Comparison(sizes[a], sizes[b], df, alpha)
            together = Comparison(sizes[a], sizes[b], df, family)
            # a flattened measurement shows but part of a true difference
            row = {
                'region': region, **contrast.columns, 'n_a': sizes[a], 'n_b': sizes[b], 'sd': sd,
                'detectable': detectable(sd, alone, chance=chance) / slope,
                'detectable_family': detectable(sd, together, chance=chance) / slope,
            }  # fmt: skip
            if effects is not None:
                effect = effects.get((region, a), 0.0) - effects.get((region, b), 0.0)
                row['effect'] = effect
                if effect:
                    row['power'] = power(slope * effect, sd, alone)
                    row['power_family'] = power(slope * effect, sd, together)
            rows.append(row)
    return pd.DataFrame(rows)


def measured_spread(
    regions: Mapping[str, RegionModel], precision: Mapping[str, Precision]
) -> dict[str, float]:
    """Standard deviation of measured means between people who are alike in age and sex, ppb."""
    out = {}
    for name, region in regions.items():
        how = precision.get(name, Precision())
        # the mean of two sides that vary around the person has half their variance
        between = region.chi_sd_ppb**2 + region.side_sd_ppb**2 / 2
        out[name] = float(np.sqrt(how.chi_slope**2 * between + how.chi_error_ppb**2))
    return out


def draw_values(
    groups: Sequence[GroupModel], regions: Mapping[str, RegionModel],
    precision: Mapping[str, Precision], seed: int, *, reference_age: float = 45.0,
) -> Sample:  # fmt: skip
    """Region values of a whole study, measured with error, without images.

    Parameters
    ----------
    groups, regions, reference_age
        As in `cohort.draw_cohort`; the last group is the reference group.
    precision
        By region; perfect where absent.
    seed
        Gives the people and, apart from them, the errors: another precision keeps the people.

    Returns
    -------
    Sample
        Measures `chi_mean` and `volume_normalised` (100 stands for a healthy volume), both sides
        together, with age, sex and EDSS.
    """
    people = draw_cohort(groups, regions, seed, reference_age=reference_age)
    rng = np.random.default_rng([seed, 3])  # a stream of its own, so that the people stay
    index = pd.Index([f'sub-{p.label}' for p in people])
    values = {}
    for name in regions:
        how = precision.get(name, Precision())
        true = np.array([(p.chi_ppb[name, 'L'] + p.chi_ppb[name, 'R']) / 2 for p in people])
        error = how.chi_error_ppb * rng.standard_normal(len(people))
        values['chi_mean', name, 'both'] = how.chi_slope * true + error
        volume = np.array([100 * p.volume_factor[name] for p in people])
        factor = 1 + how.volume_error_percent / 100 * rng.standard_normal(len(people))
        values['volume_normalised', name, 'both'] = volume * factor
    frame = pd.DataFrame(values, index=index).sort_index(axis=1, level=0, sort_remaining=False)
    return Sample(
        values=frame,
        labels=pd.Series([p.group for p in people], index),
        people=_demographics(people, index),
        groups=tuple(g.name for g in groups),
        covariates=(Covariate('age', False), Covariate('sex', True)),
        scores=('edss',),
        formula='value ~ C(group) + age + C(sex)',
        exclusions=exclusion_table([]),
        warnings=(),
    )


def _demographics(people: Sequence[Person], index: pd.Index) -> pd.DataFrame:
    columns = ('age', 'sex', 'edss')
    return pd.DataFrame({c: [getattr(p, c) for p in people] for c in columns}, index)
