"""How far each person's values lie from those of the reference group."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .values import PLACE

UNUSUAL = 2.0
"""Standard deviations beyond which a value is unusual among those of the reference group, as
clinical laboratories have it: of a normal distribution known exactly, 4.6 % lie further off."""
LEAST_OTHERS = 5
"""People from which on a spread is told: of four, even the order of its size is not known."""
DEVIATION_COLUMNS = (
    'participant_id', 'group', *PLACE, 'value', 'reference_group', 'n_reference', 'reference_mean',
    'reference_sd', 'reference_low', 'reference_high', 'sds_away',
)  # fmt: skip


def deviation_table(values: pd.DataFrame, reference_group: str) -> pd.DataFrame:
    """Each value beside those of the reference group, to which its own person never counts.

    Parameters
    ----------
    values
        Rows of `participant_id`, `group`, `measure`, `region`, `hemisphere`, `value`; NaN where
        unknown. In any order, which the result keeps.
    reference_group
        Group whose people the others, and each of its own the rest, are compared with.

    Returns
    -------
    DataFrame
        `DEVIATION_COLUMNS`: how many others there are, their mean, standard deviation (ddof 1),
        lowest and highest value, and the value less the mean in standard deviations; this one and
        the deviation are NaN where fewer than `LEAST_OTHERS` are known or all are alike.

    Notes
    -----
    Nothing is adjusted for: neither age nor sex. Of few people the mean and standard deviation are
    themselves uncertain, which `chance_beyond` takes into account.

    Examples
    --------
    >>> values = pd.DataFrame({
    ...     'participant_id': ['a', 'b', 'c', 'd', 'e', 'f'], 'group': [*['HC'] * 5, 'MS'],
    ...     'measure': 'chi_mean', 'region': 'putamen', 'hemisphere': 'both',
    ...     'value': [0.0, 1, 2, 3, 4, 7]})
    >>> found = deviation_table(values, 'HC').iloc[-1]
    >>> int(found.n_reference), float(found.reference_mean), round(float(found.sds_away), 2)
    (5, 2.0, 3.16)
    """
    parts = []
    for _, rows in values.groupby(list(PLACE), sort=False):
        inside = (rows['group'] == reference_group).to_numpy()
        beside = _others(rows['value'].to_numpy(float), inside)
        parts.append(rows.assign(reference_group=reference_group, **beside))
    if not parts:
        return pd.DataFrame(columns=list(DEVIATION_COLUMNS))
    return pd.concat(parts).sort_index()[list(DEVIATION_COLUMNS)]


def _others(
    values: NDArray[np.float64], inside: NDArray[np.bool_]
) -> dict[str, NDArray[np.generic]]:
    """Columns on the others of the reference group, one entry per value.

    Parameters
    ----------
    values
        (people,)
    inside
        Who belongs to the reference group, (people,).
    """
    counts = inside & np.isfinite(values)
    known = np.sort(values[counts])
    n = known.size - counts
    centre = known.mean() if known.size else np.nan
    apart = values - centre
    with np.errstate(divide='ignore', invalid='ignore'):
        # what is left of sum and squares without the person's own value, without a loop
        mean = centre - np.where(counts, apart / n, 0.0)
        squares = np.sum((known - centre) ** 2)
        squares = squares - np.where(counts, apart**2 * known.size / n, 0.0)
        sd = np.sqrt(np.maximum(squares, 0.0) / (n - 1))
    ends = np.full(2, np.nan), np.full(2, np.nan)
    ends[0][: min(2, known.size)], ends[1][: min(2, known.size)] = known[:2], known[::-1][:2]
    low, high = (np.where(counts & (values == e[0]), e[1], e[0]) for e in ends)
    told = (n >= LEAST_OTHERS) & (sd > 1e-9 * np.abs(mean))
    sd = np.where(told, sd, np.nan)
    return {
        'n_reference': n, 'reference_mean': mean, 'reference_sd': sd, 'reference_low': low,
        'reference_high': high, 'sds_away': (values - mean) / sd,
    }  # fmt: skip


def chance_beyond(n: int, sds: float = UNUSUAL) -> float:
    """How often somebody of the same people lies so many standard deviations off, to either side.

    Parameters
    ----------
    n
        People of whom mean and standard deviation are known, at least 2.
    sds
        Standard deviations.

    Notes
    -----
    Crawford & Howell 1998 (doi 10.1076/clin.12.4.482.7241): the difference over the standard
    deviation, divided by sqrt(1 + 1 / n), follows Student's t with n - 1 degrees of freedom.

    Examples
    --------
    >>> round(chance_beyond(10), 3), round(chance_beyond(100_000), 4)
    (0.089, 0.0455)
    """
    from scipy.stats import t

    return float(2 * t.sf(sds / np.sqrt(1 + 1 / n), n - 1))
