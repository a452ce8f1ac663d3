"""What is told of finished runs: repairs of the phase, problems of pages, and who is where."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from .. import __version__
from ..nodes.errors import NigraError
from ..nodes.statistics.values import VISIT, name_some
from .settings import Settings

if TYPE_CHECKING:
    import pandas as pd

LOGGER = logging.getLogger('nigra')


def in_columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of a table of texts.

    Examples
    --------
    >>> list(in_columns([('who', 'state'), ('sub-01', 'done')]))
    ['who     state', 'sub-01  done']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        line = '  '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield line.rstrip()


def keep_failures(settings: Settings, failed: Mapping[str, Sequence[str]]) -> None:
    """Write what failed for whoever asks what became of a task, where that is asked for."""
    from ..interfaces.cluster.records import save_failures

    if settings.task_record is not None:
        save_failures(failed, settings.task_record)


def keep_attempt(settings: Settings, sentences: Sequence[str]) -> None:
    """Leave beside a comparison's results why the newest attempt at it failed, if it did."""
    from ..interfaces.cluster.records import GROUP, save_failures
    from ..interfaces.completion import GROUP_FAILED

    logs = settings.group_dir / 'logs'
    if not sentences:
        (logs / GROUP_FAILED).unlink(missing_ok=True)
    elif logs.is_dir():  # else there is nothing that could pass for what was asked for
        save_failures({GROUP: sentences}, logs / GROUP_FAILED)


@contextlib.contextmanager
def refusal_kept(settings: Settings) -> Iterator[None]:
    """Keep why nothing could be started, too."""
    from ..interfaces.completion import GROUP_COMPLETE

    try:
        yield
    except NigraError as error:
        keep_failures(settings, {'study': [str(error)]})
        with contextlib.suppress(NigraError, OSError):  # the first error is told
            # a folder without results of a comparison may be anybody's
            known = (settings.group_dir / 'logs' / GROUP_COMPLETE).is_file()
            if known and 'group' in settings.levels and not settings.dry_run:
                keep_attempt(settings, [str(error)])
        raise


def tell_phases(settings: Settings, prefixes: Sequence[str] | None = None) -> None:
    """Say in the log what the pages call problems; of all runs where none are named."""
    from ..interfaces.quality import problem_warnings

    for sentence in problem_warnings(quality_of(settings, prefixes)):
        LOGGER.warning('%s', sentence)


def tell_problems(settings: Settings) -> None:
    """Name at the end all finished runs whose pages show problems."""
    try:
        table = quality_of(settings)
    except NigraError:
        return  # what is damaged has been told by what needed it
    bad = table[table.problems.notna()]
    if len(bad):
        shown = [
            f'{"_".join(str(v) for v in visit if v)} ({problems})'
            for *visit, problems in bad[[*VISIT, 'problems']].itertuples(index=False)
        ]
        LOGGER.warning(
            'Look at the pages of %d of %d runs, which show problems: %s',
            len(bad), len(table), name_some(shown),
        )  # fmt: skip


def quality_of(settings: Settings, prefixes: Sequence[str] | None = None) -> pd.DataFrame:
    """Quality of the finished runs, of some where they are named."""
    from ..interfaces.completion import find_outputs
    from ..interfaces.names import outputs
    from ..interfaces.quality import PATTERN, gather_quality

    ending = outputs('scan')['quality'].name
    paths = find_outputs(settings.output_dir, PATTERN)
    if prefixes is not None:
        asked = set(prefixes)
        paths = [path for path in paths if path.name.removesuffix(ending) in asked]
    return gather_quality(paths)


def list_everybody(settings: Settings, failed: Mapping[str, Sequence[str]]) -> None:
    """Write the page that leads to everybody's."""
    from ..interfaces.reports.index_page import write_index
    from ..interfaces.reports.provenance import describe_study

    # tasks of a cluster keep to their own: ten thousand would read the pages of ten thousand
    own = {f'sub-{label.removeprefix("sub-")}' for label in settings.participant_label}
    write_index(
        settings.output_dir,
        study=describe_study(settings.bids_dir, settings.command),
        group_column=_listed_groups(settings),
        failed=failed,
        version=__version__,
        bids_dir=settings.bids_dir,
        people=own if settings.task_record is not None else None,
    )


def _listed_groups(settings: Settings) -> str:
    """Column of groups in the list: of the main comparison, where this one has a name."""
    from ..interfaces.files import read_json_object
    from ..interfaces.reports.methods_text import COMPARISON

    own = settings.question.group_column
    if not settings.analysis_name:
        return own
    try:
        decided = read_json_object(settings.output_dir / COMPARISON, 'make it again')
    except NigraError:  # there was none
        return own
    return str(decided.get('group_column', own))
