"""Whether two outputs hold the same results: images, tables, sidecars, pages.

    python benchmarks/same.py OUTPUT_A OUTPUT_B [--rename OLD=NEW ...]

Run the same command with two versions of the code, or on two machines, and compare. Logs, the
working folder, versions, dates and commands are left out. Prints a line for each file that
differs, with the largest difference, and ends with 1 where there is any.
"""

from __future__ import annotations

import argparse
import difflib
import json
import re
import sys
from collections.abc import Iterator, Mapping
from html import unescape
from pathlib import Path
from typing import Any

import h5py
import nibabel as nib
import numpy as np
import pandas as pd

LEFT_OUT = ('logs', 'work')
"""Folders that are not results."""
COMMANDS = r'<p class="made">.*?</p>|<code>nigra .*?</code>'
"""What pages say of how they were made, and of what to run next, with folders' names."""
PASSING = {'LibraryVersions', 'NigraVersion', 'SoftwareVersions', 'GeneratedBy'}
"""Entries of sidecars that may differ between versions."""


def main() -> int:
    """Compare two folders; 0 where all results are the same."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('first', type=Path)
    parser.add_argument('second', type=Path)
    parser.add_argument('--rename', nargs='+', default=[], metavar='OLD=NEW',
                        help='words that the second output replaced')  # fmt: skip
    arguments = parser.parse_args()
    renamed = dict(pair.split('=', 1) for pair in arguments.rename)
    names = {folder: set(_results(folder)) for folder in (arguments.first, arguments.second)}
    every = sorted(set.union(*names.values()))
    counts = {'same': 0, 'different': 0}
    for name in every:
        lacking = [str(folder) for folder, known in names.items() if name not in known]
        verdict = (
            f'is not in {lacking[0]}'
            if lacking
            else compare(arguments.first / name, arguments.second / name, renamed)
        )
        counts['different' if verdict else 'same'] += 1
        if verdict:
            print(f'{name}: {verdict}')
    print(f'{counts["same"]} files hold the same, {counts["different"]} do not')
    return int(counts['different'] > 0)


def _results(folder: Path) -> Iterator[str]:
    for path in folder.rglob('*'):
        name = path.relative_to(folder)
        if path.is_file() and name.parts[0] not in LEFT_OUT:
            yield str(name)


def compare(first: Path, second: Path, renamed: Mapping[str, str]) -> str:
    """What differs between two files, in words; nothing where they hold the same."""
    if first.read_bytes() == second.read_bytes():
        return ''
    if first.name.endswith(('.nii.gz', '.nii')):
        return _images(first, second)
    if first.suffix == '.tsv':
        return _tables(first, second, renamed)
    if first.suffix == '.json':
        return _sidecars(first, second, renamed)
    if first.suffix == '.html':
        return _pages(first, second, renamed)
    if first.suffix == '.h5':
        return _transforms(first, second)
    return 'differs'


def _images(first: Path, second: Path) -> str:
    a, b = nib.load(first), nib.load(second)
    if a.shape != b.shape or not np.array_equal(a.affine, b.affine):
        return 'has another grid'
    apart = np.abs(np.asanyarray(a.dataobj, np.float64) - np.asanyarray(b.dataobj, np.float64))
    largest = float(np.nanmax(apart))
    return f'differs by up to {largest:.3g}' if largest > 0 else ''


def _transforms(first: Path, second: Path) -> str:
    """Their files also hold the time at which they were written."""
    numbers = []
    for path in (first, second):
        found: list[Any] = []
        with h5py.File(path) as file:
            file['TransformGroup'].visititems(
                lambda _, item, found=found: (
                    found.append(item[()]) if isinstance(item, h5py.Dataset) else None
                )
            )
        numbers.append(found)
    a, b = numbers
    same = len(a) == len(b) and all(map(np.array_equal, a, b))
    return '' if same else 'differs'


def _tables(first: Path, second: Path, renamed: Mapping[str, str]) -> str:
    a, b = (
        pd.read_csv(path, sep='\t', keep_default_na=False, dtype=str) for path in (first, second)
    )
    a = a.rename(columns=renamed).replace(dict(renamed))
    if len(a) != len(b):
        return f'has {len(a)} and {len(b)} rows'
    columns = [c for c in a if c in b]
    notes = [f'no {c}' for c in a if c not in b] + [f'new {c}' for c in b if c not in a]
    for name in columns:
        other = a[name] != b[name]
        if other.any():
            x, y = (pd.to_numeric(t[name][other], errors='coerce') for t in (a, b))
            apart = float((x - y).abs().max())
            shown = (
                f'by {apart:.3g}'
                if np.isfinite(apart)
                else f'({a[name][other].iloc[0]!r}, {b[name][other].iloc[0]!r})'
            )
            notes.append(f'{name} in {int(other.sum())} rows {shown}')
    return '; '.join(notes)


def _sidecars(first: Path, second: Path, renamed: Mapping[str, str]) -> str:
    a, b = (dict(_flat(json.loads(path.read_text()))) for path in (first, second))
    a = {renamed.get(key, key): value for key, value in a.items()}
    keys = [key for key in {**a, **b} if not PASSING & set(key.split('.'))]
    changed = [key for key in keys if a.get(key) != b.get(key)]
    return f'differs in {", ".join(changed)}' if changed else ''


def _flat(value: Any, prefix: str = '') -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flat(inner, f'{prefix}.{key}' if prefix else key)
    else:
        yield prefix, value


def _pages(first: Path, second: Path, renamed: Mapping[str, str]) -> str:
    texts = [
        re.sub(COMMANDS, '', path.read_text(encoding='utf-8'), flags=re.DOTALL)
        for path in (first, second)
    ]
    if texts[0] == texts[1]:
        return ''
    a, b = map(_words, texts)
    a = [renamed.get(line, line) for line in a]
    changed = [d for d in difflib.unified_diff(a, b, lineterm='', n=0) if d[:1] in '+-'][2:]
    shown = ''.join(f'\n    {line[:150]}' for line in changed[:12])
    return f'{len(changed)} lines of text differ{shown}' if changed else 'pictures or code differ'


def _words(page: str) -> list[str]:
    text = re.sub(r'<(script|style).*?</\1>', '', page, flags=re.DOTALL)
    lines = (unescape(line).strip() for line in re.sub(r'<[^>]+>', '\n', text).split('\n'))
    return [line for line in lines if line]


if __name__ == '__main__':
    sys.exit(main())
