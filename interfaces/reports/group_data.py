"""The group level's tables as the report reads them."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ...nodes.statistics.covariates import DEFAULT_COVARIATES, DEFAULT_SCORES
from ...nodes.statistics.measures import MEASURES, Measure
from ...nodes.statistics.sample import EVERY_MODEL
from ...nodes.statistics.values import first_visits
from ..group_tables import GROUP_TABLES
from ..participants import levels_of, read_dictionary
from ..tables import read_table, readable


@dataclass(frozen=True)
class GroupData:
    """Tables of the group level and what they were made with.

    Attributes
    ----------
    tables
        As saved, by name: those of `GROUP_TABLES` that name the columns they need.
    settings
        From `nodes.statistics.comparison.compare_groups`.
    dictionary
        What the columns of the table of participants mean, by name, as BIDS describes them.
    """

    tables: Mapping[str, pd.DataFrame]
    settings: Mapping[str, Any] = field(default_factory=dict)
    dictionary: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(
        cls, tables: Mapping[str, str | Path], settings: Mapping[str, Any], home: str = ''
    ) -> GroupData:
        """Read the tables; group labels stay text even where they look like numbers.

        Parameters
        ----------
        tables
            Paths by name; those that `GROUP_TABLES` calls optional may be absent.
        settings
            From `nodes.statistics.comparison.compare_groups`.
        home
            Way from the tables to the table of participants that is kept with the derivatives.

        Raises
        ------
        InputError
            A table is missing or the wrong one.
        """
        column = str(settings.get('group_column', 'group'))
        found: dict[str, pd.DataFrame] = {}
        for table in GROUP_TABLES.values():
            if not table.needs:
                continue
            if table.name not in tables and table.optional:
                found[table.name] = pd.DataFrame(columns=list(table.needs))
                continue
            needs = (*table.needs, column) if table.name == 'regions' else table.needs
            found[table.name] = read_table(
                tables[table.name], text=(*table.text, column), needs=needs
            )
        kept = Path(tables['regions']).parent / home / 'participants.tsv'
        return cls(found, settings, read_dictionary(kept))

    def __getitem__(self, name: str) -> pd.DataFrame:
        return self.tables[name]

    @functools.cached_property
    def people(self) -> pd.DataFrame:
        """One row per participant, of the visit that is compared."""
        visits, _ = first_visits(self['regions'])  # as the models do
        return visits.drop_duplicates('participant_id')

    @functools.cached_property
    def values(self) -> pd.DataFrame:
        """What entered the models, left and right together."""
        return both_sides(self['values'])

    @property
    def group_column(self) -> str:
        """Column of the participants' table that holds the groups."""
        return str(self.settings.get('group_column', 'group'))

    def meaning(self, group: str) -> str:
        """What a group's label stands for; empty where the table's JSON file does not tell."""
        told = (levels_of(self.dictionary, self.group_column) or {}).get(group, '')
        return told if told != group else ''

    def heading(self, column: str) -> str:
        """A column of the table of participants as people write it, with its unit where known."""
        unit = self.dictionary.get(column, {}).get('Units')
        plural = f'{unit}s' if unit in ('year', 'month', 'week', 'day', 'hour', 'point') else unit
        known = isinstance(unit, str) and unit  # others break the rules of BIDS
        return f'{score_name(column)}, {plural}' if known else score_name(column)

    @property
    def covariates(self) -> Sequence[str]:
        """What the models adjusted for; the default where the settings do not tell."""
        told = self.settings.get('covariates')
        return DEFAULT_COVARIATES if told is None else told

    @property
    def scores(self) -> Sequence[str]:
        """Clinical scores that were correlated; the default where the settings do not tell."""
        told = self.settings.get('scores')
        return DEFAULT_SCORES if told is None else told

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
    def is_compared(self) -> bool:
        """Whether there are groups to compare, or one alone."""
        return len(self.groups) != 1

    def shown(self, name: str) -> pd.DataFrame:
        """A table for the page; of one group without what only a comparison fills."""
        frame = self[name]
        return frame if self.is_compared else frame.dropna(axis=1, how='all')

    @property
    def compared(self) -> pd.DataFrame:
        """People who belong to a group that is compared and were not left out."""
        out = self.people['participant_id'].isin(self._left_out)
        return self.people[self.people[self.group_column].isin(self.groups) & ~out]

    @property
    def _left_out(self) -> pd.Series:
        """Who is left out of every model, not of single ones."""
        exclusions = self['exclusions']
        return exclusions.loc[exclusions['scope'] == EVERY_MODEL, 'participant_id']

    @property
    def measures(self) -> list[str]:
        """Measures compared, in the order of their table."""
        return list(dict.fromkeys([*self['contrasts']['measure'], *self.values['measure']]))

    @property
    def region_order(self) -> list[str]:
        """Regions compared, in the order of the table."""
        return list(dict.fromkeys([*self.values['region'], *self['contrasts']['region']]))

    def anchor(self, measure: str, region: str = '') -> str:
        """Where the page shows a measure, or everybody's values of a region."""
        section = f'measure-{self.measures.index(measure) + 1}'
        return f'{section}-{region}' if region else section

    def values_of(self, measure: str, region: str, side: str) -> pd.Series:
        """Values of the people on one side of a contrast, which may be several groups."""
        rows = self.values
        groups = [side] if side in self.groups else side.split(' + ')
        chosen = (rows['measure'] == measure) & (rows['region'] == region)
        return rows.loc[chosen & rows['group'].isin(groups), 'value'].dropna()

    def in_order(self, measure: str) -> list[Mapping[Any, Any]]:
        """Contrasts of a measure, both sides together, region by region."""
        both = both_sides(self['contrasts'])
        rows = both[both['measure'] == measure].to_dict('records')
        rank = {region: i for i, region in enumerate(self.region_order)}
        return sorted(rows, key=lambda row: rank[row['region']])


def both_sides(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of left and right together."""
    return frame[frame['hemisphere'] == 'both'] if 'hemisphere' in frame else frame


def measure_words(measure: str) -> Measure:
    """Words and units of any measure, known or not."""
    return MEASURES.get(measure) or Measure(measure, readable(measure), '', '', '')


def score_name(score: str) -> str:
    """A clinical score as people write it."""
    return 'EDSS' if str(score).lower() == 'edss' else readable(score)


def capital(name: str) -> str:
    """Text with a capital first letter, the rest as it is."""
    return name[:1].upper() + name[1:]
