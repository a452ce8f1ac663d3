"""Whether a module's own tests notice that one operator of it was swapped.

    python benchmarks/mutants.py nodes --number 40 [--seed 1] [--only inversion/medi]

draws operators (+ - * / < <= > >= == != and or) outside of texts and types from the modules of a
floor, swaps one at a time in a copy of the tree, and runs the tests of that module alone:
`tests/FLOOR/ROOM/test_MODULE.py`, and others of the room that import it. Mutants that live are
printed with their line, and those whose tests did not end: on a busy machine they say nothing.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SWAPS: dict[type[ast.AST], tuple[str, str]] = {
    ast.Add: ('+', '-'), ast.Sub: ('-', '+'), ast.Mult: ('*', '/'), ast.Div: ('/', '*'),
    ast.Lt: ('<', '>='), ast.LtE: ('<=', '>'), ast.Gt: ('>', '<='), ast.GtE: ('>=', '<'),
    ast.Eq: ('==', '!='), ast.NotEq: ('!=', '=='), ast.And: ('and', 'or'), ast.Or: ('or', 'and'),
}  # fmt: skip
SECONDS = 240
"""For the tests of a mutant: one that goes round for ever would be noticed, too."""


@dataclass(frozen=True)
class Mutant:
    """An operator of a file, between two columns of a line (from 0), and what takes its place."""

    path: Path
    line: int
    columns: tuple[int, int]
    old: str
    new: str

    def swapped(self) -> str:
        """The file's text with it."""
        lines = self.path.read_text(encoding='utf-8').splitlines(keepends=True)
        text = lines[self.line].encode()
        a, b = self.columns
        lines[self.line] = (text[:a] + self.new.encode() + text[b:]).decode()
        return ''.join(lines)

    def __str__(self) -> str:
        text = self.path.read_text(encoding='utf-8').splitlines()[self.line].strip()
        where = self.path.relative_to(ROOT)
        return f'{where}:{self.line + 1}: {self.old} -> {self.new} in `{text}`'


def operators(tree: ast.AST) -> Iterator[tuple[ast.AST, ast.expr, ast.expr]]:
    """Every operator with the operands on both of its sides."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp):
            yield node.op, node.left, node.right
        elif isinstance(node, ast.Compare):
            for op, left, right in zip(
                node.ops, [node.left, *node.comparators], node.comparators, strict=False
            ):
                yield op, left, right
        elif isinstance(node, ast.BoolOp):
            for left, right in zip(node.values, node.values[1:], strict=False):
                yield node.op, left, right


def mutants_of(path: Path) -> list[Mutant]:
    """All mutants of a file whose operator stands on one line with both operands."""
    text = path.read_text(encoding='utf-8')
    lines, found = text.splitlines(), []
    for op, left, right in operators(ast.parse(text)):
        swap = SWAPS.get(type(op))
        if swap is None or left.end_lineno != right.lineno or is_words(left) or is_words(right):
            continue
        start, end = left.end_col_offset or 0, right.col_offset
        between = lines[right.lineno - 1].encode()[start:end].decode()
        place = re.search(rf'(?<!\S){re.escape(swap[0])}(?!\S)', between)
        if place:
            columns = (start + place.start(), start + place.end())
            found.append(Mutant(path, right.lineno - 1, columns, *swap))
    return found


def is_words(node: ast.expr) -> bool:
    """Whether an operand is a text, or a type in a union."""
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and not isinstance(node.value, int | float)
    )


def tests_of(path: Path) -> list[Path]:
    """A module's own test file and those that import it; else those of the modules that use it."""
    module = path.relative_to(ROOT).with_suffix('')
    folder = ROOT / 'tests' / module.parent
    dotted = 'nigra.' + '.'.join(module.parts)
    own = folder / f'test_{module.name}.py'
    package, _, name = dotted.rpartition('.')
    # `import a.b.c`, `from a.b.c import x`, or `from a.b import c`
    wanted = re.compile(
        rf'\b{re.escape(dotted)}\b|^from {re.escape(package)} import [^\n]*\b{name}\b',
        re.MULTILINE,
    )
    others = [p for p in sorted(folder.glob('test_*.py')) if wanted.search(p.read_text('utf-8'))]
    found = list(dict.fromkeys([*([own] if own.is_file() else []), *others]))
    if found:
        return found
    uses = re.compile(rf'^from \.{module.name} import', re.MULTILINE)
    users = [p for p in sorted(path.parent.glob('*.py')) if uses.search(p.read_text('utf-8'))]
    tests = [folder / f'test_{p.stem}.py' for p in users]
    return [p for p in tests if p.is_file()]


def copy_tree(folder: Path) -> Path:
    """The tree in a place of its own, importable as `nigra`; returns the folder to import from."""
    code = folder / 'code' / 'nigra'
    skip = shutil.ignore_patterns('.git', '.venv', '__pycache__', 'bids_example', '*cache')
    shutil.copytree(ROOT, code, ignore=skip)
    (code / 'bids_example').symlink_to(ROOT / 'bids_example')
    return code.parent


def noticed(mutant: Mutant, source: Path) -> bool | None:
    """Whether the tests of a mutant's module fail with it; None where they do not end in time."""
    inside = mutant.path.relative_to(ROOT)
    target = source / 'nigra' / inside
    tests = [str(path.relative_to(ROOT)) for path in tests_of(mutant.path)]
    if not tests:
        return False
    kept = target.read_bytes()
    target.write_text(mutant.swapped(), encoding='utf-8')
    command = [sys.executable, '-m', 'pytest', '-q', '-x', '-m', 'not slow', '-p',
               'no:cacheprovider', *tests]  # fmt: skip
    environment = {**os.environ, 'PYTHONPATH': str(source), 'PYTHONDONTWRITEBYTECODE': '1',
                   'NUMBA_CACHE_DIR': str(source / 'numba')}  # fmt: skip
    if also := os.environ.get('PYTHONPATH'):
        environment['PYTHONPATH'] += os.pathsep + also
    try:
        done = subprocess.run(
            command, cwd=source / 'nigra', env=environment, capture_output=True, timeout=SECONDS
        )
        return done.returncode != 0
    except subprocess.TimeoutExpired:
        return None
    finally:
        target.write_bytes(kept)


def draw(floor: str, only: str, number: int, seed: int) -> list[Mutant]:
    """A sample of the mutants of a floor, or of the modules whose path holds `only`."""
    paths = [p for p in sorted((ROOT / floor).rglob('*.py')) if only in str(p.relative_to(ROOT))]
    everything = [mutant for path in paths for mutant in mutants_of(path)]
    return random.Random(seed).sample(everything, min(number, len(everything)))


def main(argv: list[str] | None = None) -> int:
    """Print every mutant that lives or whose tests did not end, and how many were noticed."""
    parser = argparse.ArgumentParser(description='mutation testing by samples')
    parser.add_argument('floor', choices=('nodes', 'interfaces'))
    parser.add_argument('--number', type=int, default=40)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--only', default='', help='part of the path of the modules')
    args = parser.parse_args(argv)
    sample = draw(args.floor, args.only, args.number, args.seed)
    counts = {True: 0, False: 0, None: 0}
    with tempfile.TemporaryDirectory() as folder:
        source = copy_tree(Path(folder))
        for mutant in sample:
            found = noticed(mutant, source)
            counts[found] += 1
            if not found:
                sys.stdout.write(f'{"no end" if found is None else "lives"}: {mutant}\n')
                sys.stdout.flush()
    unended = f', the tests of {counts[None]} did not end' if counts[None] else ''
    sys.stdout.write(f'{counts[True]} of {len(sample)} noticed{unended}\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
