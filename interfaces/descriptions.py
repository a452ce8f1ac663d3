"""Data dictionaries of the group tables, and warnings told on the way."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd

from .files import save_json
from .tables import save_table

LOGGER = logging.getLogger('nigra')


def load_descriptions() -> dict[str, Any]:
    """Column descriptions of the group tables, `data/group_columns.json`."""
    path = resources.files('nigra.data') / 'group_columns.json'
    return json.loads(path.read_text(encoding='utf-8'))


def describe_columns(table: str, columns: Sequence[str]) -> dict[str, Any]:
    """Data dictionary of a table of statistics, in column order.

    Parameters
    ----------
    table
        `models`, `contrasts`, `correlations` or `exclusions`.
    columns
        Of the table.
    """
    known = load_descriptions()
    return {name: known[table].get(name) or known[name] for name in columns}


def save_described(
    table: pd.DataFrame, path: Path, dictionary: Mapping[str, Any]
) -> tuple[str, str]:
    """Save a table and its data dictionary beside it; returns both paths."""
    save_table(table, path)
    return str(path), str(save_json(dictionary, path.with_suffix('.json')))


def tell(warnings: Sequence[str]) -> list[str]:
    """Log warnings and hand them on."""
    for sentence in warnings:
        LOGGER.warning('%s', sentence)
    return list(warnings)
