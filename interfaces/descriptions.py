"""Tables saved with their data dictionaries, and warnings told on the way."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from .files import save_json
from .tables import guarded, save_table

LOGGER = logging.getLogger('nigra')


def save_described(
    table: pd.DataFrame, path: Path, dictionary: Mapping[str, Any]
) -> tuple[str, str]:
    """Save a table and its data dictionary beside it; returns both paths."""
    save_table(table, path)
    words = {guarded(name): about for name, about in dictionary.items()}
    return str(path), str(save_json(words, path.with_suffix('.json')))


def tell(warnings: Sequence[str]) -> list[str]:
    """Log warnings and hand them on."""
    for sentence in warnings:
        LOGGER.warning('%s', sentence)
    return list(warnings)
