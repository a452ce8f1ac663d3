"""Who has which scans, and who has none that can be used."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..nodes.errors import NigraError
from .checks import check_own_atlases, check_reference_echoes
from .settings import Settings
from .work import Failures

if TYPE_CHECKING:
    from ..interfaces.bids import Visit

LOGGER = logging.getLogger('nigra')


def find_all(
    settings: Settings, labels: Sequence[str], filters: dict[str, dict[str, Any]]
) -> tuple[list[Visit], Failures]:
    """Find every participant's scans; one that has none fails alone."""
    from ..interfaces.completion import invalidate, marker_folder
    from ..interfaces.survey import participant_problems

    visits: list[Visit] = []
    failed: Failures = {}
    find, save = _finder(settings, filters, len(labels))
    for label in labels:
        try:
            found = find(label)
            check_reference_echoes(settings, found)
            check_own_atlases(settings, label)
            visits += _with_brain_masks(settings, found, filters)
        except NigraError as error:
            more = participant_problems(
                settings.bids_dir, label, sessions=settings.session_label, filters=filters
            )
            failed[label] = list(dict.fromkeys([str(error), *more]))
            if settings.dry_run:
                continue
            for marker in marker_folder(settings.output_dir).glob(f'{label}*.json'):
                if marker.stem.split('_')[0] == label and invalidate(marker):
                    LOGGER.warning(
                        'Earlier results of %s no longer answer to the data and do not count',
                        marker.stem,
                    )
            if settings.stop_on_first_crash:
                raise
    save()
    return visits, failed


def _finder(
    settings: Settings, filters: dict[str, dict[str, Any]], count: int
) -> tuple[Callable[[str], tuple[Visit, ...]], Callable[[], None]]:
    """How a participant's visits are found, and what is to be done when all are."""
    from ..interfaces.bids import find_visits
    from ..interfaces.index import WORTH, Index

    asked: dict[str, Any] = {'sessions': settings.session_label, 'filters': filters}
    if count < WORTH:
        return functools.partial(find_visits, settings.bids_dir, **asked), lambda: None
    path = settings.output_dir / 'logs' / 'index.tsv.gz'
    index = Index(settings.bids_dir, path, version=__version__, **asked)
    return index.find, index.save


def _with_brain_masks(
    settings: Settings, visits: Sequence[Visit], filters: dict[str, dict[str, Any]]
) -> list[Visit]:
    """The visits with the masks of `--derivatives`, where that is given."""
    from ..interfaces.bids import find_brain_mask

    folder = settings.derivatives
    if folder is None:
        return list(visits)
    return [replace(v, brain_mask=find_brain_mask(folder, v, filters)) for v in visits]
