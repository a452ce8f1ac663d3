"""The conda recipe, made from pyproject.toml: for conda-forge, in its newer format (recipe.yaml).

    python release/recipe.py            prints it
    python release/recipe.py --write    writes release/recipe.yaml

`rattler-build build --render-only --recipe release/recipe.yaml` checks it; the source is the
folder beside it, in place of which conda-forge's copy names the published archive and its hash.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml
from project import add_write, give, project, version

FILE = Path(__file__).with_name('recipe.yaml')
_OTHER_NAMES = {'matplotlib': 'matplotlib-base'}
"""Names that conda-forge gives to packages of the index."""


def recipe() -> dict[str, Any]:
    """The recipe as a table."""
    content = project()
    needs, python = content['dependencies'], content['requires-python'].replace(' ', '')
    scripts = [f'{name} = {target}' for name, target in content['scripts'].items()]
    return {
        'schema_version': 1,
        'package': {'name': 'nigra', 'version': version()},
        'source': {'path': '..', 'use_gitignore': True},
        'build': {
            'number': 0, 'noarch': 'python', 'python': {'entry_points': scripts},
            'script': 'python -m pip install . -vv --no-deps --no-build-isolation',
        },
        'requirements': {
            'host': [f'python {python}', 'pip', 'setuptools >=77'],
            'run': [f'python {python}', *sorted(map(_conda, needs))],
        },
        'tests': [
            {'python': {'imports': ['nigra', 'nigra.api', 'nigra.cli'], 'pip_check': False}},
            {'script': ['nigra --version', 'nigra-stage --list-methods']},
        ],
        'about': {
            'summary': content['description'], 'license': content['license'],
            'license_file': 'LICENSE',
        },
    }  # fmt: skip


def _conda(requirement: str) -> str:
    """`numpy>=2.0,<2.4` as conda writes it: `numpy >=2.0,<2.4`.

    Examples
    --------
    >>> _conda('matplotlib>=3.9')
    'matplotlib-base >=3.9'
    """
    end = min((requirement.index(c) for c in '<>=!~' if c in requirement), default=None)
    name = requirement[:end]
    return f'{_OTHER_NAMES.get(name, name)} {requirement[len(name) :]}'.strip()


def main() -> int:
    """Print or write the recipe."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    add_write(parser, FILE)
    return give(
        yaml.safe_dump(recipe(), sort_keys=False, width=99), FILE, write=parser.parse_args().write
    )


if __name__ == '__main__':
    sys.exit(main())
