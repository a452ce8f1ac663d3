"""Values of the participants' table that look as if they informed and do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .values import name_some

SENTINELS = frozenset(
    [-1.0, *(-float(digit * n) for digit in '789' for n in range(1, 6)),
     *(float(digit * n) for digit in '89' for n in range(2, 6))]
)  # fmt: skip
"""Numbers that studies write where they know nothing: -1, -7 to -9, 88, 99, 999 and their like."""
APART = 5.0
"""Distance from the median, in robust standard deviations, from which such a number is taken for
a sign: what fits among the others (an age of 88, a score of 9) stands for itself."""
_CONSISTENT = 1.4826
"""The median absolute deviation of normal values times this is their standard deviation."""


@dataclass(frozen=True)
class Doubt:
    """One value that is worth a look.

    Attributes
    ----------
    column
        Where it stands.
    kind
        `sentinel`, or `single` for a category with one member.
    value
        As in the table.
    people
        Who has it.
    """

    column: str
    kind: str
    value: str
    people: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """For people."""
        who = name_some(self.people)
        if self.kind == 'sentinel':
            return (
                f'{self.column} is {self.value} for {who}, far from everyone else: it looks like '
                'a sign for a missing value and enters as a number; write n/a where it is one.'
            )
        return (
            f'{who} alone has {self.value} as {self.column}: a model that adjusts for it fits '
            'this participant exactly (leverage 1), who then says nothing about the groups.'
        )


def doubtful_values(
    people: pd.DataFrame, columns: Sequence[str], *, categories: Sequence[str] = ()
) -> list[Doubt]:
    """Sentinels among numbers, and categories with a single member.

    Parameters
    ----------
    people
        One row per participant, the index their names; numbers as numbers, NaN or None where
        missing.
    columns
        To look at: covariates, scores, sites.
    categories
        Those of them whose numbers are names.

    Examples
    --------
    >>> table = pd.DataFrame({'age': [31, 44, 52, -999], 'sex': list('FMFF')}, list('abcd'))
    >>> [(d.column, d.kind, d.value, d.people) for d in doubtful_values(table, ['age', 'sex'])]
    [('age', 'sentinel', '-999', ('d',)), ('sex', 'single', 'M', ('b',))]
    """
    found: list[Doubt] = []
    for name in columns:
        known = people[name].dropna()
        amounts = pd.api.types.is_numeric_dtype(known) and name not in categories
        found += _sentinels(known) if amounts else _singles(known)
    return found


def _sentinels(known: pd.Series) -> list[Doubt]:
    """Numbers that look like signs, each with those who have it."""
    values = known.to_numpy(float)
    doubts = []
    for number in sorted(set(values) & SENTINELS):
        others = values[~np.isin(values, list(SENTINELS))]
        if others.size < 2:
            continue  # a column of ones and nines is a code of its own
        middle = float(np.median(others))
        spread = _CONSISTENT * float(np.median(np.abs(others - middle)))
        # a negative number where there is no other needs no distance
        apart = number < 0 <= others.min() or abs(number - middle) > APART * spread
        if apart and not others.min() <= number <= others.max():
            who = tuple(map(str, known.index[values == number]))
            doubts.append(Doubt(str(known.name), 'sentinel', f'{number:g}', who))
    return doubts


def _singles(known: pd.Series) -> list[Doubt]:
    """Categories with one member, where there are categories at all."""
    text = known.astype(str)
    counts = text.value_counts()
    # names and remarks, or one category for everyone
    if not 1 < counts.size <= 2 * len(text) / 3:
        return []
    return [
        Doubt(str(known.name), 'single', level, (str(text.index[text == level][0]),))
        for level in sorted(counts.index[counts == 1])
    ]
