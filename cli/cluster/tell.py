"""What became of everybody, for people."""

from __future__ import annotations

from collections import Counter

from ...interfaces.cluster.local import ACTIVE, NOT_BEGUN, State, is_group
from ...interfaces.cluster.states import Study
from ..told import in_columns

_ORDER = ('failed', NOT_BEGUN, 'unknown', *reversed(ACTIVE))
"""States of which everybody is told, in this order."""


def study_lines(study: Study) -> list[str]:
    """Lines on everybody who is not done, those who wait for the same as one, and counts."""
    alike: dict[tuple[str, str], list[State]] = {}
    for kind in _ORDER:
        for state in study.states.values():
            if state.state == kind:
                alike.setdefault((kind, state.reason or state.name), []).append(state)
    rows = [
        (_and_others(found), kind, found[0].job, found[0].reason)
        for (kind, _), found in alike.items()
    ]
    lines = list(in_columns([('who', 'state', 'job', 'why'), *rows])) if rows else []
    return [*study.warnings, *lines, _counts(study)]


def _counts(study: Study) -> str:
    """How many are in which state, and the state of the group level, which is nobody."""
    people = Counter(s.state for name, s in study.states.items() if not is_group(name))
    told = ', '.join(f'{people[kind]} {kind}' for kind in ('done', *_ORDER) if people[kind])
    groups = [f'{n} level {s.state}' for n, s in study.states.items() if is_group(n)]
    return '; '.join(filter(None, (told, *groups))) or 'nobody has been submitted or processed'


def _and_others(states: list[State]) -> str:
    return states[0].name + (f' (+{len(states) - 1})' if len(states) > 1 else '')
