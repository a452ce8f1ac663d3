"""Runs that are killed at random moments: what is left, and what the same command makes of it.

    python benchmarks/faults.py FOLDER [--kills 30] [--seed 1] [--only LEVEL]

Participants of the example are processed once as the reference, then participant level, group
level and voxel-wise comparison are killed in turn: the run or one of its workers by SIGKILL, or
the run by SIGTERM, SIGHUP or Ctrl-C. After each, no process may be left, every file under a final
name must be whole and that of the reference, and the same command must end well and hold the same
as the reference, with nothing unfinished left. Prints a line for each kill and ends with 1 where
any fails.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from same import _results, compare

from nigra.interfaces.reports.index_page import INDEX

EXAMPLE = Path(__file__).parents[1] / 'bids_example'
WAYS = {
    'run killed': signal.SIGKILL, 'worker killed': signal.SIGKILL, 'terminated': signal.SIGTERM,
    'hung up': signal.SIGHUP, 'Ctrl-C': signal.SIGINT,
}  # fmt: skip
PEOPLE = ('sub-01', 'sub-02', 'sub-03', 'sub-07', 'sub-08', 'sub-09')
"""Two groups, as few as a voxel-wise comparison takes."""
GRACE = 30
"""Seconds in which a run that was asked to end must have ended."""


@dataclass(frozen=True)
class Case:
    """A command to kill.

    Attributes
    ----------
    name
        For the table.
    arguments
        Of `nigra`; `OUT` stands for the output folder.
    start
        Output folder to begin with; None for none.
    reference
        Output folder of the command when nothing disturbs it.
    seconds
        That it takes.
    """

    name: str
    arguments: tuple[str, ...]
    start: Path | None
    reference: Path
    seconds: float


def start(arguments: Sequence[str], out: Path) -> subprocess.Popen[str]:
    """Begin a command in a session of its own."""
    words = [str(out) if word == 'OUT' else word for word in arguments]
    log = out.with_suffix('.log').open('a')
    return subprocess.Popen(
        [sys.executable, '-m', 'nigra', *words], stdout=log, stderr=log, text=True,
        start_new_session=True, env={**os.environ, 'OMP_NUM_THREADS': '1'},
        preexec_fn=obey,
    )  # fmt: skip


def obey() -> None:
    """Let this process take the signals that a background job or `nohup` makes it ignore."""
    for number in set(WAYS.values()) - {signal.SIGKILL}:
        signal.signal(number, signal.SIG_DFL)


def members(session: int) -> list[int]:
    """Processes of a session that live, its leader left out."""
    found = []
    for path in Path('/proc').glob('[0-9]*/stat'):
        try:
            state, _, _, number = path.read_text().rpartition(')')[2].split()[:4]
        except OSError:
            continue
        if int(number) == session != int(path.parent.name) and state != 'Z':
            found.append(int(path.parent.name))
    return found


def kill(case: Case, out: Path, way: str, after: float) -> list[str]:
    """Kill a command in one way after some seconds; return what is wrong then and later."""
    for old in (out, out.with_suffix('.log')):
        shutil.rmtree(old, ignore_errors=True) if old.is_dir() else old.unlink(missing_ok=True)
    if case.start is not None:
        shutil.copytree(case.start, out)
    process = start(case.arguments, out)
    wrong = strike(process, way, after)
    wrong += [
        f'{name} after the kill: {why}'
        for name, why in differing(case.reference, out)
        if name != INDEX
    ]
    wrong += dead_links(out)
    again = start(case.arguments, out).wait(timeout=20 * case.seconds + 60)
    if again:
        wrong.append(f'the same command ends with {again}')
    missing = set(_results(case.reference)) - set(_results(out))
    wrong += [f'{name} is missing' for name in sorted(missing)]
    wrong += [f'{name} at the end: {why}' for name, why in differing(case.reference, out)]
    left = [p for p in out.rglob('.part-*') if 'work' not in p.relative_to(out).parts]
    return wrong + [f'{path} is left' for path in left]


def dead_links(out: Path) -> list[str]:
    """Pages to which the list of everybody leads and which are not there."""
    index = out / INDEX
    pages = re.findall(r'href="([^"#:]+)"', index.read_text()) if index.is_file() else []
    return [f'{INDEX} leads to {page}' for page in pages if not (out / page).is_file()]


def strike(process: subprocess.Popen[str], way: str, after: float) -> list[str]:
    """Kill a run or one of its workers; return what is wrong with how it ends."""
    try:
        process.wait(timeout=after)
    except subprocess.TimeoutExpired:
        workers = members(process.pid)
        target = random.choice(workers) if way == 'worker killed' and workers else process.pid
        if way == 'Ctrl-C':
            os.killpg(process.pid, WAYS[way])
        else:
            os.kill(target, WAYS[way])
    try:
        process.wait(timeout=600 if way == 'worker killed' else GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        return [f'it does not end within {GRACE} s']
    for _ in range(50):
        if not members(process.pid):
            return []
        time.sleep(0.1)
    left = [Path(f'/proc/{number}/cmdline') for number in members(process.pid)]
    names = [p.read_text().replace('\0', ' ')[-60:] for p in left if p.exists()]
    return [f'{len(left)} processes are left ({", ".join(names)})']


def differing(reference: Path, out: Path) -> list[tuple[str, str]]:
    """Files with final names that are not those of the reference, and how."""
    found = []
    for name in sorted(_results(out) if out.is_dir() else ()):
        if any(part.startswith('.part-') for part in Path(name).parts):
            continue
        if not (reference / name).is_file():
            found.append((name, 'is not one of the reference'))
        elif why := _judge(reference / name, out / name):
            found.append((name, why))
    return found


def _judge(first: Path, second: Path) -> str:
    try:
        return compare(first, second, {})
    except Exception as error:
        return f'cannot be read ({error})'


def timed(arguments: Sequence[str], out: Path) -> float:
    """Seconds that a command takes; it must end well."""
    begun = time.monotonic()
    status = start(arguments, out).wait()
    if status:
        sys.exit(f'{" ".join(arguments)} ends with {status}; see {out.with_suffix(".log")}')
    return time.monotonic() - begun


def prepare(folder: Path) -> list[Case]:
    """The commands to kill, with their references."""
    how = ('--registration', 'testing', '--skip-bids-validation', '--nprocs', '2')
    everyone = ('--participant-label', *PEOPLE)
    done, work = folder / 'participants', ('--work-dir', str(folder / 'work'))
    timed((str(EXAMPLE), 'OUT', 'participant', *how, *everyone, *work), done)
    cases = []
    one = (str(EXAMPLE), 'OUT', 'participant', *how, '--participant-label', PEOPLE[0])
    group = (str(EXAMPLE), 'OUT', 'group', '--covariates', '--scores', '--nprocs', '2')
    for name, arguments, begun in (
        ('participant', one, None),
        ('group', (*group, '--bootstraps', '200'), done),
        ('voxel-wise', (*group, '--voxelwise', '20', '--bootstraps', '0'), done),
    ):
        reference = folder / f'reference-{name}'
        if begun is not None:
            shutil.copytree(begun, reference, dirs_exist_ok=True)
        cases.append(Case(name, arguments, begun, reference, timed(arguments, reference)))
    return cases


def report(cases: Sequence[Case], folder: Path, kills: int) -> int:
    """Kill the commands in turn and print a table; returns how many kills went wrong."""
    failures = 0
    print(f'{"level":12} {"kill":14} {"after s":>8} {"of s":>6}  outcome', flush=True)
    for number in range(kills):
        case, way = cases[number % len(cases)], list(WAYS)[number % len(WAYS)]
        after = random.uniform(0, case.seconds)
        wrong = kill(case, folder / 'out', way, after)
        failures += bool(wrong)
        outcome = '; '.join(wrong[:4]) or 'the same at the end'
        print(f'{case.name:12} {way:14} {after:8.1f} {case.seconds:6.1f}  {outcome}', flush=True)
    print(f'{kills - failures} of {kills} kills did no harm')
    return failures


def main() -> int:
    """Print the table; 1 where any kill did harm."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('folder', type=Path, help='to work in; earlier references are used')
    parser.add_argument('--kills', type=int, default=30)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--only', metavar='LEVEL', help='participant, group or voxel-wise')
    arguments = parser.parse_args()
    random.seed(arguments.seed)
    folder = arguments.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    cases = [c for c in prepare(folder) if arguments.only in (None, c.name)]
    return int(report(cases, folder, arguments.kills) > 0)


if __name__ == '__main__':
    sys.exit(main())
