"""The Boutiques descriptor of the `nigra` command, made from its parser.

    python release/descriptor.py            prints it
    python release/descriptor.py --write    writes release/nigra.boutiques.json

`bosh validate release/nigra.boutiques.json` checks it.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from project import add_write, give

from nigra import __version__
from nigra.cli.arguments import build_parser

FILE = Path(__file__).with_name('nigra.boutiques.json')
_LEFT_OUT = {'help', 'version', 'slurm', 'pbs', 'sge', 'cluster_profile', 'slurm_args',
             'array_size', 'task_record', 'verbose'}  # fmt: skip
"""What does not describe a run: help, and submission, which a platform does itself."""


def descriptor() -> dict[str, Any]:
    """The descriptor, schema 0.5: an input for every option but those of clusters."""
    actions = [a for a in build_parser()._actions if a.dest not in _LEFT_OUT]
    inputs = [_input(action) for action in actions if _flag(action) != '--clean-workdir']
    return {
        'name': 'nigra',
        'description': str(build_parser().description),
        'tool-version': __version__,
        'schema-version': '0.5',
        'command-line': 'nigra ' + ' '.join(str(i['value-key']) for i in inputs),
        'container-image': {'type': 'docker', 'image': f'nigra:{__version__}'},
        'inputs': inputs,
        'output-files': [{
            'id': 'results', 'name': 'Results', 'path-template': '[OUTPUT_DIR]',
            'description': 'BIDS derivatives: maps, labels, tables and pages',
        }],
        'tags': {'domain': ['neuroinformatics', 'mri'], 'app-type': ['bids']},
    }  # fmt: skip


def _flag(action: argparse.Action) -> str:
    return action.option_strings[-1] if action.option_strings else ''


def _input(action: argparse.Action) -> dict[str, Any]:
    flag = _flag(action)
    name = flag.lstrip('-').replace('-', '_') or action.dest
    out: dict[str, Any] = {
        'id': name, 'name': name, 'type': 'String', 'value-key': f'[{name.upper()}]',
        'optional': bool(flag),
    }  # fmt: skip
    text = action.help % {'default': action.default} if action.help else ''
    if text:
        out['description'] = text
    if flag:
        out['command-line-flag'] = flag
    if action.nargs == 0:
        return {**out, 'type': 'Flag'}
    if action.nargs in ('+', '*'):  # what is repeated with its flag can be given once here
        out |= {'list': True, 'min-list-entries': int(action.nargs != '*')}
    if action.choices:
        out['value-choices'] = [str(choice) for choice in action.choices]
    return out


def main() -> int:
    """Print or write the descriptor."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    add_write(parser, FILE)
    return give(
        json.dumps(descriptor(), indent=2, ensure_ascii=False) + '\n',
        FILE,
        write=parser.parse_args().write,
    )


if __name__ == '__main__':
    sys.exit(main())
