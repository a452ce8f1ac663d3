"""Arguments of the `nigra` command, by the names that users of BIDS-Apps know, to settings."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from .. import __version__
from ..interfaces.methods import OPTIONS, Methods
from ..nodes.statistics.question import Question
from .cluster.forward import forward
from .options import CLUSTER, COMPARISON, RUNNING, SELECTION, VOXELWISE, Options
from .settings import Cluster, Settings
from .spelling import Parser

_SCHEDULERS = ('slurm', 'pbs', 'sge')
_ONLY_HERE = (
    *_SCHEDULERS, 'cluster_profile', 'slurm_args', 'array_size', 'task_record', 'config_file',
    'participant_label', 'dry_run', 'nprocs', 'mem_gb', 'work_dir', 'skip_bids_validation',
    'write_graph', 'boilerplate_only', 'help', 'version',
)  # fmt: skip
"""Options that tasks on a cluster do not take over: they are for one run, or are given anew."""


def build_parser() -> argparse.ArgumentParser:
    """Arguments by the names that users of BIDS-Apps know."""
    parser = Parser(
        prog='nigra',
        description='Iron in the deep grey matter: susceptibility maps, deep grey labels and '
        'group statistics from a BIDS data set.',
        epilog='Example: nigra bids_example out participant group',
    )
    parser.add_argument('bids_dir', type=Path, help='root of the BIDS data set')
    parser.add_argument('output_dir', type=Path, help='root of the derivatives')
    parser.add_argument(
        'levels',
        nargs='+',
        choices=('participant', 'group'),
        metavar='{participant,group}',
        help='levels to run; both may be given',
    )
    parser.add_argument('--version', action='version', version=f'nigra {__version__}')
    parser.add_argument(
        '-v',
        '--verbose',
        action='count',
        default=0,
        help="show Nipype's own messages too",
    )
    _add(parser.add_argument_group('which data'), SELECTION)
    _add_methods(parser.add_argument_group('how to measure'))
    _add(parser.add_argument_group('group comparison'), COMPARISON | VOXELWISE)
    _add(parser.add_argument_group('how to run'), RUNNING)
    _add(parser.add_argument_group('on a cluster'), CLUSTER)
    return parser


def _add(group: argparse._ArgumentGroup, options: Options) -> None:
    for flags, keywords in options.items():
        group.add_argument(*flags, **keywords)


def _add_methods(group: argparse._ArgumentGroup) -> None:
    """An option for every field of `Methods`."""
    for option in OPTIONS:
        group.add_argument(_flag(option.name), default=option.default, **option.metadata)
    group.add_argument(
        '--set',
        dest='settings',
        action='append',
        default=[],
        metavar='STEP.NAME=VALUE',
        help='setting of a step that runs, such as inversion.offset_cost=10; may be repeated '
        '(`nigra-stage --list-methods` shows all)',
    )


def _flag(name: str) -> str:
    return '--' + name.replace('_', '-')


def parse_settings(argv: Sequence[str] | None = None) -> Settings:
    """Command line (and `--config-file`) to settings.

    Raises
    ------
    InputError
        The configuration file or a folder cannot serve.
    SystemExit
        Unknown options, `--help`, `--version`; as argparse does.
    """
    parser = build_parser()
    arguments = parser.parse_args(argv)
    from_file: Sequence[str] = ()
    if arguments.config_file is not None:
        defaults = _read_config(arguments.config_file, parser)
        from_file = defaults.pop('settings', ())
        parser.set_defaults(**defaults)
        arguments = parser.parse_args(argv)
    values: dict[str, Any] = vars(arguments)
    handed_on: tuple[str, ...] = ()
    if any(values[name] for name in (*_SCHEDULERS, 'cluster_profile')):
        handed_on = (
            *(f'--set={text}' for text in from_file),  # first, as below
            *forward(build_parser(), arguments, without=_ONLY_HERE),
        )
    config_file = values.pop('config_file')
    nprocs = values['nprocs']
    if values['nprocs'] is None:
        values['nprocs'] = (
            len(os.sched_getaffinity(0))
            if hasattr(os, 'sched_getaffinity')
            else (os.cpu_count() or 1)
        )
    for name, value in values.items():
        if isinstance(value, Path):
            values[name] = value.expanduser().absolute()
        elif isinstance(value, list):
            values[name] = tuple(
                v.expanduser().absolute() if isinstance(v, Path) else v for v in value
            )
    chosen = Methods(**{option.name: values.pop(option.name) for option in OPTIONS})
    # the file's first, so that the command line wins
    for texts, where in ((from_file, f'{config_file}, set'), (values.pop('settings'), '--set')):
        chosen = chosen.with_settings(texts, where) if texts else chosen
    asked = {f.name: values.pop(f.name) for f in fields(Question) if f.name in values}
    return Settings(
        methods=chosen,
        question=Question(seed=chosen.random_seed, **asked),
        command=shlex.join(['nigra', *(sys.argv[1:] if argv is None else argv)]),
        cluster=_pop_cluster(values, handed_on, nprocs),
        **values,
    )


def _pop_cluster(values: dict[str, Any], options: tuple[str, ...], nprocs: int | None) -> Cluster:
    """What is asked of a scheduler, taken out of the values."""
    names = ('cluster_profile', 'slurm_args', 'array_size')
    return Cluster(
        schedulers=tuple(name for name in _SCHEDULERS if values.pop(name)),
        options=options,
        nprocs=nprocs,
        **{name: values.pop(name) for name in names},
    )


def _read_config(path: Path, parser: argparse.ArgumentParser) -> dict[str, Any]:
    import tomllib

    from ..nodes.errors import InputError

    try:
        content = tomllib.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise InputError(path, f'cannot be read as TOML ({error})', 'correct the file') from error
    actions = {
        action.option_strings[-1].lstrip('-'): action
        for action in parser._actions
        if action.option_strings and action.dest not in ('help', 'version', 'config_file')
    }
    defaults = {}
    for key, value in content.items():
        action = actions.get(key.replace('_', '-'))
        if action is None:
            known = ', '.join(sorted(actions))
            raise InputError(path, f'has the unknown option {key!r}', f'use one of {known}')
        defaults[action.dest] = _config_value(path, key, value, action)
    return defaults


def _config_value(path: Path, key: str, value: Any, action: argparse.Action) -> Any:
    """Check a value of the configuration file as argparse would check it on the command line."""
    from ..nodes.errors import InputError

    kind = action.type if callable(action.type) else str
    try:
        if action.nargs == 0 and isinstance(action.const, bool):
            if not isinstance(value, bool):
                raise ValueError('write true or false')
            return value == action.const
        if isinstance(action, argparse._AppendAction):
            return list(_assignments(value))
        if action.nargs in ('+', '*'):
            entries = value if isinstance(value, list) else [value]
            if action.nargs == '+' and not entries:
                raise ValueError('give one value at least')
            return [kind(str(entry)) for entry in entries]
        if isinstance(value, list | dict | bool):
            raise ValueError('write one value')
        return kind(str(value))
    except (ValueError, argparse.ArgumentTypeError) as error:
        raise InputError(path, f'has {key} = {value!r}', f'correct it ({error})') from error


def _assignments(value: Any, prefix: str = '') -> Iterator[str]:
    """`STEP.NAME=VALUE` texts from a text, a list of texts, or a (nested) table of TOML.

    Examples
    --------
    >>> list(_assignments({'inversion': {'offset_cost': 10, 'radii': [3, 2]}}))
    ['inversion.offset_cost=10', 'inversion.radii=3,2']
    """
    if isinstance(value, dict):
        if prefix and not value:
            raise ValueError(f'[set.{prefix}] holds no setting')
        for name, inner in value.items():
            yield from _assignments(inner, f'{prefix}.{name}' if prefix else name)
    elif not prefix:
        texts = value if isinstance(value, list) else [value]
        if not all(isinstance(text, str) for text in texts):
            raise ValueError('write a table [set.STEP] of NAME = VALUE')
        yield from texts
    else:
        from ..nodes.stages import setting_text

        yield setting_text(prefix, value)
