"""What a group comparison asks: chosen by its user before any value is seen."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, fields

from ..errors import InputError
from .measures import DEFAULT_MEASURES, MEASURES

PERMUTATIONS, BOOTSTRAPS, VOXEL_PERMUTATIONS = 5000, 2000, 1000
"""How many the command draws unless told otherwise; a `Question` by itself asks for none."""
MOST_DRAWS = 10_000_000
"""The most that may be asked for; the chance error of a p of .05 is then below .0001."""


@dataclass(frozen=True)
class Question:
    """Who is compared with whom, in what, and adjusted for what.

    Attributes
    ----------
    group_column
        Column of groups.
    groups
        Levels to compare; None for all.
    reference_group
        Level that others are compared with; None for one named like controls, else the first.
    contrasts
        As `parse_contrast` reads them; None for all pairs.
    covariates
        Columns to adjust for; `C(name)` treats numbers as categories. None for age and sex where
        they are present and vary.
    interactions
        Covariates whose effect may differ between groups, each tested in a model of its own.
    scores
        Clinical scores to correlate; None for `edss` where it is present.
    measures
        Of `measures.MEASURES`.
    regions
        Regions to compare; None for all but the fine parts of nuclei.
    harmonise
        Column of scanners or sites whose differences are taken out; None for none.
    permutations, bootstraps
        Drawn for permutation tests and bootstrap intervals; 0 for none.
    voxelwise
        Permutations of the voxel-wise comparison; 0 for none.
    smoothing
        Full width at half maximum of the smoothing before that, mm; by default about the width of
        the substantia nigra.
    seed
        Of the drawing.
    """

    group_column: str = 'group'
    groups: tuple[str, ...] | None = None
    reference_group: str | None = None
    contrasts: tuple[str, ...] | None = None
    covariates: tuple[str, ...] | None = None
    interactions: tuple[str, ...] = ()
    scores: tuple[str, ...] | None = None
    measures: tuple[str, ...] = DEFAULT_MEASURES
    regions: tuple[str, ...] | None = None
    harmonise: str | None = None
    permutations: int = 0
    bootstraps: int = 0
    voxelwise: int = 0
    smoothing: float = 3.0
    seed: int = 1

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, tuple):  # given twice, it is asked once
                object.__setattr__(self, field.name, tuple(dict.fromkeys(value)))
        unknown = [m for m in self.measures if m not in MEASURES]
        if unknown or not self.measures:
            raise InputError(
                f'--measures {unknown[0] if unknown else ""}'.strip(),
                'is no measure that can be compared' if unknown else 'names none',
                f'give some of {", ".join(MEASURES)}',
            )


@dataclass(frozen=True)
class GroupContrast:
    """Mean of some groups less the mean of others, each group counting alike.

    Attributes
    ----------
    name
        As in the tables, `A - B` or `A + B - C`.
    first, second
        Groups on either side.
    """

    name: str
    first: tuple[str, ...]
    second: tuple[str, ...]

    @property
    def columns(self) -> dict[str, str]:
        """How every table names it: as a whole, and by its two sides."""
        sides = {'group_a': ' + '.join(self.first), 'group_b': ' + '.join(self.second)}
        return {'contrast': self.name, **sides}

    @property
    def sides(self) -> tuple[tuple[str, ...], ...]:
        """The groups on either side."""
        return (self.first, self.second)

    @property
    def groups(self) -> frozenset[str]:
        """All that take part."""
        return frozenset([*self.first, *self.second])

    @property
    def is_pair(self) -> bool:
        """Whether one group is compared with one other."""
        return len(self.first) == len(self.second) == 1


def parse_contrast(text: str, groups: Sequence[str]) -> GroupContrast:
    """Read a contrast such as `NMO - HC`, or `NMO + RRMS - HC` for both diseases' mean less HC.

    Signs have spaces around them, so that names may hold signs of their own.

    Parameters
    ----------
    text
        As typed.
    groups
        Levels that may take part.

    Raises
    ------
    InputError
        It names an unknown group, a group twice, or has no single minus.

    Examples
    --------
    >>> parse_contrast('A+ + B - C', ['A+', 'B', 'C'])
    GroupContrast(name='A+ + B - C', first=('A+', 'B'), second=('C',))
    """
    # only signs with spaces count: a group may be called `AQP4-` or `MOG+`
    sides = [tuple(p.strip() for p in side.split(' + ')) for side in text.split(' - ')]
    names = [name for side in sides for name in side]
    fix = f'write it as A - B or A + B - C with groups of {", ".join(groups)}'
    if len(sides) != 2:
        raise InputError(f'--contrasts {text!r}', 'is not one side minus another', fix)
    for name in names:
        if name not in groups:
            raise InputError(f'--contrasts {text!r}', f'names {name!r}, which is no group', fix)
    if len(set(names)) < len(names):
        raise InputError(f'--contrasts {text!r}', 'names a group twice', fix)
    return GroupContrast(' - '.join(' + '.join(side) for side in sides), *sides)


def choose_contrasts(
    asked: Sequence[str] | None, groups: Sequence[str]
) -> tuple[GroupContrast, ...]:
    """Contrasts asked for, in that order, or all pairs.

    Of all pairs, those with the last of the groups come first: it is the reference group, and
    what differs from healthy people is what readers ask first. An earlier group stands before the
    minus, so that a patient's is less a control's.
    """
    if asked is None:
        pairs = sorted(itertools.combinations(groups, 2), key=lambda pair: pair[1] != groups[-1])
        return tuple(GroupContrast(f'{a} - {b}', (a,), (b,)) for a, b in pairs)
    found = [parse_contrast(text, groups) for text in asked]
    # asked for twice, it would pay twice in its family; the order of a side does not matter
    different: dict[tuple[frozenset[str], ...], GroupContrast] = {}
    for contrast in found:
        different.setdefault((frozenset(contrast.first), frozenset(contrast.second)), contrast)
    return tuple(different.values())
