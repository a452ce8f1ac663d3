"""Cut a release: version, changelog, citation, what is made from them; archives and image.

    python release/cut.py VERSION [--date YYYY-MM-DD] [--no-image]

begins with a tree in which everything is committed. The heading of CHANGELOG.md that says
`(unreleased)` gets version and date, and so does every file that names the version; that is
committed, and wheel, source archive (twice, compared) and image are made of it. Nothing leaves
the machine: at the end stand the commands that would publish. Run again after a failure with the
version that the tree has already, it makes what is missing. Needs what `container/build.lock`
lists, and nigra itself, in the Python that runs this.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import archives
from project import ROOT, version

HERE = Path(__file__).parent
NAMED = {
    '__init__.py': r"(?<=^__version__ = ')[^']+",
    'CITATION.cff': r'(?<=^version: )\S+',
    'docs/nipoppy/config.json': r'(?<="VERSION": ")[^"]+',
    'docs/nipoppy/descriptor.json': r'(?<="tool-version": ")[^"]+',
    'docs/cluster.md': r'(?<=--pipeline-version )\S+',
    'docs/python.ipynb': r'(?<=processed with nigra )\d+\.\d+\.\d+',
    'benchmarks/qsm-ci/Dockerfile': r'(?<=^FROM nigra:)\S+',
    'benchmarks/qsm-ci/README.md': r'(?<=nigra:)[\d.]+|(?<=nigra-qsm-ci:)[\d.]+',
    **{f'benchmarks/qsm-ci/{p.parent.name}/algorithm.yml': r'(?<=^image: nigra-qsm-ci:)\S+'
       for p in (ROOT / 'benchmarks' / 'qsm-ci').glob('*/algorithm.yml')},
}  # fmt: skip
"""Files that name the version, and where in them."""
DASHED = {
    'docs/cluster.md': r'(?<=--container_name nigra-)[\d-]+',
    'docs/babs/nigra.yaml': r'(?<=nigra: ")[\d-]+',
}
"""The same with dashes in it, as BABS wants it."""


def main() -> int:
    """Cut the release; 0 where everything is made."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('version', help='such as 0.2.0')
    parser.add_argument('--date', default=f'{datetime.now(UTC):%Y-%m-%d}', help='default: today')
    parser.add_argument('--no-image', action='store_true', help='leave the image out')
    asked = parser.parse_args()
    if not re.fullmatch(r'\d+\.\d+\.\d+', asked.version):
        parser.error(f'{asked.version} is no version; write three numbers, such as 0.2.0')
    told = archives.lacking()
    if told:
        parser.error(told)
    if _git('status', '--porcelain'):
        parser.error('not everything is committed; commit it or put it away')
    if asked.version != version():
        if _numbers(asked.version) < _numbers(version()):
            parser.error(f'{asked.version} is older than {version()}, which the tree is')
        name_version(asked.version, asked.date)
        _git('commit', '--all', '--quiet', '--message', f'Version {asked.version}')
    dist = ROOT / 'dist'
    subprocess.run([sys.executable, HERE / 'archives.py', dist], check=True)
    if not asked.no_image:
        subprocess.run([ROOT / 'container' / 'build.sh', f'nigra:{asked.version}'], check=True)
    tell(asked.version)
    return 0


def name_version(new: str, date: str) -> None:
    """Write the version wherever it stands, and make anew what is made from it."""
    for places, text in ((NAMED, new), (DASHED, new.replace('.', '-'))):
        for name, pattern in places.items():
            _write(name, pattern, text)
    _write('CITATION.cff', r'(?<=^date-released: )\S+', date)
    _write('CHANGELOG.md', r'(?<=^## )\S+ \(unreleased\)', f'{new} ({date})')
    for maker in ('recipe.py', 'descriptor.py'):
        subprocess.run([sys.executable, HERE / maker, '--write'], check=True)


def _write(name: str, pattern: str, text: str) -> None:
    path = ROOT / name
    content, count = re.subn(pattern, text, path.read_text('utf-8'), flags=re.MULTILINE)
    if not count:
        raise SystemExit(f'{name}: has no place for the version ({pattern}); restore it.')
    path.write_text(content, encoding='utf-8')


def _git(*words: str) -> str:
    done = subprocess.run(
        ['git', '-C', str(ROOT), *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split('.'))


def tell(new: str) -> None:
    """What would publish it; nothing here does."""
    print(f'nigra {new} is made, and nothing is published. To publish:\n'
          f'    git tag v{new} && git push origin v{new}\n'
          f'    twine upload dist/nigra-{new}*\n'
          f'    docker push nigra:{new}    (after docker tag to a registry)')  # fmt: skip


if __name__ == '__main__':
    sys.exit(main())
