"""Kinds of values that options of all commands take, as types of argparse."""

from __future__ import annotations

import argparse
import math
import re

from ..nodes.statistics.question import MOST_DRAWS


def positive(text: str) -> int:
    """A whole number from 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f'{text} is not at least 1')
    return value


def natural(text: str) -> int:
    """A whole number from 0."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f'{text} is below 0')
    return value


def draws(text: str) -> int:
    """A number of permutations or resamples, from 0."""
    value = natural(text)
    if value > MOST_DRAWS:
        raise argparse.ArgumentTypeError(f'{text} is more than {MOST_DRAWS}')
    return value


def positive_amount(text: str) -> float:
    """A finite number above 0."""
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f'{text} is no number above 0')
    return value


def amount(text: str) -> float:
    """A finite number from 0."""
    value = float(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f'{text} is no number from 0')
    return value


_GB = {'': 1e-3, 'k': 1e-6, 'm': 1e-3, 'g': 1.0, 't': 1e3}
_LEAST_MB, _MOST_GB = 100, 4000
"""Below the first a number was meant in GB, above the second in MB."""


def memory(text: str) -> float:
    """Memory in GB from a number with its unit; a number alone is of MB.

    Examples
    --------
    >>> memory('8G'), memory('8000'), memory('0.5 TB'), memory('8000MB')
    (8.0, 8.0, 500.0, 8.0)
    """
    found = re.fullmatch(r'(\d+\.?\d*|\.\d+) *([kmgt]?)(i?b)?', text.strip(), re.IGNORECASE)
    if not found:
        raise argparse.ArgumentTypeError(f'{text} is no amount of memory such as 8G or 8000 (MB)')
    value = float(found[1]) * _GB[found[2].lower()]
    if 1000 * value < _LEAST_MB:
        raise argparse.ArgumentTypeError(f'{text} is {1000 * value:g} MB; for GB write {text}G')
    return gigabytes(str(value))


def gigabytes(text: str) -> float:
    """An amount of memory in GB that a machine may have."""
    value = positive_amount(text)
    if value > _MOST_GB:
        raise argparse.ArgumentTypeError(f'{text} GB is more than machines have; --mem takes MB')
    return value


def analysis_name(text: str) -> str:
    """Name of a comparison, which is that of a folder, too."""
    if not re.fullmatch(r'[A-Za-z0-9]{1,60}', text):
        raise argparse.ArgumentTypeError(f'{text!r} is no name of up to 60 letters and digits')
    return text
