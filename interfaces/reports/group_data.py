"""The group level's tables as the report reads them, and how measures are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ..tables import read_table, readable

MEASURES = {
    'chi_mean': ('mean susceptibility', 'ppb', 'higher', 'lower'),
    'chi_median': ('median susceptibility', 'ppb', 'higher', 'lower'),
    'chi_pvc': ('corrected susceptibility', 'ppb', 'higher', 'lower'),
    'chi_high': ('susceptibility of the iron-rich part', 'ppb', 'higher', 'lower'),
    'chi_total': ('total susceptibility', 'ppb mL', 'higher', 'lower'),
    'r2star_mean': ('R2*', '1/s', 'higher', 'lower'),
    'iron_mean': ('iron', 'mg/kg', 'higher', 'lower'),
    'volume_mm3': ('volume', 'mm³', 'larger', 'smaller'),
    'volume_normalised': ('normalised volume', 'mm³/L', 'larger', 'smaller'),
}
"""Name, unit and words for more and less, by measure."""
MEANINGS = {
    'chi_mean': 'parts per billion, relative to the reference region',
    'chi_median': 'parts per billion, relative to the reference region',
    'chi_pvc': 'parts per billion, freed from what shares the voxels of the nucleus',
    'chi_high': 'mean of the uppermost quarter of the voxels',
    'chi_total': 'mean susceptibility times volume',
    'r2star_mean': 'mean transverse relaxation rate',
    'iron_mean': 'milligrams per kilogram of wet tissue, above the reference region',
    'volume_normalised': 'mm³ of nucleus per litre of brain',
}
_NEEDS = {
    'regions': ('participant_id',),
    'models': ('measure', 'region'),
    'contrasts': ('measure', 'region', 'contrast', 'estimate', 'ci_low', 'ci_high', 'p_adjusted'),
    'correlations': ('measure', 'region', 'group', 'score'),
    'values': ('participant_id', 'group', 'measure', 'region', 'hemisphere', 'value'),
    'exclusions': ('participant_id', 'reason'),
    'sides': ('measure', 'region', 'effect', 'p_adjusted'),
    'interactions': ('measure', 'region', 'covariate', 'p_adjusted'),
}
"""Columns without which a table is the wrong one."""
_OPTIONAL = ('exclusions', 'sides', 'interactions')


@dataclass(frozen=True)
class GroupData:
    """Tables of the group level and what they were made with.

    Attributes
    ----------
    people
        One row per participant with the columns of the participants' table.
    models, contrasts, correlations, sides, interactions, exclusions
        As saved.
    values
        What entered the models, left and right together.
    settings
        From `nodes.stats.compare_groups`.
    """

    people: pd.DataFrame
    models: pd.DataFrame
    contrasts: pd.DataFrame
    correlations: pd.DataFrame
    sides: pd.DataFrame
    interactions: pd.DataFrame
    exclusions: pd.DataFrame
    values: pd.DataFrame
    settings: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, tables: Mapping[str, str | Path], settings: Mapping[str, Any]) -> GroupData:
        """Read the tables; group labels stay text even where they look like numbers.

        Parameters
        ----------
        tables
            Paths by name; exclusions, sides and interactions may be absent.
        settings
            From `nodes.stats.compare_groups`.

        Raises
        ------
        InputError
            A table is missing or the wrong one.
        """
        column = str(settings.get('group_column', 'group'))
        text = (column, 'group', 'contrast', 'effect', 'measure', 'score', 'reason', 'covariate')
        found: dict[str, pd.DataFrame] = {}
        for name, needs in _NEEDS.items():
            if name not in tables and name in _OPTIONAL:
                found[name] = pd.DataFrame(columns=list(needs))
                continue
            extra = (column,) if name == 'regions' else ()
            found[name] = read_table(tables[name], text=text, needs=(*needs, *extra))
        regions = found.pop('regions')
        values = found.pop('values')
        return cls(
            people=regions.drop_duplicates('participant_id'),
            values=values[values['hemisphere'] == 'both'],
            settings=settings,
            **found,
        )

    @property
    def group_column(self) -> str:
        """Column of the participants' table that holds the groups."""
        return str(self.settings.get('group_column', 'group'))

    @property
    def alpha(self) -> float:
        """Adjusted p below which a difference counts as significant."""
        return float(self.settings.get('alpha', 0.05))

    @property
    def groups(self) -> list[str]:
        """Group labels, the reference group last."""
        labels = self.settings.get('groups') or self.people[self.group_column].dropna().unique()
        reference = self.settings.get('reference_group')
        return [g for g in sorted(labels) if g != reference] + [
            g for g in labels if g == reference
        ]

    @property
    def compared(self) -> pd.DataFrame:
        """People who belong to a group that is compared and were not left out."""
        out = self.people['participant_id'].isin(self._left_out)
        return self.people[self.people[self.group_column].isin(self.groups) & ~out]

    @property
    def _left_out(self) -> pd.Series:
        """Who is left out of every model, not of single ones."""
        single = self.exclusions['reason'].astype(str).str.endswith('left out of these models')
        return self.exclusions.loc[~single, 'participant_id']

    @property
    def measures(self) -> list[str]:
        """Measures compared, in the order of their table."""
        return list(dict.fromkeys([*self.contrasts['measure'], *self.values['measure']]))

    @property
    def region_order(self) -> list[str]:
        """Regions compared, in the order of the table."""
        return list(dict.fromkeys([*self.values['region'], *self.contrasts['region']]))

    def in_order(self, measure: str) -> list[Mapping[Any, Any]]:
        """Contrasts of a measure, both sides together, region by region."""
        both = both_sides(self.contrasts)
        rows = both[both['measure'] == measure].to_dict('records')
        rank = {region: i for i, region in enumerate(self.region_order)}
        return sorted(rows, key=lambda row: rank[row['region']])


def both_sides(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of left and right together."""
    return frame[frame['hemisphere'] == 'both'] if 'hemisphere' in frame else frame


def describe(measure: str) -> tuple[str, str, str, str]:
    """Name, unit and words for more and less of any measure, known or not."""
    return MEASURES.get(measure, (readable(measure), '', 'higher', 'lower'))


def score_name(score: str) -> str:
    """A clinical score as people write it."""
    return 'EDSS' if str(score).lower() == 'edss' else readable(score)


def capital(name: str) -> str:
    """Text with a capital first letter, the rest as it is."""
    return name[:1].upper() + name[1:]
