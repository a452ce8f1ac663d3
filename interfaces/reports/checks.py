"""Checks at the top of a participant's page: which results need a look before they are used."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ...nodes.anatomy.quality import LEAST_MM3, iron_contrast
from ...nodes.field.fringes import LEAST_LINE_MM
from ...nodes.field.sign import STRONG
from ..anatomy.atlas import compared_regions
from ..anatomy.brain_mask import BRAIN_ML, LEAST_PRIOR_OVERLAP
from ..anatomy.gre_to_t1w import LEAST_NMI, MOST_MISFIT_MM, MOST_STRETCH, shows_another_head
from ..tables import readable
from .cells import counted, fixed, percent

LOW_COVERAGE = 0.9
"""Fraction of a nucleus inside the QSM mask below which its values need a look (by eye)."""
_NO_COVERAGE = 0.5
"""Below this most of the nucleus is not measured (by eye)."""
_ASYMMETRY = 0.25
"""Difference between left and right volume, over their mean, above which to look (by eye)."""


PROBLEMS = {
    'region_missing': 'have a nucleus without a value',
    'coverage': 'have a nucleus most of which lies outside the map',
    'iron_contrast': 'show the pallidum darker than the thalamus, as a wrong sign of the phase '
    'does',
    'registration': 'have a registration that seems to have failed',
    'other_head': 'have a gradient echo that seems to show another head than the T1w image',
    'phase_sign': 'have a phase whose sign the field of the head itself speaks against',
    'phase_filtered': 'have a phase that was high-pass filtered, so that nuclei read far too low',
    'open_fringes': 'have a phase that turns about lines through tissue, so that it cannot be '
    'unwrapped there',
}
"""What a page may call a problem, by the name under which quality records it, in words of runs."""


class Status(enum.StrEnum):
    """State of a check; the values are classes of the style sheet."""

    GOOD = 'good'
    NOTE = 'note'
    BAD = 'bad'

    @property
    def sign(self) -> str:
        """Shape that tells the state without its colour."""
        return {Status.GOOD: '✓', Status.NOTE: '▲', Status.BAD: '✕'}[self]

    @property
    def word(self) -> str:
        """The state in a word."""
        return {Status.GOOD: 'ok', Status.NOTE: 'review', Status.BAD: 'problem'}[self]


@dataclass(frozen=True)
class Check:
    """One check of the summary.

    Attributes
    ----------
    status
        Its state.
    title
        What was checked.
    text
        What was found, and what to do about it.
    problem
        Its name in `PROBLEMS` where it may be one that others must hear of.
    limit
        Where it becomes worth a look, and where a problem.
    """

    status: Status
    title: str
    text: str
    problem: str = ''
    limit: str = ''


@dataclass(frozen=True)
class Verdict:
    """The worst state of several checks, and how many are in it."""

    status: Status
    text: str


def region_checks(regions: pd.DataFrame, warnings: Sequence[str]) -> list[Check]:
    """Checks of a run, from its region table and warnings.

    Parameters
    ----------
    regions
        The region table.
    warnings
        Of the run.
    """
    # parts of nuclei are too small to be compared unasked, so nothing hangs on them
    nuclei = regions[regions.region.isin(compared_regions()) & regions.hemisphere.isin(['L', 'R'])]
    return [
        *(warnings_check('Warnings', warnings) or [Check(Status.GOOD, 'Warnings', 'none')]),
        _missing_check(nuclei),
        _coverage_check(nuclei[nuclei.n_voxels > 0]),
        *_asymmetry_check(nuclei),
        *_brain_check(regions[regions.region == 'brain']),
        *_contrast_check(regions[regions.hemisphere == 'both']),
    ]


def warnings_check(title: str, warnings: Sequence[str]) -> list[Check]:
    """A check that points to the warnings; none where there are none."""
    if not warnings:
        return []
    return [Check(Status.NOTE, title, f'{counted(len(warnings), "warning")}, listed below')]


def _missing_check(nuclei: pd.DataFrame) -> Check:
    empty = nuclei[nuclei.chi_mean.isna() | ~(nuclei.n_voxels > 0)]
    if empty.empty:
        text = f'all {len(nuclei)} that are compared, left and right'
        return Check(Status.GOOD, 'Nuclei found', text)
    names = ', '.join(_place(row) for row in empty.itertuples())
    text = f'{names}: check labels and QSM mask'
    return Check(Status.BAD, 'Nuclei without a value', text, 'region_missing')


def _place(row: Any) -> str:
    """Name of a row's nucleus, such as `left caudate`."""
    return f'{readable(row.hemisphere)} {readable(row.region)}'


def _coverage_check(nuclei: pd.DataFrame) -> Check:
    title = 'Nuclei inside the map'
    known = nuclei.dropna(subset=['coverage'])
    if known.empty:
        return Check(Status.BAD, title, 'no nucleus has a known coverage', 'coverage')
    worst = known.loc[known.coverage.idxmin()]
    if worst.coverage < _NO_COVERAGE:
        status = Status.BAD
    else:
        status = Status.GOOD if worst.coverage >= LOW_COVERAGE else Status.NOTE
    return Check(
        status, title, f'lowest: {_place(worst)}, {percent(worst.coverage)} %', 'coverage',
        f'look below {percent(LOW_COVERAGE)} %; below {percent(_NO_COVERAGE)} % most of it is not '
        'measured',
    )  # fmt: skip


def _asymmetry_check(nuclei: pd.DataFrame) -> list[Check]:
    volumes = nuclei.pivot_table(index='region', columns='hemisphere', values='volume_mm3')
    volumes = volumes[volumes.mean(axis=1) >= LEAST_MM3]
    if not {'L', 'R'} <= set(volumes.columns):
        return []
    index = (volumes['L'] - volumes['R']).abs() / volumes.mean(axis=1)
    index = index.dropna()
    if index.empty:
        return []
    worst = str(index.idxmax())
    fraction = float(index.max())
    text = f'largest: {readable(worst)}, {percent(fraction)} % of the mean'
    status = Status.NOTE if fraction > _ASYMMETRY else Status.GOOD
    limit = f'look above {percent(_ASYMMETRY)} %'
    return [Check(status, 'Left/right volume difference', text, limit=limit)]


def _brain_check(brain: pd.DataFrame) -> list[Check]:
    volumes = brain['volume_mm3'].dropna()
    if volumes.empty:
        return []
    volume = float(volumes.iloc[0]) / 1000
    low, high = BRAIN_ML
    text = f'{volume:.0f} mL'
    if low <= volume <= high:
        limit = f'look outside {low:.0f} to {high:.0f} mL'
        return [Check(Status.GOOD, 'Brain volume', text, limit=limit)]
    text = f'{text}, outside {low:.0f} to {high:.0f} mL: check the brain mask'
    return [Check(Status.NOTE, 'Brain volume', text)]


def _contrast_check(both: pd.DataFrame) -> list[Check]:
    """Iron makes the pallidum the brighter of the two, unless the phase has the wrong sign."""
    difference = iron_contrast(both)
    if math.isnan(difference):
        return []
    size = f'{fixed(0)(abs(difference))} ppb'
    if difference > 0:
        limit = 'in adults the pallidum holds more iron than the thalamus'
        text = f'pallidum {size} above thalamus'
        return [Check(Status.GOOD, 'Iron contrast', text, limit=limit)]
    text = f'pallidum {size} below thalamus: the sign of the phase may be inverted'
    return [Check(Status.BAD, 'Iron contrast', text, 'iron_contrast')]


def run_checks(
    regions: pd.DataFrame, warnings: Sequence[str], quality: Mapping[str, Any]
) -> list[Check]:
    """All checks of a run.

    Parameters
    ----------
    regions, warnings
        As in `region_checks`.
    quality
        Measures of `quality.quality_measures`, by name.
    """
    return [
        *region_checks(regions, warnings),
        *registration_check(quality),
        *head_check(quality),
        *phase_check(quality),
        *fringe_check(quality),
    ]


def registration_check(quality: Mapping[str, Any]) -> list[Check]:
    """Whether template, T1w image and gradient echo lie on each other.

    Parameters as in `phase_check`; none where neither was measured.
    """
    overlap, shared = quality.get('prior_overlap'), quality.get('nmi')
    told = []  # what it is, whether it is enough, and the limit
    if overlap is not None:
        text = f'the template’s brain overlaps the T1w image’s by {percent(overlap)} %'
        least = f'below {percent(LEAST_PRIOR_OVERLAP)} %'
        told.append((text, overlap >= LEAST_PRIOR_OVERLAP, least))
    if shared is not None:
        text = f'the normalised mutual information of T1w image and gradient echo is {shared:.3f}'
        told.append((text, shared >= LEAST_NMI, f'below {LEAST_NMI:g}'))
    if not told:
        return []
    title = 'Registration'
    failed = '; '.join(f'{text}, {least}' for text, enough, least in told if not enough)
    if failed:
        return [Check(Status.BAD, title, f'seems to have failed: {failed}', 'registration')]
    limit = f'a problem {" or ".join(least for *_, least in told)}'
    return [Check(Status.GOOD, title, ', '.join(text for text, _, _ in told), limit=limit)]


def fringe_check(quality: Mapping[str, Any]) -> list[Check]:
    """Whether the phase can be unwrapped; parameters as in `phase_check`.

    A high-pass filter leaves such lines, too, where what it divides by vanishes: told as a filter.
    """
    length = quality.get('open_fringe_mm')
    if length is None or length < LEAST_LINE_MM or quality.get('phase_filtered'):
        return []
    text = f'turn about a line of {length:.0f} mm through tissue: the map is wrong around there'
    return [Check(Status.BAD, 'Fringes of the phase', text, 'open_fringes')]


def head_check(quality: Mapping[str, Any]) -> list[Check]:
    """Whether gradient echo and T1w image show one head; none where that was not measured.

    Parameters as in `phase_check`.
    """
    misfit, stretch = quality.get('misfit_mm'), quality.get('stretch')
    if misfit is None or stretch is None:
        return []
    title = 'Gradient echo and T1w'
    told = (
        f'an affine fit moves the brain by {misfit:.1f} mm and stretches it by '
        f'{100 * (stretch - 1):.0f} %'
    )
    if shows_another_head(quality):
        text = f'seem to be of different people: {told}'
        return [Check(Status.BAD, title, text, 'other_head')]
    stretched = f'{100 * (MOST_STRETCH - 1):.0f} %'
    limit = f'a problem if both more than {MOST_MISFIT_MM} mm and more than {stretched}'
    return [Check(Status.GOOD, title, f'of one head: {told}', limit=limit)]


def phase_check(quality: Mapping[str, Any]) -> list[Check]:
    """What the field of the head itself says of the phase; none where that was not tested.

    Parameters
    ----------
    quality
        Measures of `quality.quality_measures`, by name.
    """
    r = quality.get('sign_correlation')
    if r is None:
        return []
    told = f'correlation {r:.2f} with the field that the head itself makes'
    if quality.get('phase_filtered'):
        text = 'high-pass filtered; nuclei read far too low'
        return [Check(Status.BAD, 'Phase', text, 'phase_filtered')]
    if quality.get('phase_inverted'):
        return [Check(Status.NOTE, 'Sign of the phase', f'turned; then {told}')]
    if r <= -STRONG:
        text = f'inverted, and kept; {told}'
        return [Check(Status.BAD, 'Sign of the phase', text, 'phase_sign')]
    if r < STRONG:
        return [Check(Status.GOOD, 'Sign of the phase', f'kept; {told}, which says little')]
    return [Check(Status.GOOD, 'Sign of the phase', f'as stored; {told}')]


def problems_of(regions: pd.DataFrame, quality: Mapping[str, Any]) -> list[str]:
    """Names, of `PROBLEMS`, of what the page of a run calls a problem.

    Parameters
    ----------
    regions, quality
        As in `run_checks`.
    """
    checks = run_checks(regions, (), quality)
    return [check.problem for check in checks if check.status is Status.BAD]


def verdict(checks: Sequence[Check]) -> Verdict:
    """The worst state, and how many checks are in it."""
    bad, notes = (sum(c.status is s for c in checks) for s in (Status.BAD, Status.NOTE))
    if bad:
        return Verdict(Status.BAD, counted(bad, 'problem'))
    if notes:
        return Verdict(Status.NOTE, f'{counted(notes, "check")} to review')
    return Verdict(Status.GOOD, 'all checks passed')
