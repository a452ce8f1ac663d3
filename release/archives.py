"""Wheel and source archive of the tree, the same bytes whenever and wherever they are made.

    python release/archives.py DIST

takes what is committed, with the date of the release (CITATION.cff) on every file. Needs the
packages of container/build.lock in the Python that runs this, as other versions write other
bytes. Builds everything twice, and ends with 1 where the two differ.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import importlib.metadata
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from project import ROOT, locked

LOCK = ROOT / 'container' / 'build.lock'
WINDOWS = 'colorama'
"""What the lock holds for another system."""


def main() -> int:
    """Build twice, compare, and put the first into the folder."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('dist', type=Path, help='folder for the archives and SHA256SUMS')
    dist = parser.parse_args().dist
    told = lacking()
    if told:
        parser.error(told)
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        sums = [build(Path(folder)) for folder in (first, second)]
        if sums[0] != sums[1]:
            print('release/archives.py: two builds differ:', *sums, sep='\n')
            return 1
        dist.mkdir(parents=True, exist_ok=True)
        for name in sums[0]:
            shutil.copy(Path(first) / 'dist' / name, dist / name)
    lines = [f'{digest}  {name}\n' for name, digest in sorted(sums[0].items())]
    (dist / 'SHA256SUMS').write_text(''.join(lines), encoding='utf-8')
    print(''.join(lines), end='')
    return 0


def lacking() -> str:
    """What there must be to make the archives and is not, with the fix; empty where all is."""
    if not (ROOT / '.git').exists():
        return f'{ROOT} is no clone, and archives are made of what is committed; clone it with git'
    absent = []
    for name, versions in locked(LOCK).items():
        found = [d.version for d in importlib.metadata.distributions(name=name)]
        if name != WINDOWS and not versions & set(found[:1]):
            absent.append(f'{name} {min(versions)} (here: {found[0] if found else "none"})')
    how = f'run: {sys.executable} -m pip install --require-hashes -r {LOCK}'
    return f'needs {", ".join(absent)}; {how}' if absent else ''


def release_date() -> int:
    """The day that CITATION.cff names, in seconds of Unix."""
    found = re.search(r'^date-released: (\S+)$', (ROOT / 'CITATION.cff').read_text('utf-8'), re.M)
    if found is None:
        raise SystemExit('CITATION.cff: has no date-released; add it.')
    return int(datetime.fromisoformat(found[1]).replace(tzinfo=UTC).timestamp())


def build(folder: Path) -> dict[str, str]:
    """Both archives of what is committed; their hashes by name."""
    source, dist, date = folder / 'source', folder / 'dist', release_date()
    source.mkdir()
    packed = subprocess.run(
        ['git', '-C', str(ROOT), '-c', 'tar.umask=0022', 'archive', 'HEAD'],
        check=True, capture_output=True,
    )  # fmt: skip
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as tar:
        tar.extractall(source, filter='fully_trusted')  # our own commit
    os.umask(0o022)
    subprocess.run(
        [sys.executable, '-m', 'build', '--no-isolation', '--outdir', str(dist), str(source)],
        check=True, stdout=subprocess.DEVNULL,
        env={**os.environ, 'SOURCE_DATE_EPOCH': str(date), 'PYTHONPATH': ''},
    )  # fmt: skip
    for path in dist.glob('*.tar.gz'):
        settle(path, date)
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(dist.iterdir())}


def settle(path: Path, date: int) -> None:
    """Write a tar.gz again without the moment and the person that made it."""
    with tarfile.open(path) as old:
        members = sorted(old.getmembers(), key=lambda member: member.name)
        opened = [old.extractfile(member) for member in members]
        contents = [b'' if file is None else file.read() for file in opened]
    with (
        path.open('wb') as file,
        gzip.GzipFile('', 'wb', 9, file, mtime=date) as packed,
        tarfile.open(fileobj=packed, mode='w', format=tarfile.PAX_FORMAT) as new,
    ):
        for member, content in zip(members, contents, strict=True):
            plain = tarfile.TarInfo(member.name)
            plain.type, plain.size, plain.mtime = member.type, len(content), date
            plain.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            new.addfile(plain, io.BytesIO(content))


if __name__ == '__main__':
    sys.exit(main())
