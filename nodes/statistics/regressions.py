"""What each covariate of the models goes along with: slopes and differences between levels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import NigraError
from .ancova import CONFIDENCE, Ancova, Design, make_design
from .covariates import Covariate, covariate_columns
from .multiplicity import adjust_families
from .sample import Sample
from .values import PLACE

REGRESSION_COLUMNS = (
    'measure', 'region', 'hemisphere', 'covariate', 'level', 'formula', 'n', 'slope', 'ci_low',
    'ci_high', 'statistic', 'df_num', 'df_den', 'p', 'p_adjusted', 'r_partial', 'p_hc3', 'note',
)  # fmt: skip


@dataclass(frozen=True)
class DesignColumn:
    """A coefficient of a covariate in a `Design`.

    Attributes
    ----------
    covariate
        Whose it is.
    place
        Of the column in the design.
    unit
        What the column was divided by.
    level
        Of a category, less its first level; None for amounts.
    """

    covariate: Covariate
    place: int
    unit: float
    level: str | None

    @property
    def name(self) -> str:
        """For people and files."""
        return f'{self.covariate.name} {self.level}' if self.level else self.covariate.name


def covariate_table(sample: Sample) -> pd.DataFrame:
    """Regression of every measure, region and hemisphere on the covariates of the models.

    The models are those of the groups, whose means each group has of its own; in a study of one
    group they are plain multiple regressions.

    Parameters
    ----------
    sample
        From `make_sample`.

    Returns
    -------
    DataFrame
        `REGRESSION_COLUMNS`: for amounts the slope per unit; for a category of two levels the
        second less the first; for more levels an F test of all, whose rows of single levels are
        not adjusted for their number. `r_partial` is the correlation of what group and other
        covariates leave of value and covariate.
    """
    rows: list[dict[str, Any]] = []
    known: dict[bytes, tuple[Design, list[DesignColumn]]] = {}
    for key in sample.values.columns if sample.covariates else ():
        values = sample.values[key].to_numpy(float)
        used, _ = sample.with_values(values)
        if used.tobytes() not in known:
            known[used.tobytes()] = design_columns(sample, used)
        shared = {**dict(zip(PLACE, key, strict=True)), 'formula': sample.formula,
                  'n': int(used.sum())}  # fmt: skip
        found = _one_model(sample, values[used], *known[used.tobytes()])
        rows += [{**shared, **row} for row in found]
    table = pd.DataFrame(rows).reindex(columns=[*REGRESSION_COLUMNS, 'part'])
    # single levels describe what the joint test of their covariate found
    whole = table.pop('part').isna()
    table['p_adjusted'] = adjust_families(table[whole], ('measure', 'covariate'))
    return table


def design_columns(sample: Sample, used: NDArray[np.bool_]) -> tuple[Design, list[DesignColumn]]:
    """Design of some participants, and what its columns behind the groups are."""
    labels, people = sample.labels[used], sample.people[used]
    design = make_design(labels, people, sample.groups, sample.covariates)
    columns: list[DesignColumn] = []
    for covariate in sample.covariates if design.groups else ():
        values = people[covariate.name]
        start = len(design.groups) + len(columns)
        if not covariate.categorical:
            unit = float(values.to_numpy(float).std()) or 1.0
            columns.append(DesignColumn(covariate, start, unit, None))
            continue
        levels = sorted(values.astype(str).unique())
        count = covariate_columns(values, covariate).shape[1]
        columns += [
            DesignColumn(covariate, start + i, 1.0, f'{levels[i + 1]} - {levels[0]}')
            for i in range(count)
        ]
    return design, columns


def _one_model(
    sample: Sample, values: NDArray[np.float64], design: Design, columns: list[DesignColumn]
) -> list[dict[str, Any]]:
    """Rows of all covariates in one model; `part` marks the levels behind a joint test."""
    try:
        model = Ancova(values, design)
    except NigraError as error:
        note = f'not tested: {error}'
        return [{'covariate': covariate.name, 'note': note} for covariate in sample.covariates]
    rows: list[dict[str, Any]] = []
    for covariate in sample.covariates:
        own = [column for column in columns if column.covariate == covariate]
        joint = [_joint(model, own)] if len(own) > 1 else []
        part = {'part': True} if joint else {}
        rows += [*joint, *({**_slope(model, column), **part} for column in own)]
    return rows


def _joint(model: Ancova, columns: list[DesignColumn]) -> dict[str, Any]:
    """F test that all levels of a category are alike."""
    hypothesis = np.zeros((len(columns), model.design.matrix.shape[1]))
    for line, column in zip(hypothesis, columns, strict=True):
        line[column.place] = 1
    test = model.fit.f_test(hypothesis)
    return {
        'covariate': columns[0].covariate.name, 'statistic': float(np.squeeze(test.fvalue)),
        'df_num': float(len(columns)), 'df_den': float(test.df_denom), 'p': float(test.pvalue),
        'p_hc3': float(model.robust.f_test(hypothesis).pvalue) if model.robust else np.nan,
    }  # fmt: skip


def _slope(model: Ancova, column: DesignColumn) -> dict[str, Any]:
    """Change per unit of an amount, or of one level less the first."""
    weights = np.zeros(model.design.matrix.shape[1])
    weights[column.place] = 1 / column.unit  # per year rather than per standard deviation
    test = model.fit.t_test(weights)
    low, high = np.squeeze(test.conf_int(alpha=1 - CONFIDENCE))
    t, df = float(np.squeeze(test.tvalue)), float(model.fit.df_resid)
    robust = model.robust.t_test(weights) if model.robust else None
    return {
        'covariate': column.covariate.name, 'level': column.level,
        'slope': float(np.squeeze(test.effect)), 'ci_low': float(low), 'ci_high': float(high),
        'statistic': t, 'df_num': 1.0, 'df_den': df, 'p': float(np.squeeze(test.pvalue)),
        # the square of t over that of t and its degrees of freedom is the partial R2
        'r_partial': t / np.hypot(t, np.sqrt(df)),
        'p_hc3': float(np.squeeze(robust.pvalue)) if robust else np.nan,
    }  # fmt: skip
