"""Who takes part: demographics, and each person's susceptibilities and volumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.special import ndtri

from ..errors import NigraError


@dataclass(frozen=True)
class RegionModel:
    """Susceptibility and volume of a region in a healthy person.

    Attributes
    ----------
    chi_ppb
        Mean susceptibility at the reference age.
    chi_sd_ppb
        Spread between people.
    age_ppb_per_decade
        Change per ten years of age.
    male_ppb
        Difference of men from women.
    volume_sd_percent
        Spread of volume between people, beyond what deformation brings.
    side_sd_ppb
        Spread between hemispheres of one person.
    """

    chi_ppb: float
    chi_sd_ppb: float = 5.0
    age_ppb_per_decade: float = 0.0
    male_ppb: float = 0.0
    volume_sd_percent: float = 3.0
    side_sd_ppb: float = 1.0


@dataclass(frozen=True)
class GroupModel:
    """A group: who is in it, and what it does to which region.

    Attributes
    ----------
    name
        As in `participants.tsv`.
    n
        Participants.
    age
        Mean and standard deviation, years.
    female_percent
        Fraction of women.
    disease_duration
        Median and standard deviation of the logarithm, years; absent for healthy people.
    edss
        Median and spread of the disability score; absent for healthy people.
    protocols
        Names of scan protocols, dealt out in turn.
    chi_ppb
        Added to a region's susceptibility.
    volume_percent
        Added to a region's volume.
    edss_ppb
        Added to a region's susceptibility per point of the score above the group's median.
    """

    name: str
    n: int
    age: tuple[float, float]
    female_percent: float
    protocols: tuple[str, ...]
    disease_duration: tuple[float, float] | None = None
    edss: tuple[float, float] | None = None
    chi_ppb: Mapping[str, float] = field(default_factory=dict)
    volume_percent: Mapping[str, float] = field(default_factory=dict)
    edss_ppb: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Person:
    """One participant.

    Attributes
    ----------
    label
        Without `sub-`.
    group, protocol
        Names.
    age, sex, disease_duration, edss
        Columns of `participants.tsv`; NaN where a healthy person has none.
    chi_ppb
        Susceptibility of each region and hemisphere.
    volume_factor
        Volume of each region over what it would be without group effect and spread.
    """

    label: str
    group: str
    protocol: str
    age: float
    sex: str
    disease_duration: float
    edss: float
    chi_ppb: Mapping[tuple[str, str], float]
    volume_factor: Mapping[str, float]


def draw_cohort(
    groups: Sequence[GroupModel], regions: Mapping[str, RegionModel], seed: int, *,
    reference_age: float = 45.0,
) -> list[Person]:  # fmt: skip
    """Draw every participant of a study.

    Parameters
    ----------
    groups
        In the order in which labels are given.
    regions
        Healthy values.
    seed
        The same seed gives the same people.
    reference_age
        Age at which `chi_ppb` of a region holds.

    Notes
    -----
    Ages, scores and durations are quantiles of their distributions in random order, so that a
    small group has the mean and spread that were asked for.

    Raises
    ------
    NigraError
        A group effect names a region that the study does not have.
    """
    _check_effects(groups, regions)
    total = sum(group.n for group in groups)
    # zeros in front, so that labels sort as numbers do
    width = max(2, len(str(total)))
    people: list[Person] = []
    for number, group in enumerate(groups):
        # one stream for the group and one for each person: in a larger group the first people
        # keep their own deviations of susceptibility and volume
        rng = np.random.default_rng([seed, 1, number])
        rows = _demographics(rng, group)
        for i, row in enumerate(rows.itertuples(index=False)):
            person_rng = np.random.default_rng([seed, 2, number, i])
            chi, volume = _regions(person_rng, group, regions, row, reference_age)
            people.append(
                Person(
                    f'{len(people) + 1:0{width}d}', group.name,
                    group.protocols[i % len(group.protocols)], row.age, row.sex,
                    row.disease_duration, row.edss, chi, volume,
                )
            )  # fmt: skip
    return people


def _check_effects(groups: Sequence[GroupModel], regions: Mapping[str, RegionModel]) -> None:
    for group in groups:
        for effects in (group.chi_ppb, group.volume_percent, group.edss_ppb):
            unknown = set(effects) - set(regions)
            if unknown:
                raise NigraError(f'group {group.name} changes unknown region {min(unknown)}')


def _quantiles(rng: np.random.Generator, n: int) -> np.ndarray:
    """Standard normal quantiles of n equal parts, shuffled."""
    return rng.permutation(ndtri((np.arange(n) + 0.5) / n))


def _demographics(rng: np.random.Generator, group: GroupModel) -> pd.DataFrame:
    n = group.n
    # adults only; ages beyond 85 are rare in studies of this kind (assumed)
    age = np.clip(np.rint(group.age[0] + group.age[1] * _quantiles(rng, n)), 18, 85)
    women = round(n * group.female_percent / 100)
    sex = rng.permutation(np.array(['F'] * women + ['M'] * (n - women)))
    duration = edss = np.full(n, np.nan)
    if group.disease_duration is not None:
        # log-normal: durations are skewed to long ones; nobody falls ill before 15 (assumed)
        median, spread = group.disease_duration
        duration = np.minimum(median * np.exp(spread * _quantiles(rng, n)), age - 15)
        duration = np.round(np.maximum(duration, 0.5), 1)
    if group.edss is not None:
        # the scale has half points and ends at 10, death by multiple sclerosis (Kurtzke 1983,
        # doi 10.1212/WNL.33.11.1444)
        score = group.edss[0] + group.edss[1] * _quantiles(rng, n)
        edss = np.clip(np.rint(2 * score) / 2, 0, 9.5)
    return pd.DataFrame({'age': age, 'sex': sex, 'disease_duration': duration, 'edss': edss})


def _regions(
    rng: np.random.Generator, group: GroupModel, regions: Mapping[str, RegionModel], row,
    reference_age: float,
) -> tuple[dict[tuple[str, str], float], dict[str, float]]:  # fmt: skip
    chi, volume = {}, {}
    for name, region in regions.items():
        # linear and additive: region + person + age + sex + group + disability
        value = region.chi_ppb + region.chi_sd_ppb * rng.standard_normal()
        value += region.age_ppb_per_decade * (row.age - reference_age) / 10
        value += region.male_ppb * (row.sex == 'M') + group.chi_ppb.get(name, 0.0)
        if group.edss is not None:
            value += group.edss_ppb.get(name, 0.0) * (row.edss - group.edss[0])
        for side in 'LR':
            chi[name, side] = value + region.side_sd_ppb * rng.standard_normal()
        # log-normal, so that halving is as likely as doubling; the limits leave room for the
        # brain's own growth within what the warp can do (0.3 to 2)
        spread = region.volume_sd_percent / 100 * rng.standard_normal()
        factor = (1 + group.volume_percent.get(name, 0.0) / 100) * np.exp(spread)
        volume[name] = float(np.clip(factor, 0.35, 1.9))
    return chi, volume
