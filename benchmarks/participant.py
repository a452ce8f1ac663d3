"""Where a participant's time goes: wall, CPU, memory and bytes of every step, and the engine's.

    python benchmarks/participant.py FOLDER [--bids bids_example] [--label 01 ...] [--nprocs 1]
        [--registration fast] [--set ...]

processes participants into FOLDER (which must be new) as the command does, with the same
processes, and measures each step in the worker that runs it. `read` and `written` are bytes that
went through the system's calls, whether or not a disk was touched; `peak` is the largest memory of
the worker during the step; `CPU` counts its threads and the programs that it starts. The
engine's overhead is the time in which less than it could was done: wall times processes, less the
steps' own wall; what comes before the first step is told apart. On a busy machine look at its CPU
instead: that of all processes less the steps'. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from nigra.cli import main as nigra
from nigra.interfaces.processes import one_thread_of_algebra

one_thread_of_algebra()  # as the command does, before anything imports numpy

import pandas as pd  # noqa: E402
from nipype.interfaces.base.core import BaseInterface  # noqa: E402

EXAMPLE = Path(__file__).parents[1] / 'bids_example'
MB = 1e6


def state() -> dict[str, float]:
    """What this process has used so far."""
    lines = Path('/proc/self/io').read_text(encoding='ascii').splitlines()
    io = dict(line.split(': ') for line in lines)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        'wall': time.monotonic(),
        'CPU': sum(u.ru_utime + u.ru_stime for u in used),
        'read': float(io['rchar']) / MB,
        'written': float(io['wchar']) / MB,
    }


def peak() -> float:
    """Largest memory, MB, since it was last asked for."""
    lines = Path('/proc/self/status').read_text(encoding='ascii').splitlines()
    found = next(line for line in lines if line.startswith('VmHWM'))
    Path('/proc/self/clear_refs').write_text('5', encoding='ascii')
    return int(found.split()[1]) / 1000


def measured(run: Callable[..., Any], log: Path) -> Callable[..., Any]:
    """A step's `run` that notes in a file what it has used; workers inherit it."""

    def run_and_note(self: Any, cwd: Any = None, **options: Any) -> Any:
        peak()
        before = state()
        try:
            return run(self, cwd=cwd, **options)
        finally:
            used = {key: value - before[key] for key, value in state().items()}
            note = {'step': str(cwd), 'begun': before['wall'], 'peak': peak(), **used}
            with log.open('a', encoding='utf-8') as stream:
                stream.write(json.dumps(note) + '\n')

    return run_and_note


def sizes(folder: Path) -> Iterator[int]:
    """Bytes of the files below a folder that others write and remove meanwhile."""
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                yield os.lstat(os.path.join(where, name)).st_size
            except OSError:
                continue


def watch(folder: Path, over: threading.Event, found: list[float]) -> None:
    """Note the size of a folder, MB, twice a second."""
    while not over.wait(0.5):
        found.append(sum(sizes(folder)) / MB)


def process(arguments: argparse.Namespace, log: Path) -> tuple[float, float, float]:
    """Run the command; its begin, its end, and the working folder's largest size (MB)."""
    work, over, found = arguments.folder / 'work', threading.Event(), [0.0]
    words = [
        str(arguments.bids), str(arguments.folder / 'out'), 'participant', '--nprocs',
        str(arguments.nprocs), '--omp-nthreads', str(arguments.omp_nthreads), '--registration',
        arguments.registration, '--work-dir', str(work), '--skip-bids-validation',
        '--participant-label', *arguments.label, *(w for s in arguments.set for w in ('--set', s)),
    ]  # fmt: skip
    BaseInterface.run = measured(BaseInterface.run, log)
    watcher = threading.Thread(target=watch, args=(work, over, found))
    watcher.start()
    begun = time.monotonic()
    status = nigra(words)
    ended = time.monotonic()
    over.set()
    watcher.join()
    if status:
        sys.exit(status)
    return begun, ended, max(found)


def report(steps: pd.DataFrame, begun: float, ended: float, work: float, nprocs: int) -> None:
    """Print the steps in the order in which they began, and what all took."""
    names = steps.step.str.split('/nigra_wf/').str[1].str.replace('_wf', '', regex=False)
    shown = steps.assign(step=names, begun=steps.begun - begun)
    columns = ['begun', 'wall', 'CPU', 'peak', 'read', 'written']
    print(shown.set_index('step')[columns].round(2).to_string())
    kinds = shown.assign(step=names.str.split('/').str[1:].str.join('/')).groupby('step')
    print('\nBy kind of step, the longest first (sums; peak: largest)')
    table = kinds.agg({**dict.fromkeys(columns[1:], 'sum'), 'peak': 'max'})
    print(table.sort_values('wall', ascending=False).round(2).to_string())
    first, own, wall = float(shown.begun.min()), float(steps.wall.sum()), ended - begun
    last = float((shown.begun + shown.wall).max())
    engine = nprocs * (last - first) - own
    print(f'\n{len(steps)} steps; wall {wall:.1f} s, first step after {first:.1f} s, '
          f'CPU of steps {steps.CPU.sum():.1f} s, read {steps.read.sum():.0f} MB, '
          f'written {steps.written.sum():.0f} MB, largest step {steps.peak.max():.0f} MB, '
          f'working folder {work:.0f} MB')  # fmt: skip
    every = sum(
        u.ru_utime + u.ru_stime
        for u in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )
    print(f'CPU of all processes {every:.1f} s, of the engine and start-up '
          f'{every - steps.CPU.sum():.1f} s')  # fmt: skip
    print(f'engine: {engine:.1f} s of {nprocs * (last - first):.1f} s between first and last '
          f'step ({100 * engine / (nprocs * (last - first)):.1f} %)')  # fmt: skip


def main() -> None:
    """Process, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('folder', type=Path, help='new folder to work in')
    parser.add_argument('--bids', type=Path, default=EXAMPLE)
    parser.add_argument('--label', nargs='+', default=['01'])
    parser.add_argument('--nprocs', type=int, default=1)
    parser.add_argument('--omp-nthreads', type=int, default=1)
    parser.add_argument('--registration', default='fast')
    parser.add_argument('--set', action='append', default=[], metavar='STEP.NAME=VALUE')
    arguments = parser.parse_args()
    arguments.folder = arguments.folder.absolute()
    arguments.folder.mkdir(parents=True)
    log = arguments.folder / 'steps.jsonl'
    begun, ended, work = process(arguments, log)
    steps = pd.read_json(log, lines=True).sort_values('begun')
    report(steps, begun, ended, work, arguments.nprocs)


if __name__ == '__main__':
    main()
