"""Hints on terms: one table, read by the filter that marks them in text and by the pages' list."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping

from markupsafe import Markup, escape

from ..files import data_text


@functools.cache
def terms() -> Mapping[str, str]:
    """What each term means, from `data/terms.json`."""
    return json.loads(data_text('terms.json'))


@functools.cache
def _pattern() -> re.Pattern[str]:
    longest_first = sorted(terms(), key=len, reverse=True)
    # a term within a longer word is none
    return re.compile(r'(?<!\w)(' + '|'.join(map(re.escape, longest_first)) + r')(?!\w)')


def explained(text: object) -> Markup:
    """Escaped text in which each known term carries its hint where it first stands.

    Examples
    --------
    >>> str(explained('ppb & ppb'))[:40]
    '<abbr title="Parts per billion, the unit'
    """
    parts, last, seen = [], 0, set()
    plain = str(text)
    for match in _pattern().finditer(plain):
        term = match[0]
        if term in seen:
            continue
        seen.add(term)
        parts += [escape(plain[last : match.start()]),
                  Markup('<abbr title="{}">{}</abbr>').format(terms()[term], term)]  # fmt: skip
        last = match.end()
    return Markup('').join([*parts, escape(plain[last:])])
