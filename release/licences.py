"""Licences of everything that nigra needs or carries along, as a table.

    python release/licences.py PYTHON [--write]

PYTHON is that of an environment into which `container/requirements.lock` was installed; what it
holds is listed by pip-licenses (of the Python that runs this). Prints the table, or writes
docs/licences.md. Atlases, templates and programs inside wheels are in release/data_licences.tsv,
read by hand, since no metadata tell them.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from project import ROOT, add_write, give

PAGE = ROOT / 'docs' / 'licences.md'
_NOT_OURS = {'pip', 'setuptools', 'wheel', 'nigra'}
_HEAD = """# Licences

nigra is Apache-2.0. None of what the tables name is copied into it: packages come from the package
index when nigra is installed, and are all together only in the container image, which as a whole
may be passed on under the GPL 3 or later (ducc0 is GPL 2 or later). Made by `release/licences.py`.

One file of somebody else is copied into it: niivue, which draws the viewer (`data/niivue.umd.js`,
BSD-2-Clause), with its licence and those of what it contains in `data/niivue.LICENSE.txt` and in
every viewer.

## Images and programs inside packages

"""


def table(python: str) -> str:
    """The page: what wheels carry, and every package with version and licence."""
    found = subprocess.run(
        [sys.executable, '-m', 'piplicenses', f'--python={python}', '--format=json',
         '--with-urls', '--from=mixed'],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    if found.returncode:
        told = found.stderr.strip() or f'status {found.returncode}'
        raise SystemExit(
            f'release/licences.py: pip-licenses cannot list {python} '
            f'({told.splitlines()[-1]}); give the Python of an environment, and '
            f'run: {sys.executable} -m pip install pip-licenses'
        )
    packages = [p for p in json.loads(found.stdout) if p['Name'] not in _NOT_OURS]
    rows = [(p['Name'], p['Version'], _short(p['License']), _link(p['URL'])) for p in
            sorted(packages, key=lambda p: p['Name'].casefold())]  # fmt: skip
    return '\n'.join([
        _HEAD + _rows(('what', 'in', 'licence', 'source'), _carried()),
        '\n## Packages\n',
        _rows(('package', 'version', 'licence', 'source'), rows), '',
    ])  # fmt: skip


def _carried() -> list[tuple[str, ...]]:
    path = Path(__file__).with_name('data_licences.tsv')
    with path.open(encoding='utf-8', newline='') as file:
        return [tuple(row) for row in csv.reader(file, delimiter='\t')][1:]


def _short(licence: str) -> str:
    """A name of the licence; whole texts in its place are cut to a hint."""
    text = licence.strip()
    return text if len(text) < 80 and '\n' not in text else 'own text, see its files'


def _link(url: str) -> str:
    return '' if url == 'UNKNOWN' else f'<{url}>'


def _rows(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ('---',) * len(head), *rows]
    return '\n'.join('| ' + ' | '.join(cell.replace('|', '\\|') for cell in line) + ' |'
                     for line in lines)  # fmt: skip


def main() -> int:
    """Print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('python', help='Python of the environment to list')
    add_write(parser, PAGE)
    arguments = parser.parse_args()
    return give(table(arguments.python), PAGE, write=arguments.write)


if __name__ == '__main__':
    sys.exit(main())
