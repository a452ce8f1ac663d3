"""Thousands of random inputs: each is refused in one sentence, or right by an oracle of its own.

    python benchmarks/fuzz.py --cases 5000

Names, sidecars, tables of participants, headers, tables of atlases, filters, configuration files,
command lines and whole data sets (by a dry run) are drawn by Hypothesis, mostly near to what is
right. A traceback is a failure, and so is a wrong success: what is taken must be allowed by a
second reading that shares nothing with the program's.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import struct
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from fuzz_inputs import (
    CELLS,
    COLUMNS,
    ENTITIES,
    FIELDS,
    FREQUENCIES,
    HEADS,
    IMAGE,
    JUNK,
    LABELS,
    LIKELY,
    NAMES,
    NEAR,
    ODD,
    OPTIONS,
    PLAIN,
    TIMES,
    command_lines,
    toml,
    write_person,
)
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from nigra.cli import main as nigra_main
from nigra.cli.arguments import parse_settings
from nigra.interfaces.anatomy.user_atlas import read_names
from nigra.interfaces.bids import find_visits
from nigra.interfaces.headers import read_header
from nigra.interfaces.participants import MISSING, read_participants
from nigra.interfaces.queries import load_filters
from nigra.interfaces.tables import read_table
from nigra.nodes.errors import NigraError

TALLY: Counter[str] = Counter()
"""How many cases of a kind were taken, and how many refused."""
ENDED = 128
"""Exit status above which a run was told to end by a signal."""


def attempt(kind: str, run: Callable[[], Any]) -> Any:
    """What a call returns; None where it refuses in one sentence, or as argparse does."""
    try:
        found = run()
    except SystemExit as end:
        if end.code not in (0, 2):
            raise
        TALLY[f'{kind} refused'] += 1
        return None
    except NigraError as error:
        if '\n' in str(error):
            raise
        TALLY[f'{kind} refused'] += 1
        return None
    TALLY[f'{kind} taken'] += 1
    return found


def check_settings(found: Any) -> None:
    """What settings must be, whoever gave them."""
    assert found.levels
    assert set(found.levels) <= {'participant', 'group'}
    assert found.nprocs >= 1
    assert found.omp_nthreads >= 1
    assert found.mem_gb is None or 0 < found.mem_gb < math.inf
    assert found.question.permutations >= 0
    assert 0 <= found.question.smoothing < math.inf
    assert found.analysis_name is None or re.fullmatch('[A-Za-z0-9]+', found.analysis_name)


@given(command_lines())
def command_line(words: list[str]) -> None:
    """Command lines."""
    found = attempt('command line', lambda: parse_settings(words))
    if found is not None:
        check_settings(found)


@given(
    NEAR,
    st.dictionaries(OPTIONS | ODD, PLAIN | st.lists(PLAIN, max_size=2), max_size=1),
    st.sampled_from(['', '', '', 'x = ', '[set.inversion]\nthreshold = "a"\n', '\x00']),
)
def configuration(content: dict[str, Any], odd: dict[str, Any], more: str) -> None:
    """Configuration files."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'nigra.toml'
        both = {**content, **odd}.items()
        lines = [f'{json.dumps(k, ensure_ascii=False)} = {toml(v)}' for k, v in both]
        path.write_text('\n'.join([*lines, more]), encoding='utf-8')
        argv = ['raw', 'out', 'group', '--config-file', str(path)]
        found = attempt('configuration', lambda: parse_settings(argv))
    if found is not None:
        check_settings(found)


@given(
    HEADS | st.lists(CELLS, max_size=4),
    st.lists(st.lists(LIKELY | LIKELY | CELLS, min_size=4, max_size=4), min_size=1, max_size=5),
    st.sampled_from(['\t'] * 9 + [',']),
    st.sampled_from(['\n', '\r\n', '\r']),
    st.sampled_from(['group', 'group', 'group', 'group', 'arm']),
)
def participants(
    header: list[str], rows: list[list[str]], separator: str, end: str, column: str
) -> None:
    """Tables of participants."""
    fit = [
        [
            f'sub-{i:02d}' if name == 'participant_id' else cell
            for name, cell in zip(header, row, strict=False)
        ]
        for i, row in enumerate(rows)
    ]
    text = end.join(separator.join(cells) for cells in (header, *fit))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'participants.tsv'
        path.write_bytes(text.encode('utf-8', 'surrogatepass'))
        found = attempt('participants', lambda: read_participants(path, group_column=column))
    if found is None:
        return
    table, _ = found
    names = table.participant_id.tolist()
    assert len(set(names)) == len(names)
    lines = [line for line in text.splitlines() if line.strip()]
    assert len(names) == len(lines) - 1
    assert all(str(name).startswith('sub-') for name in names)
    for name, limit in (('age', 120), ('edss', 10)):
        if name in table:
            known = [float(v) for v in table[name].dropna()]
            assert all(0 <= v <= limit for v in known)
    groups = table[column].dropna()
    assert not [g for g in groups if str(g).casefold() in MISSING]


def is_number(value: Any) -> bool:
    """Whether a value of JSON is a number, as people mean it."""
    return isinstance(value, int | float) and not isinstance(value, bool)


@given(TIMES, FIELDS, FREQUENCIES, st.booleans())
def sidecar(te: Any, b0: Any, frequency: Any, alike: bool) -> None:
    """Sidecars."""
    entries = {'EchoTime': te, 'MagneticFieldStrength': b0, 'ImagingFrequency': frequency}
    other = entries if alike else {**entries, 'EchoTime': 0.02}
    with tempfile.TemporaryDirectory() as folder:
        names = {'sub-01_T1w': None, 'sub-01_part-mag_T2starw': other,
                 'sub-01_part-phase_T2starw': entries}  # fmt: skip
        write_person(Path(folder), names)
        found = attempt('sidecar', lambda: find_visits(Path(folder), 'sub-01'))
    if found is not None:
        assert is_number(te)
        assert 0 < te < 1
        assert alike or te == 0.02
        assert is_number(b0)
        assert 0.2 <= b0 <= 12
        if is_number(frequency) and frequency > 0:
            assert abs(frequency / 42.577 / b0 - 1) < 0.11
        assert found[0].scans[0].echo_times == (float(te),)


@given(
    st.lists(st.tuples(ENTITIES, LABELS), max_size=3),
    st.sampled_from([True, True, False]),
    st.sampled_from(['T2starw', 'MEGRE']),
)
def names(extra: list[tuple[str, str]], both: bool, suffix: str) -> None:
    """Names of images."""
    middle = ''.join(f'_{key}-{value}' for key, value in extra)
    sidecars = {'EchoTime': 0.02, 'MagneticFieldStrength': 3}
    with tempfile.TemporaryDirectory() as folder:
        images: dict[str, dict[str, Any] | None] = {'sub-01_T1w': None}
        for part in ('mag', 'phase') if both else ('phase',):
            images[f'sub-01{middle}_part-{part}_{suffix}'] = sidecars
        try:
            write_person(Path(folder), images)
        except OSError:
            return  # the file system has no such name
        found = attempt('names', lambda: find_visits(Path(folder), 'sub-01'))
    if found is not None:
        keys = [key for key, _ in extra]
        assert both
        assert all(re.fullmatch('[A-Za-z0-9+]+', value) for _, value in extra)
        assert len(set(keys)) == len(keys)
        assert not {'ses', 'part'} & set(keys)
        prefix = found[0].scans[0].prefix
        assert re.fullmatch('sub-01(_[a-z]+-[A-Za-z0-9+]+)*', prefix)
        assert len(prefix) < 200


@given(
    st.lists(st.tuples(st.integers(0, 347), st.integers(0, 255)), max_size=4),
    st.sampled_from([len(IMAGE), 352, 348, 100, 0]),
    st.sampled_from([None, math.nan, math.inf, 0.0, -1.0, 1e30]),
    st.integers(0, 7),
)
def header(flips: list[tuple[int, int]], size: int, number: float | None, place: int) -> None:
    """Headers of images."""
    content = bytearray(IMAGE)
    for at, value in flips:
        content[at] = value
    if number is not None:
        content[280 + 4 * place : 284 + 4 * place] = struct.pack('<f', number)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'image.nii'
        path.write_bytes(content[:size])
        found = attempt('header', lambda: read_header(path))
    if found is not None:
        assert all(n > 0 for n in found.shape)
        assert np.isfinite(found.affine).all()
        assert all(0.1 <= edge <= 20 for edge in found.voxel_mm)
        assert abs(np.linalg.det(found.affine[:3, :3])) > 1e-6


@given(
    COLUMNS | st.lists(CELLS, max_size=3),
    st.lists(st.lists(NAMES, min_size=3, max_size=3), max_size=4),
)
def atlas(columns: list[str], rows: list[list[str]]) -> None:
    """Tables of atlases."""
    fit = [
        [
            str(i) if name == 'index' and i < 3 else cell
            for name, cell in zip(columns, row, strict=False)
        ]
        for i, row in enumerate(rows, start=1)
    ]
    text = '\n'.join('\t'.join(cells) for cells in (columns, *fit))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'dseg.tsv'
        path.write_bytes(text.encode('utf-8', 'surrogatepass'))
        found = attempt('atlas', lambda: read_names(path))
    if found is not None:
        assert (found['index'] > 0).all()
        assert found['index'].is_unique
        assert found['region'].map(lambda r: bool(re.fullmatch('[a-z0-9_]+', r))).all()
        assert found['hemisphere'].isin(['L', 'R', 'both']).all()
        assert not found.duplicated(['region', 'hemisphere']).any()


@given(
    JUNK
    | st.dictionaries(
        st.sampled_from(['t1w', 'gre', 'x']),
        st.dictionaries(ENTITIES | st.sampled_from(['acquisition']), JUNK, max_size=2),
        max_size=2,
    )
)
def filters(content: Any) -> None:
    """Filter files, and what they choose."""
    sidecars = {'EchoTime': 0.02, 'MagneticFieldStrength': 3}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'filter.json'
        path.write_text(json.dumps(content), encoding='utf-8')
        write_person(Path(folder), {'sub-01_T1w': None, 'sub-01_part-mag_T2starw': sidecars,
                                    'sub-01_part-phase_T2starw': sidecars})  # fmt: skip

        def run() -> Any:
            return find_visits(Path(folder), 'sub-01', filters=load_filters(path))

        if attempt('filters', run) is not None:
            assert isinstance(content, dict)
            assert set(content) <= {'t1w', 'gre', 'brain_mask'}


@given(ENTITIES, LABELS, TIMES, FIELDS, st.lists(LIKELY | CELLS, min_size=3, max_size=3))
def data_set(key: str, label: str, te: Any, b0: Any, row: list[str]) -> None:
    """Whole data sets of two people, the second as it should be."""
    good = {'EchoTime': 0.02, 'MagneticFieldStrength': 3}
    odd = {'EchoTime': te, 'MagneticFieldStrength': b0}
    with tempfile.TemporaryDirectory() as folder:
        root, out = Path(folder) / 'raw', Path(folder) / 'out'
        for who, entries, middle in (('01', odd, f'_{key}-{label}'), ('02', good, '')):
            sidecars = {f'sub-{who}{middle}_part-{p}_T2starw': entries for p in ('mag', 'phase')}
            try:
                write_person(root, {f'sub-{who}_T1w': None, **sidecars}, who)
            except OSError:
                return  # the file system has no such name
        (root / 'dataset_description.json').write_text('{"Name": "x", "BIDSVersion": "1.10.0"}')
        table = [['participant_id', 'group', 'age', 'sex'], ['sub-01', *row], ['sub-02', *'A3F']]
        text = '\n'.join('\t'.join(cells) for cells in table)
        (root / 'participants.tsv').write_bytes(text.encode('utf-8', 'surrogatepass'))
        before = sorted(root.rglob('*'))
        argv = [str(root), str(out), 'participant', '--dry-run', '--skip-bids-validation']
        status = nigra_main(argv)
        if status > ENDED:
            raise KeyboardInterrupt
        scans = read_table(out / 'logs' / 'look.tsv')
        problems = read_table(out / 'logs' / 'problems.tsv')
        assert sorted(root.rglob('*')) == before
        assert {path.name for path in Path(folder).iterdir()} == {'raw', 'out'}
    TALLY[f'data set {"refused" if status else "taken"}'] += 1
    states = dict(zip(scans.participant_id, scans.state, strict=True))
    assert states['sub-02'] == 'process'
    assert (states['sub-01'] == 'left out') == bool(status)
    assert (problems.level == 'error').any() == bool(status)
    if not status:
        assert is_number(te)
        assert 0 < te < 1
        assert is_number(b0)
        assert re.fullmatch('[A-Za-z0-9+]+', label)


CHECKS = (command_line, configuration, participants, sidecar, names, header, atlas, filters)
KINDS = {check.__name__: check for check in (*CHECKS, data_set)}


def run_kind(name: str, cases: int, *, number: int = 0) -> None:
    """Draw cases of one kind; raises what the first bad one raises.

    Parameters
    ----------
    name
        Of `KINDS`.
    cases
        To draw.
    number
        Seed.
    """
    quiet = settings(
        max_examples=cases, deadline=None, database=None, suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink), print_blob=False,
    )  # fmt: skip
    seed(number)(quiet(KINDS[name]))()


def told_of(error: BaseException) -> str:
    """Where a case went wrong, and the smallest one that does."""
    lines = traceback.format_exception(error)
    notes = getattr(error, '__notes__', [])
    return f'{lines[-2 - len(notes)].strip()} {error!r} {" ".join(notes)}'


def main(argv: list[str] | None = None) -> int:
    """Run all kinds and print what was found."""
    parser = argparse.ArgumentParser(description='random inputs')
    parser.add_argument('--cases', type=int, default=5000)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--kinds', nargs='+', choices=list(KINDS), default=list(KINDS))
    args = parser.parse_args(argv)
    bad = 0
    for name in args.kinds:
        started = time.perf_counter()
        try:
            run_kind(name, max(1, args.cases // len(args.kinds)), number=args.seed)
            told = 'none'
        except KeyboardInterrupt:  # who ends this has found nothing
            raise
        except BaseException as error:
            bad += 1
            told = '\n'.join(told_of(e) for e in getattr(error, 'exceptions', [error]))
        shown = ', '.join(
            f'{v} {k}' for k, v in TALLY.items() if k.startswith(name.replace('_', ' '))
        )
        sys.stdout.write(f'{name}: {shown}; {time.perf_counter() - started:.0f} s; bad: {told}\n')
        sys.stdout.flush()
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
