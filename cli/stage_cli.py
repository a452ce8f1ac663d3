"""`nigra-stage`: one stage of the reconstruction on a folder of files."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ..interfaces.methods import PHASE_SIGNS
from .numbers import positive
from .signals import for_any_reader

_STAGES = (
    'field-mapping', 'bfr', 'dipole', 'bfr+dipole', 'end-to-end', 'relaxometry',
    'chi-separation',
)  # fmt: skip


def build_parser() -> argparse.ArgumentParser:
    """Arguments of `nigra-stage`."""
    parser = argparse.ArgumentParser(
        allow_abbrev=False,
        prog='nigra-stage',
        description='Run one stage of susceptibility mapping on a folder that holds params.json '
        '(TE in s, B0 in T, B0_dir, voxel_size in mm) and the images that the stage reads: '
        'phase, magnitude, mask, totalfield or localfield, each .nii.gz. In place of params.json, '
        'JSON sidecars will do; and magnitude and phase of one run are found by the names of BIDS '
        'or by the sidecars of dcm2niix.',
    )
    parser.add_argument('stage', nargs='?', metavar='STAGE', help=', '.join(_STAGES))
    parser.add_argument('input_dir', nargs='?', metavar='INPUT_DIR', help='folder to read')
    parser.add_argument('output_dir', nargs='?', metavar='OUTPUT_DIR', help='folder to write')
    parser.add_argument('--method', metavar='NAME', help='method; the default is listed first')
    parser.add_argument(
        '--set',
        metavar='KEY=VALUE',
        dest='settings',
        action='append',
        default=[],
        help='set a parameter of the method; may be repeated',
    )
    parser.add_argument(
        '--mask', metavar='FILE', help='mask of the brain, where it is not in INPUT_DIR'
    )
    parser.add_argument(
        '--scan', metavar='NAME', help='run to take, such as sub-01_run-1, where there are several'
    )
    parser.add_argument(
        '--phase-sign',
        choices=PHASE_SIGNS,
        help='what to do about the sign of the phase (default: keep what params.json goes with, '
        'auto for images as scanners store them)',
    )
    parser.add_argument(
        '--reference',
        choices=('brain', 'none'),
        default='brain',
        help='brain makes the mean of the map over its mask zero (default: %(default)s)',
    )
    parser.add_argument(
        '--nthreads', type=positive, default=1, metavar='N', help='threads (default 1)'
    )
    parser.add_argument(
        '--list-methods', action='store_true', help='print stages, methods and parameters'
    )
    return parser


@for_any_reader
def main(argv: Sequence[str] | None = None) -> int:
    """Run `nigra-stage`; 0 means that the result is written, 1 that the input is wrong."""
    parser = build_parser()
    options = parser.parse_args(argv)
    if options.output_dir is None and not options.list_methods:
        parser.error('STAGE, INPUT_DIR and OUTPUT_DIR are needed')
    from ..nodes.errors import NigraError

    try:
        lines = [list_methods(options.stage)] if options.list_methods else _run(options)
    except NigraError as error:
        print(f'nigra-stage: {error}', file=sys.stderr)
        return 1
    print(*lines, sep='\n')
    return 0


def _run(options: argparse.Namespace) -> list[Path]:
    from .. import __version__
    from ..interfaces.stage import run_stage

    return run_stage(
        options.stage,
        options.input_dir,
        options.output_dir,
        method=options.method,
        settings=options.settings,
        mask=options.mask,
        scan=options.scan,
        phase_sign=options.phase_sign,
        reference=options.reference,
        nthreads=options.nthreads,
        version=__version__,
        warn=lambda sentence: print(f'nigra-stage: warning: {sentence}', file=sys.stderr),
    )


def list_methods(stage: str | None = None) -> str:
    """Text that shows the methods of a stage (or of all) and the parameters of each step.

    Raises
    ------
    NigraError
        There is no such stage.
    """
    from ..nodes.methods import ONE_STEP, STEPS
    from ..nodes.stages import STAGES, method_names, stage_methods

    lines = []
    for name in [stage] if stage else STAGES:
        default = next(iter(stage_methods(name)))
        lines += [f'{name}: {method_names(name)} (default {default})']
    groups = [(step, step, group) for step, group in STEPS.items()]
    groups += [('one-step', name, group) for name, group in ONE_STEP.items()]
    for title, owner, methods in groups:
        if stage and owner not in (*STAGES[stage], stage):
            continue
        lines += ['', f'{title} methods' if title == owner else f'{title} methods of {owner}']
        for method in methods.values():
            lines.append(f'  {method.name}: {method.summary}')
            lines += [f'    {key}={_shown(value)}' for key, value in method.defaults.items()]
    return '\n'.join(lines)


def _shown(value: object) -> str:
    return ','.join(f'{v:g}' for v in value) if isinstance(value, tuple) else str(value)


if __name__ == '__main__':
    sys.exit(main())
