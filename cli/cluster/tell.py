"""What became of everybody, for people."""

from __future__ import annotations

import logging
from collections import Counter

from ...interfaces.cluster.states import Study
from ..told import in_columns

LOGGER = logging.getLogger('nigra')
ACTIVE = ('waiting', 'running')
_ORDER = ('failed', 'unknown', 'waiting', 'running')
"""States of which everybody is named, in this order."""


def tell_study(study: Study) -> None:
    """Log how many there are of each state, and everybody who is not done."""
    for warning in study.warnings:
        LOGGER.warning('%s', warning)
    rows = [
        (state.name, state.state, state.job, state.reason)
        for kind in _ORDER
        for state in study.states.values()
        if state.state == kind
    ]
    if rows:
        for line in in_columns([('who', 'state', 'job', 'why'), *rows]):
            LOGGER.info('%s', line)
    counts = Counter(state.state for state in study.states.values())
    told = ', '.join(f'{counts[kind]} {kind}' for kind in ('done', *_ORDER) if counts[kind])
    LOGGER.info('%s', told or 'nobody has been submitted or processed')
