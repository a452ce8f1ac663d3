"""One acceptance, end to end: from DICOM to the comparison, here, in the container, on Slurm.

    python benchmarks/acceptance.py FOLDER [--image nigra:VERSION] [--slurm]

Six simulated people (acceptance.toml) are written as DICOM files (to_dicom.py), and go through
`nigra-bidsify` and both levels of `nigra` on this machine; with `--image` also inside the image,
by ENGINE (docker, else podman), on a read-only root, without network, as a user who exists
nowhere; with `--slurm` also by `nigra --slurm`, where `sbatch` is, or else on a Slurm of one node
that is started for it (as root). Images and tables must be those of this machine to the last bit;
docs/container.md says when they may differ. What is finished in FOLDER is not done again. Prints
a line for each way and ends with 1 where anything differs.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / 'tests' / 'cli' / 'cluster')]

from same import _results, compare  # noqa: E402

STUDY = HERE / 'acceptance.toml'
OPTIONS = ('participant', 'group', '--registration', 'testing', '--skip-bids-validation')
COMMANDS = {'nigra': 'nigra.cli', 'nigra-bidsify': 'nigra.cli.bidsify_cli',
            'nigra-simulate': 'nigra.cli.simulate_cli'}  # fmt: skip
RESULTS = ('.tsv', '.nii.gz')
"""What is compared: pages and sidecars also tell folders and versions."""
SOMEBODY = '4321:4321'


def main() -> int:
    """Run what is asked for; 0 where everything holds the same."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('folder', type=Path)
    parser.add_argument('--image', help='also inside this image')
    parser.add_argument('--slurm', action='store_true', help='also on Slurm')
    parser.add_argument('--nprocs', default='2', help='steps at once')
    asked = parser.parse_args()
    folder = asked.folder.resolve()
    dicom = make_dicom(folder, asked.nprocs)
    ways = {'here': run_here}
    if asked.image:
        ways['container'] = lambda *given: run_inside(asked.image, *given)
    if asked.slurm:
        ways['slurm'] = run_on_slurm
    differing = 0
    for name, way in ways.items():
        start = time.monotonic()
        out = folder / name / 'out'
        if not (out / 'group.html').exists():
            (folder / name).mkdir(exist_ok=True)
            way(dicom, folder / name, asked.nprocs)
        different = [] if name == 'here' else differences(folder / 'here' / 'out', out)
        verdict = f'{len(different)} results differ' if different else 'the same'
        print(f'{name}: {time.monotonic() - start:.0f} s; {verdict}', *different, sep='\n    ')
        differing += len(different)
    return int(differing > 0)


def make_dicom(folder: Path, nprocs: str) -> Path:
    """Simulate the people and write them as a scanner would; their table beside the files."""
    folder.mkdir(parents=True, exist_ok=True)
    dicom, simulated = folder / 'dicom', folder / 'simulated'
    if not (folder / 'clinical.tsv').exists():
        for old in (dicom, simulated):
            shutil.rmtree(old, ignore_errors=True)
        call('nigra-simulate', simulated, '--study', STUDY, '--nprocs', nprocs)
        subprocess.run([sys.executable, HERE / 'to_dicom.py', simulated, dicom], check=True)
        shutil.copy(simulated / 'participants.tsv', folder / 'clinical.tsv')
    return dicom


def call(command: str, *words: object) -> None:
    """Run one of nigra's commands with this Python, whether it is installed or not."""
    code = f'import sys; from {COMMANDS[command]} import main; sys.exit(main())'
    subprocess.run([sys.executable, '-c', code, *map(str, words)], check=True)


def run_here(dicom: Path, place: Path, nprocs: str) -> None:
    """Both commands on this machine."""
    _bidsify(dicom, place)
    call('nigra', place / 'bids', place / 'out', *OPTIONS, '--nprocs', nprocs)


def _bidsify(dicom: Path, place: Path) -> None:
    if not (place / 'bids').exists():
        clinical = dicom.parent / 'clinical.tsv'
        call('nigra-bidsify', dicom, place / 'bids', '--labels', 'patient-id',
             '--participants', clinical)  # fmt: skip


def run_inside(image: str, dicom: Path, place: Path, nprocs: str) -> None:
    """Both commands in the image."""
    engine = os.environ.get('ENGINE') or next(filter(shutil.which, ('docker', 'podman')))
    place.chmod(0o777)  # for the user who exists nowhere
    basis = [engine, *os.environ.get('ENGINE_OPTIONS', '').split(), 'run', '--rm', '--read-only',
             '--tmpfs', '/tmp', '--network=none', f'--user={SOMEBODY}', '-v',
             f'{dicom.parent}:/in:ro', '-v', f'{place}:/place', *_kernels(),
             *os.environ.get('RUN_OPTIONS', '').split()]  # fmt: skip
    if not (place / 'bids').exists():
        subprocess.run([*basis, '--entrypoint', 'nigra-bidsify', image, f'/in/{dicom.name}',
                        '/place/bids', '--labels', 'patient-id', '--participants',
                        '/in/clinical.tsv'], check=True)  # fmt: skip
    subprocess.run([*basis, '-v', f'{place}/bids:/bids:ro', image, '/bids', '/place/out', *OPTIONS,
                    '--nprocs', nprocs], check=True)  # fmt: skip


def _kernels() -> list[str]:
    """The kernels that OpenBLAS is told to take here, told in the image too."""
    return [f'--env={n}={v}' for n, v in os.environ.items() if n.startswith('OPENBLAS_')]


def run_on_slurm(dicom: Path, place: Path, nprocs: str) -> None:
    """An array of participants and the group level after it."""
    from nigra.cli.status_cli import NOT_YET
    from nigra.cli.status_cli import main as status

    _bidsify(dicom, place)
    with _slurm(place):
        call('nigra', place / 'bids', place / 'out', *OPTIONS, '--slurm')
        while status([str(place / 'out')]) == NOT_YET:
            time.sleep(10)


@contextlib.contextmanager
def _slurm(place: Path) -> Iterator[None]:
    there = shutil.which('sinfo') and subprocess.run(['sinfo'], capture_output=True)
    if there and there.returncode == 0:
        yield
        return
    from slurm_node import missing, slurm_node

    if missing():
        raise SystemExit(f'--slurm: {missing()}')
    with slurm_node(place / 'slurm', cpus=2, memory=16000):
        yield


def differences(first: Path, second: Path) -> list[str]:
    """Results that are not the same in both, with how much."""
    names = [{n for n in _results(folder) if n.endswith(RESULTS)} for folder in (first, second)]
    lone = [f'{name}: only in one' for name in sorted(names[0] ^ names[1])]
    told = {name: compare(first / name, second / name, {}) for name in sorted(names[0] & names[1])}
    return [*lone, *(f'{name}: {verdict}' for name, verdict in told.items() if verdict)]


if __name__ == '__main__':
    sys.exit(main())
