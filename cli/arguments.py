"""Arguments of the `nigra` command, by the names that users of BIDS-Apps know, to settings."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .. import __version__
from ..interfaces.methods import OPTIONS, Methods
from .settings import Settings


def build_parser() -> argparse.ArgumentParser:
    """Arguments by the names that users of BIDS-Apps know."""
    parser = argparse.ArgumentParser(
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
    _add_selection(parser.add_argument_group('which data'))
    _add_methods(parser.add_argument_group('how to measure'))
    comparison = parser.add_argument_group('group comparison')
    _add_group(comparison)
    _add_voxelwise(comparison)
    _add_running(parser.add_argument_group('how to run'))
    return parser


def _add_selection(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        '--participant-label',
        nargs='+',
        default=[],
        metavar='LABEL',
        help='participants to process, with or without "sub-"',
    )
    group.add_argument(
        '--session-label',
        nargs='+',
        default=[],
        metavar='LABEL',
        help='sessions to process, with or without "ses-"',
    )
    group.add_argument(
        '--bids-filter-file',
        type=Path,
        metavar='FILE',
        help='JSON with further entities for the queries "t1w" and "gre"',
    )
    group.add_argument(
        '-d',
        '--derivatives',
        type=Path,
        metavar='DIR',
        help='derivative data set with a brain mask for every T1w image '
        '(anat/*_desc-brain_mask.nii.gz), used instead of our own',
    )
    group.add_argument(
        '--skip-bids-validation',
        action='store_true',
        help='do not run bids-validator-deno (it runs only where installed)',
    )


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


def _add_group(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        '--participants-file',
        type=Path,
        metavar='FILE',
        help='table of participants (default: participants.tsv of BIDS_DIR)',
    )
    group.add_argument(
        '--group-column',
        default=Settings.group_column,
        metavar='COLUMN',
        help='column that holds the groups (default: %(default)s)',
    )
    group.add_argument(
        '--groups',
        nargs='+',
        default=None,
        metavar='LEVEL',
        help='groups to compare (default: all)',
    )
    group.add_argument(
        '--reference-group',
        metavar='LEVEL',
        help='group that the others are compared with (default: the controls)',
    )
    group.add_argument(
        '--contrasts',
        nargs='+',
        default=None,
        metavar='CONTRAST',
        help='differences to test, such as "NMO - HC" or "NMO + RRMS - HC" for the mean of two '
        'groups less a third (default: all pairs)',
    )
    group.add_argument(
        '--covariates',
        nargs='*',
        default=None,
        metavar='COLUMN',
        help='columns to adjust for; C(COLUMN) treats numbers as categories (default: age and sex '
        'where present)',
    )
    group.add_argument(
        '--interactions',
        nargs='+',
        default=[],
        metavar='COLUMN',
        help='covariates whose effect may differ between groups, each tested',
    )
    group.add_argument(
        '--scores',
        nargs='*',
        default=None,
        metavar='COLUMN',
        help='clinical scores to correlate (default: edss)',
    )
    group.add_argument(
        '--measures',
        nargs='+',
        default=list(Settings.measures),
        metavar='MEASURE',
        help='what to compare: chi_mean, chi_median, chi_pvc, chi_high, chi_total (mean times '
        'volume), r2star_mean, iron_mean, volume_normalised (default: chi_mean '
        'volume_normalised)',
    )
    group.add_argument(
        '--regions',
        nargs='+',
        default=None,
        metavar='REGION',
        help='regions to compare (default: all but the fine parts of nuclei)',
    )
    group.add_argument(
        '--harmonise',
        metavar='COLUMN',
        help='column of scanners or sites whose differences ComBat takes out (needs '
        "pip install 'nigra[harmonise]')",
    )
    group.add_argument(
        '--permutations',
        type=_natural,
        default=Settings.permutations,
        metavar='N',
        help='of the permutation tests, 0 for none (default: %(default)s)',
    )
    group.add_argument(
        '--bootstraps',
        type=_natural,
        default=Settings.bootstraps,
        metavar='N',
        help='resamples of the bootstrap intervals, 0 for none (default: %(default)s)',
    )


def _add_voxelwise(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        '--voxelwise',
        type=_natural,
        nargs='?',
        const=1000,
        default=Settings.voxelwise,
        metavar='N',
        help='also compare maps voxel by voxel in template space, with N permutations (default of '
        'N: 1000)',
    )
    group.add_argument(
        '--smoothing',
        type=float,
        default=Settings.smoothing,
        metavar='MM',
        help='full width at half maximum of the smoothing before that (default: %(default)s)',
    )


def _add_running(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        '-w',
        '--work-dir',
        type=Path,
        metavar='DIR',
        help='working folder (default: OUTPUT_DIR/work)',
    )
    group.add_argument(
        '--nprocs',
        type=_positive,
        default=None,
        metavar='N',
        help='steps to run at once (default: all processors)',
    )
    group.add_argument(
        '--omp-nthreads',
        type=_positive,
        default=1,
        metavar='N',
        help='threads of one step; the result does not depend on it (default: %(default)s)',
    )
    group.add_argument(
        '--mem-gb', type=float, metavar='GB', help='memory that all steps together may use'
    )
    group.add_argument(
        '--use-plugin',
        type=Path,
        metavar='FILE',
        help='YAML or JSON with a Nipype `plugin` and its `plugin_args`',
    )
    group.add_argument(
        '--stop-on-first-crash',
        action='store_true',
        help='end at the first failure instead of finishing the others',
    )
    group.add_argument(
        '--boilerplate-only', action='store_true', help='write the methods text and stop'
    )
    group.add_argument(
        '--write-graph', action='store_true', help='save the graph of steps as logs/graph.dot'
    )
    group.add_argument(
        '--clean-workdir', action='store_true', help='remove the working folder when all went well'
    )
    group.add_argument(
        '--config-file',
        type=Path,
        metavar='FILE',
        help='TOML with options by their long names; the command line wins',
    )


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f'{text} is not at least 1')
    return value


def _natural(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f'{text} is below 0')
    return value


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
    if arguments.config_file is not None:
        parser.set_defaults(**_read_config(arguments.config_file, parser))
        arguments = parser.parse_args(argv)
    values: dict[str, Any] = vars(arguments)
    values.pop('config_file')
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
    texts = values.pop('settings')
    return Settings(methods=chosen.with_settings(texts) if texts else chosen, **values)


def _read_config(path: Path, parser: argparse.ArgumentParser) -> dict[str, Any]:
    import tomllib

    from ..nodes.errors import InputError

    try:
        content = tomllib.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise InputError(path, f'cannot be read as TOML ({error})', 'mend the file') from error
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
        if action.nargs == 0 and action.const is True:
            if not isinstance(value, bool):
                raise ValueError('write true or false')
            return value
        if isinstance(action, argparse._AppendAction):
            return list(_assignments(value))
        if action.nargs in ('+', '*'):
            return [kind(str(entry)) for entry in (value if isinstance(value, list) else [value])]
        if isinstance(value, list | dict | bool):
            raise ValueError('write one value')
        return kind(str(value))
    except (ValueError, argparse.ArgumentTypeError) as error:
        raise InputError(path, f'has {key} = {value!r}', f'mend it ({error})') from error


def _assignments(value: Any, prefix: str = '') -> Iterator[str]:
    """`STEP.NAME=VALUE` texts from a text, a list of texts, or a (nested) table of TOML.

    Examples
    --------
    >>> list(_assignments({'inversion': {'offset_cost': 10, 'radii': [3, 2]}}))
    ['inversion.offset_cost=10', 'inversion.radii=3,2']
    """
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _assignments(inner, f'{prefix}.{name}' if prefix else name)
    elif not prefix:
        yield from (str(text) for text in (value if isinstance(value, list) else [value]))
    elif isinstance(value, list):
        yield f'{prefix}={",".join(map(str, value))}'
    else:
        yield f'{prefix}={str(value).lower() if isinstance(value, bool) else value}'
