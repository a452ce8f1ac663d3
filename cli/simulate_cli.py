"""Command line of the simulator: `nigra-simulate OUT_DIR`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from .. import __version__
from .numbers import natural, positive
from .signals import for_any_reader


def parser() -> argparse.ArgumentParser:
    """Options of `nigra-simulate`."""
    out = argparse.ArgumentParser(
        allow_abbrev=False,
        prog='nigra-simulate',
        description='Simulate a BIDS study: T1-weighted and gradient-echo scans with known truth.',
    )
    out.add_argument('out_dir', metavar='OUT_DIR', type=Path, help='new folder of the data set')
    out.add_argument(
        '--study', default='example', metavar='FILE',
        help='TOML file of the study, or one of: example, pudlac2020 (default: example)',
    )  # fmt: skip
    out.add_argument('--seed', type=natural, help="instead of the study's own")
    out.add_argument(
        '--participants-per-group', type=positive, metavar='N', help='size of every group instead'
    )
    out.add_argument(
        '--participant-label', nargs='+', metavar='LABEL', help='write these participants only'
    )
    out.add_argument(
        '--truth', choices=('tables', 'labels', 'all'),
        help='how much of the truth to write: regional values; labels and masks too; '
        "susceptibility and field maps too (default: the study's own)",
    )  # fmt: skip
    out.add_argument(
        '--nprocs',
        type=positive,
        default=1,
        metavar='N',
        help='participants at a time (default: 1)',
    )
    out.add_argument('--version', action='version', version=f'nigra {__version__}')
    return out


@for_any_reader
def main(argv: Sequence[str] | None = None) -> int:
    """Run `nigra-simulate`; returns its exit status."""
    args = parser().parse_args(argv)
    from ..interfaces.simulate import simulate_study, with_size
    from ..interfaces.study import read_study
    from ..nodes.errors import NigraError

    started = time.monotonic()

    def tell(text: str) -> None:
        print(f'[{time.monotonic() - started:6.0f} s] {text}', file=sys.stderr, flush=True)

    try:
        study = read_study(args.study)
        if args.seed is not None:
            study = replace(study, seed=args.seed)
        if args.truth is not None:
            study = replace(study, truth=args.truth)
        if args.participants_per_group is not None:
            study = with_size(study, args.participants_per_group)
        simulate_study(
            study, args.out_dir, participants=args.participant_label, nprocs=args.nprocs,
            progress=tell,
        )  # fmt: skip
    except NigraError as error:
        print(f'nigra-simulate: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('nigra-simulate: interrupted', file=sys.stderr)
        return 130
    print(args.out_dir)
    return 0


if __name__ == '__main__':
    sys.exit(main())
