"""Command line that tells what became of everybody: `nigra-status OUTPUT_DIR`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .. import __version__
from .signals import for_any_reader

NOT_YET = 3
"""Exit status while somebody waits or runs; 2 is that of wrong arguments."""


def parser() -> argparse.ArgumentParser:
    """Options of `nigra-status`."""
    out = argparse.ArgumentParser(
        allow_abbrev=False,
        prog='nigra-status',
        description='Tell who is done, who runs, who waits and who failed, and why; of runs on a '
        'cluster and on this machine.',
        epilog='Exit status: 0 where all are done, 1 where somebody failed or was not begun, '
        f'{NOT_YET} while somebody waits or runs.',
    )
    out.add_argument('output_dir', metavar='OUTPUT_DIR', type=Path, help='root of the derivatives')
    out.add_argument('--version', action='version', version=f'nigra {__version__}')
    return out


@for_any_reader
def main(argv: Sequence[str] | None = None) -> int:
    """Run `nigra-status`; returns its exit status."""
    folder = parser().parse_args(argv).output_dir.expanduser().absolute()
    from ..interfaces.cluster.local import ACTIVE
    from ..interfaces.cluster.states import study_states
    from ..nodes.errors import NigraError
    from .checks import check_own_output
    from .cluster.tell import study_lines

    try:
        check_own_output(folder)
        study = study_states(folder)
    except NigraError as error:
        print(f'nigra-status: error: {error}', file=sys.stderr)
        return 1
    print(*study_lines(study), sep='\n')
    found = {state.state for state in study.states.values()}
    if found & {*ACTIVE, 'unknown'}:
        return NOT_YET
    return 0 if found == {'done'} else 1


if __name__ == '__main__':
    sys.exit(main())
