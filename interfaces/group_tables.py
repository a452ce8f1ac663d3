"""The tables of the group level: one list for making, saving, checking, reading and showing them.

A new table is an entry of `data/group_tables.json`, the function that computes it, and its field
in `nodes.statistics.comparison.GroupComparison`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ..nodes.statistics.group_models import CHECKS
from ..nodes.statistics.measures import MEASURES
from .files import data_text
from .regions import SIDES

KINDS = ('tsv', 'json')
"""What a table consists of: itself and its data dictionary."""


@dataclass(frozen=True)
class GroupTable:
    """One table, as `data/group_tables.json` tells it.

    Attributes
    ----------
    name
        In the graph: outputs `NAME_tsv` and `NAME_json`.
    stem
        Its final name without suffix.
    made_by
        Node of the graph: `gather`, `models`, `quality` or `voxels`, the last only on request.
    needs
        Columns without which the page takes it for the wrong one; none where the page shows it
        in a way of its own or not at all.
    text
        Columns that are never numbers, for reading.
    title
        Heading on the page; empty where the table is not shown as it is.
    first
        Whether it is shown before the others.
    lead
        Columns that the page shows first; the others unfold.
    optional
        Whether the page can do without.
    settings
        Whether its dictionary tells what was decided: reference group, formulae, adjustment.
    columns
        Descriptions of its columns.
    """

    name: str
    stem: str
    made_by: str
    needs: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    title: str = ''
    first: bool = False
    lead: tuple[str, ...] = ()
    optional: bool = False
    settings: bool = False
    columns: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def files(self) -> tuple[str, ...]:
        """Final names."""
        return tuple(f'{self.stem}.{kind}' for kind in KINDS)

    def hint(self, column: str) -> str:
        """Description of a column; empty where there is none."""
        return str(self.columns.get(column, {}).get('Description', ''))

    def dictionary(self, columns: Sequence[str]) -> dict[str, Any]:
        """Data dictionary in the order of the columns.

        Raises
        ------
        KeyError
            A column is not described.
        """
        return {name: self.columns[name] for name in columns}


def _load() -> Mapping[str, GroupTable]:
    content = json.loads(data_text('group_tables.json'))
    shared = content['columns']
    shared['hemisphere']['Levels'] = SIDES
    shared['measure']['Levels'] = {
        name: f'{measure.meaning} ({measure.unit})' for name, measure in MEASURES.items()
    }
    failed = content['tables']['models']['columns']['failed_checks']
    failed['Levels'] = {check.code: check.column for check in CHECKS}
    found = {}
    for name, entry in content['tables'].items():
        entry |= {key: tuple(entry.get(key, ())) for key in ('needs', 'text', 'lead')}
        entry['columns'] = {**shared, **entry.get('columns', {})}
        found[name] = GroupTable(name=name, **entry)
    return MappingProxyType(found)


GROUP_TABLES = _load()
"""All tables by name, in the order in which the page offers them."""


def tables_of(node: str) -> list[GroupTable]:
    """Tables that a node of the graph makes."""
    return [table for table in GROUP_TABLES.values() if table.made_by == node]
