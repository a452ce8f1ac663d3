"""Where viewers lie, and whether a browser can show them from disk."""

from __future__ import annotations

from pathlib import Path

from ...nodes.errors import InputError
from ...nodes.statistics.values import name_some

BESIDE = '<meta name="nigra-images" content="beside">'
"""In the head of a page whose images lie in files, which browsers do not read from disk."""
_HEAD = 2_000
"""Characters of a page in which its head says so."""
_ENDING = '_viewer.html'


def viewer_path(root: Path, visit: str) -> Path:
    """Where the viewer of a visit (or `group`) lies.

    Examples
    --------
    >>> viewer_path(Path('out'), 'sub-01').name
    'sub-01_viewer.html'
    """
    return root / f'{visit}{_ENDING}'


def page_to_open(root: Path, visit: str = '') -> Path:
    """The viewer of a participant, visit or the groups; the list of all without one.

    Raises
    ------
    InputError
        There is no such page, or there are several.
    """
    if not visit:
        if not (root / 'index.html').is_file():
            raise InputError(root, 'has no index.html', 'name the output folder of nigra')
        return root / 'index.html'
    name = visit if visit == 'group' else f'sub-{visit.removeprefix("sub-")}'
    page = viewer_path(root, name)
    if page.is_file():
        return page
    viewers = [p.name.removesuffix(_ENDING) for p in sorted(root.glob(f'sub-*{_ENDING}'))]
    visits = [v for v in viewers if v.startswith(f'{name}_')]
    if len(visits) == 1:
        return viewer_path(root, visits[0])
    known = name_some(visits or viewers, 5)
    raise InputError(
        root, f'has {"several viewers" if visits else "no viewer"} of {name}',
        f'name one of {known}' if known else 'run the participant level',
    )  # fmt: skip


def needs_server(root: Path, page: Path) -> bool:
    """Whether a page, or a viewer to which the list of all leads, has its images in files."""
    pages = [page] if page.name.endswith(_ENDING) else root.glob(f'*{_ENDING}')
    return any(BESIDE in _head(path) for path in pages)


def _head(page: Path) -> str:
    with page.open(encoding='utf-8') as stream:
        return stream.read(_HEAD)
