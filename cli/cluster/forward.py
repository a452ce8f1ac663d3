"""Options of a command as they are handed on to the same command elsewhere."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from pathlib import Path
from typing import Any


def forward(
    parser: argparse.ArgumentParser, given: argparse.Namespace, *, without: Collection[str] = ()
) -> tuple[str, ...]:
    """Options that make another call what this one is, whatever folder and file they came from.

    Parameters
    ----------
    parser
        That has nothing but its own defaults.
    given
        What was given, on the command line or in a file.
    without
        Names of values that are not handed on.
    """
    words: list[str] = []
    for action in parser._actions:
        value: Any = getattr(given, action.dest, None)
        if not action.option_strings or action.dest in without or value == action.default:
            continue
        flag = action.option_strings[-1]
        if isinstance(action, argparse._CountAction):
            words += [flag] * value
        elif action.nargs == 0:
            words.append(flag)
        elif isinstance(action, argparse._AppendAction):
            words += [f'{flag}={_text(entry)}' for entry in value]
        elif action.nargs in ('+', '*'):
            words += [flag, *map(_text, value)]
        elif value is not None:
            words.append(f'{flag}={_text(value)}')
    return tuple(words)


def _text(value: Any) -> str:
    return str(value.expanduser().absolute() if isinstance(value, Path) else value)
