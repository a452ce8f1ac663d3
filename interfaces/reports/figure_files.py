"""Charts and slices of the group page as files of their own, for a paper."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..files import data_text, save_text

FIGURES = 'figures'
"""Folder of pictures beside the pages."""
PREFIX = 'group_'
"""What names of the group level's pictures begin with."""
_LONGEST = 70
"""Letters of a name, which may take three bytes each where a file system allows 255."""


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
    made: dict[str, Path] = {}
    for name, svg in group_figures(context):
        if svg:
            own = _file_name(name, made)
            made[own] = save_text(standalone(str(svg)), folder / f'{PREFIX}{own}.svg')
    return list(made.values())


def _file_name(text: str, taken: Container[str] = ()) -> str:
    """A name that every file system takes, and that no other picture has.

    Examples
    --------
    >>> _file_name('Mean susceptibility_A − B/C')
    'mean-susceptibility_a-b-c'
    >>> _file_name('slices_NMO+ − HC', ['slices_nmo-hc'])
    'slices_nmo-hc-2'
    """
    name = re.sub(r'[^\w]+', '-', text.lower()).strip('-')[:_LONGEST]
    others = (f'{name}-{number}' for number in itertools.count(2))
    return name if name not in taken else next(other for other in others if other not in taken)
