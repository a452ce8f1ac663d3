"""Charts and slices of the group page as files of their own, for a paper."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..files import data_text, save_text

FIGURES = 'figures'
"""Folder of pictures beside the pages."""
PREFIX = 'group_'
"""What names of the group level's pictures begin with."""


@functools.cache
def _style() -> str:
    """The rules of the page's style sheet that drawings need."""
    css = data_text('report.css')
    colours = re.search(r':root \{.*?\}', css, re.DOTALL)
    rules = re.findall(r'^svg.*$', css, re.MULTILINE)
    return '\n'.join([colours[0] if colours else '', *rules])


def standalone(svg: str) -> str:
    """A drawing of a page with the style that it has there."""
    head, mark, rest = svg.partition('>')
    return f'{head}{mark}<style>{_style()}</style>{rest}'


def group_figures(context: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and drawing of each picture on the group page.

    Parameters
    ----------
    context
        From `group_page.group_context`, and `voxels`.
    """
    for part in context['measures']:
        for region, svg, _ in part['panels']:
            yield f'{part["name"]}_{region}', svg
        for kind in ('forest', 'map', 'means'):
            yield f'{part["name"]}_{kind}', part[kind]
        for name, svg in part['slices']:
            yield f'{part["name"]}_slices_{name}', svg
        for name, svg in part['covariates']:
            yield f'{part["name"]}_{name}', svg
    for part in context['scores']:
        for title, shown, folded in part['blocks']:
            for region, svg in (*shown, *folded):
                yield f'{part["score"]}_{title}_{region}', svg
    for name, svg in (context.get('voxels') or {}).get('pictures', ()):
        yield f'voxels_{name}', svg


def write_group_figures(context: Mapping[str, Any], root: Path) -> list[Path]:
    """Write the pictures of a group page as SVG in place of those of an earlier one.

    Parameters
    ----------
    context
        As in `group_figures`.
    root
        Where the page lies.
    """
    folder = root / FIGURES
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f'{PREFIX}*.svg'):
        old.unlink()
    made: dict[Path, None] = {}
    for name, svg in group_figures(context):
        if svg:
            path = folder / f'{PREFIX}{_file_name(name)}.svg'
            made[save_text(standalone(str(svg)), path)] = None
    return list(made)


def _file_name(text: str) -> str:
    """A name that every file system takes.

    Examples
    --------
    >>> _file_name('Mean susceptibility_A − B/C')
    'mean-susceptibility_a-b-c'
    """
    return re.sub(r'[^\w]+', '-', text.lower()).strip('-')
