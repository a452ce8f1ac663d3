"""Scanners and sites: told where they go along with the groups, and harmonised by ComBat."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from ..errors import InputError, NigraError, how_to_install
from .covariates import Covariate, covariate_columns, group_columns

SITE_NAMES = frozenset([
    'site', 'siteid', 'scanner', 'scannerid', 'scannermodel', 'center', 'centre', 'centerid',
    'centreid', 'acquisitionsite', 'acquisitioncenter', 'hospital', 'manufacturer',
])  # fmt: skip
"""Names that columns of scanners go by, in lower case and without anything but letters."""

MIN_SITE = 3
"""Fewest participants of a site whose mean and spread are estimated."""


def site_warnings(
    people: pd.DataFrame, labels: pd.Series, used: Sequence[str | None]
) -> list[str]:
    """Tell of columns of scanners with several values, and of those that go along with the group.

    Parameters
    ----------
    people
        Columns of the participants' table.
    labels
        Group of the same participants.
    used
        Columns that the models take into account.
    """
    warnings = []
    for name in people.columns:
        # by its name: any column with few values might be a scanner's, and few are
        if re.sub(r'[^a-z]', '', str(name).casefold()) not in SITE_NAMES:
            continue
        sites = site_labels(people[name])
        counts = sites.value_counts()
        if len(counts) < 2:
            continue
        shown = ', '.join(f'{site} {n}' for site, n in counts.sort_index().items())
        if name not in used:
            warnings.append(
                f'There are several values of {name} ({shown}), which no model takes into '
                f'account: --harmonise {name} or --covariates would.'
            )
        table = pd.crosstab(sites, labels)
        if table.shape[1] > 1:
            # a warning only: the rank of the design decides whether sites can be taken out
            strength, p = association(table.to_numpy())
            if p < 0.05:
                warnings.append(
                    f'{name} goes along with the group (Cramér’s V {strength:.2f}, p {p:.2g}; '
                    f'{_cells(table)}), so that differences between groups may be differences '
                    f'between scanners.'
                )
    return warnings


def _cells(table: pd.DataFrame) -> str:
    return '; '.join(
        f'{site}: {", ".join(f"{n} {group}" for group, n in row.items() if n)}'
        for site, row in table.iterrows()
    )


def association(table: np.ndarray) -> tuple[float, float]:
    """Cramér's V of a table of counts, and the p of Pearson's chi-squared test.

    Examples
    --------
    >>> strength, p = association(np.array([[10, 0], [0, 10]]))
    >>> round(strength, 3), p < 1e-4
    (1.0, True)
    """
    # V = sqrt(chi^2 / (n (k - 1))) is defined by the statistic without Yates' correction
    found = stats.chi2_contingency(table, correction=False)
    strength = np.sqrt(found.statistic / (table.sum() * (min(table.shape) - 1)))
    return float(strength), float(found.pvalue)


def site_labels(values: pd.Series) -> pd.Series:
    """Sites as text, numbers without decimals; missing ones stay missing."""
    return values.map(lambda v: f'{v:g}' if isinstance(v, float) else str(v), na_action='ignore')


def check_sites(
    sites: pd.Series, labels: pd.Series, people: pd.DataFrame, covariates: Sequence[Covariate],
    column: str,
) -> None:  # fmt: skip
    """Make sure that sites can be told from groups and covariates.

    Parameters
    ----------
    sites, labels, people
        Of participants with site, group and all covariates.
    covariates
        Columns of `people`.
    column
        For messages.

    Raises
    ------
    InputError
        There is one site, one is too small, or they are confounded with the groups.
    """
    counts = sites.value_counts()
    option = f'--harmonise {column}'
    if len(counts) < 2:
        found = f'holds only {counts.index[0]!r}' if len(counts) else 'holds no value'
        raise InputError(option, found, 'leave the option out')
    if counts.min() < MIN_SITE:
        raise InputError(
            option,
            f'has {counts.min()} participants with all covariates at {counts.idxmin()!r}, too few '
            'for its mean and spread',
            f'leave out sites with fewer than {MIN_SITE} participants (group n/a), or the option',
        )
    # sites must add their full rank to the design, else their effect is also the groups'
    kept = [group_columns(labels, sorted(labels.unique()))]
    kept += [covariate_columns(people[c.name], c) for c in covariates]
    alone = covariate_columns(sites, Covariate(column, True))
    both = np.hstack([*kept, alone])
    if np.linalg.matrix_rank(both) < np.linalg.matrix_rank(np.hstack(kept)) + alone.shape[1]:
        raise InputError(
            option,
            f'cannot be told from group and covariates ({_cells(pd.crosstab(sites, labels))})',
            'leave the option out: no statistics can separate scanners from groups here',
        )


def harmonise(
    values: pd.DataFrame, sites: pd.Series, labels: pd.Series, people: pd.DataFrame,
    covariates: Sequence[Covariate],
) -> pd.DataFrame:  # fmt: skip
    """Values without the differences in mean and spread between sites.

    Group and covariates are part of the model, so that what they explain stays.

    Parameters
    ----------
    values
        Participants by (measure, region, hemisphere); each measure is harmonised by itself.
    sites, labels, people
        Of the same participants, complete.
    covariates
        Columns of `people`.

    Raises
    ------
    NigraError
        The package that does it is not installed.

    Notes
    -----
    ComBat (Johnson et al. 2007, doi 10.1093/biostatistics/kxj037; Fortin et al. 2018, doi
    10.1016/j.neuroimage.2017.11.024) by the package combatlearn. A missing value takes the mean of
    its group for the estimation of the others and stays missing.
    """
    try:
        from combatlearn import ComBat
    except ImportError as error:
        raise NigraError(
            'harmonising needs the package combatlearn, which is not installed; '
            + how_to_install('combatlearn')
        ) from error
    # what ComBat must keep: group and covariates are in its model (Fortin et al. 2018)
    discrete = pd.DataFrame({'group': labels}).assign(
        **{c.name: people[c.name].astype(str) for c in covariates if c.categorical}
    )
    amounts = people[[c.name for c in covariates if not c.categorical]].astype(float)
    out = values.copy()
    for measure in dict.fromkeys(values.columns.get_level_values(0)):
        own = values[[measure]]
        # a constant column has no variance to be standardised by
        own = own.loc[:, own.notna().any() & (own.nunique() > 1)]
        if own.shape[1] < 2:
            continue  # empirical Bayes pools over regions, and there is but one
        model = ComBat(
            batch=sites,
            discrete_covariates=discrete,
            continuous_covariates=None if amounts.empty else amounts,
            method='fortin',
        )
        found = np.asarray(model.fit_transform(_filled(own, labels)), float)
        out[own.columns] = np.where(own.isna(), np.nan, found)
    return out


def _filled(values: pd.DataFrame, labels: pd.Series) -> pd.DataFrame:
    """Values without gaps, under plain names: the mean of the group stands in, else of all."""
    filled = values.fillna(values.groupby(labels).transform('mean')).fillna(values.mean())
    # combatlearn takes no columns of several levels
    return filled.set_axis([str(i) for i in range(filled.shape[1])], axis=1)
