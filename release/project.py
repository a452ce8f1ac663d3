"""What the files of the release share: where the project is, and what it says of itself."""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def project() -> dict[str, Any]:
    """The table `project` of pyproject.toml."""
    content: dict[str, Any] = tomllib.loads((ROOT / 'pyproject.toml').read_text(encoding='utf-8'))
    return dict(content['project'])


def version() -> str:
    """Version of the tree, which only `__init__.py` holds."""
    found = re.search(r"^__version__ = '(.+)'$", (ROOT / '__init__.py').read_text('utf-8'), re.M)
    if found is None:
        raise SystemExit('__init__.py: has no __version__; restore it.')
    return found[1]


def locked(path: Path) -> dict[str, set[str]]:
    """Versions of a lock file by normalised name; several where Pythons differ."""
    out: dict[str, set[str]] = {}
    for name, number in re.findall(r'^([\w.-]+)==([\w.]+)', path.read_text('utf-8'), re.M):
        out.setdefault(normal(name), set()).add(number)
    return out


def normal(name: str) -> str:
    """Name of a package as the index compares it."""
    return re.sub(r'[-_.]+', '-', name).casefold()


def add_write(parser: argparse.ArgumentParser, file: Path) -> None:
    """The option of a script that makes a file, to write it."""
    parser.add_argument('--write', action='store_true', help=f'write {file.name}')


def give(text: str, file: Path, *, write: bool) -> int:
    """Write what a script has made, or print it; 0, the script's status."""
    if write:
        file.write_text(text, encoding='utf-8')
    else:
        sys.stdout.write(text)
    return 0
