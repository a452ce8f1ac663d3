"""Command line of study planning: `nigra-power`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .. import __version__
from .numbers import natural
from .signals import for_any_reader


def parser() -> argparse.ArgumentParser:
    """Options of `nigra-power`."""
    out = argparse.ArgumentParser(
        allow_abbrev=False,
        prog='nigra-power',
        description='Tell which differences in susceptibility a planned study detects, from the '
        'spread between people and the error of measurement.',
        epilog='Example: nigra-power --groups PD=30 HC=30',
    )
    out.add_argument(
        '--study', default='pudlac2020', metavar='FILE',
        help='TOML file of a study, or one of: example, pudlac2020; gives spread between people, '
        'group sizes and effects (default: %(default)s)',
    )  # fmt: skip
    out.add_argument(
        '--derivatives', type=Path, metavar='DIR',
        help='output folder of a finished group level, whose measured spread is used instead',
    )  # fmt: skip
    out.add_argument(
        '--groups', nargs='+', metavar='NAME=N',
        help="sizes, the reference group last; instead of the study's",
    )  # fmt: skip
    out.add_argument(
        '--effects', nargs='+', default=[], metavar='REGION:GROUP=PPB',
        help="true changes of susceptibility, such as substantia_nigra:PD=20; instead of the "
        "study's",
    )  # fmt: skip
    out.add_argument('--regions', nargs='+', metavar='REGION', help='these only')
    out.add_argument(
        '--covariates', type=natural, default=2, metavar='N',
        help='columns that models adjust for (default: %(default)s)',
    )  # fmt: skip
    out.add_argument(
        '--alpha', type=float, default=0.05, help='level of significance (default: %(default)s)'
    )
    out.add_argument(
        '--power', type=float, default=0.8, help='wanted power (default: %(default)s)'
    )
    out.add_argument(
        '--repetitions', type=natural, default=0, metavar='N',
        help='also draw so many studies, analyse each as the group level does, and tell how often '
        'each difference was significant after adjustment',
    )  # fmt: skip
    out.add_argument('--out', type=Path, metavar='FILE', help='also save the table as TSV')
    out.add_argument('--version', action='version', version=f'nigra {__version__}')
    return out


@for_any_reader
def main(argv: Sequence[str] | None = None) -> int:
    """Run `nigra-power`; returns its exit status."""
    args = parser().parse_args(argv)
    from ..interfaces.power import plan_power, show_power
    from ..nodes.errors import NigraError

    try:
        table = plan_power(
            study=args.study, derivatives=args.derivatives, groups=args.groups,
            effects=args.effects, regions=args.regions, n_covariates=args.covariates,
            alpha=args.alpha, chance=args.power, repetitions=args.repetitions,
        )  # fmt: skip
        if args.out is not None:
            from ..interfaces.tables import save_table

            save_table(table, args.out)
    except NigraError as error:
        print(f'nigra-power: {error}', file=sys.stderr)
        return 1
    print(show_power(table))
    return 0


if __name__ == '__main__':
    sys.exit(main())
