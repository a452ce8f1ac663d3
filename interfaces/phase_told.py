"""What is told of the phase of several runs: in the log, and on the group page."""

from __future__ import annotations

import pandas as pd

from ..nodes.field.sign import STRONG
from ..nodes.statistics.values import VISIT, name_some


def phase_warnings(table: pd.DataFrame) -> list[str]:
    """Sentences on runs whose phase was repaired or is in doubt.

    Parameters
    ----------
    table
        Quality of runs, as `quality.gather_quality` gives it.
    """
    if table.empty:
        return []
    inverted = table.phase_inverted == 1
    told = [
        _sentence(table, inverted, 'had the sign of the phase turned'),
        _sentence(
            table,
            table.iron_contrast_ppb < 0,
            'show the pallidum darker than the thalamus, as a wrong sign of the phase does',
        ),
        _sentence(
            table,
            (table.sign_correlation <= -STRONG) & (table.phase_filtered != 1),
            'have a phase whose sign the field of the head itself speaks against',
        ),
        _sentence(
            table,
            table.phase_filtered == 1,
            'have a phase that was high-pass filtered, so that nuclei read far too low',
        ),
        _sentence(table, table.slices_aligned == 1, 'had a phase that jumped from slice to slice'),
    ]
    if inverted.any() and not inverted.all():
        told.append(
            'Signs of the phase are mixed within the study: some runs were turned and others were '
            'not; look whether they come from different scanners or exports.'
        )
    return [sentence for sentence in told if sentence]


def _sentence(table: pd.DataFrame, found: pd.Series, what: str) -> str:
    """How many runs were found, what with, and who they are."""
    if not found.any():
        return ''
    who = name_some(
        '_'.join(str(v) for v in row if not pd.isna(v))
        for row in table.loc[found, list(VISIT)].itertuples(index=False)
    )
    return f'{int(found.sum())} of {len(table)} runs {what} ({who}).'
