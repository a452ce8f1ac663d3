"""Who has which scans, and who has none that can be used."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

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
    from ..interfaces.bids import find_visits
    from ..interfaces.completion import invalidate, marker_folder
    from ..interfaces.survey import participant_problems

    visits: list[Visit] = []
    failed: Failures = {}
    for label in labels:
        try:
            found = find_visits(
                settings.bids_dir, label, sessions=settings.session_label, filters=filters
            )
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
    return visits, failed


def _with_brain_masks(
    settings: Settings, visits: Sequence[Visit], filters: dict[str, dict[str, Any]]
) -> list[Visit]:
    """The visits with the masks of `--derivatives`, where that is given."""
    from ..interfaces.bids import find_brain_mask

    folder = settings.derivatives
    if folder is None:
        return list(visits)
    return [replace(v, brain_mask=find_brain_mask(folder, v, filters)) for v in visits]
