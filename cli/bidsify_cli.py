"""`nigra-bidsify`: from the scanner's DICOM files to a BIDS data set."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from .signals import for_any_reader

if TYPE_CHECKING:
    import pandas as pd


def parser() -> argparse.ArgumentParser:
    """Options of `nigra-bidsify`."""
    out = argparse.ArgumentParser(
        allow_abbrev=False,
        prog='nigra-bidsify',
        description='Find T1w and gradient-echo scans among DICOM files, and write them as a BIDS '
        'data set without names and dates. A table tells how each series is read, and why.',
        epilog='Example: nigra-bidsify dicom bids --dry-run',
    )
    out.add_argument(
        'dicom_dir', metavar='DICOM_DIR', type=Path,
        help='folder (searched with all below it) or archive of DICOM files, in any order',
    )  # fmt: skip
    out.add_argument(
        'bids_dir', metavar='BIDS_DIR', type=Path,
        help='new data set, or one that new people are added to; nothing is written over',
    )  # fmt: skip
    out.add_argument(
        '--dry-run', action='store_true', help='print how each series is read; write nothing'
    )
    out.add_argument(
        '--table', type=Path, metavar='FILE',
        help='also save that table as TSV; with its column role corrected it serves as --map',
    )  # fmt: skip
    out.add_argument(
        '--map', type=Path, metavar='FILE', dest='map_file',
        help='what series are, instead of how they are read: TSV with the columns series (number, '
        'UID, or description with *) and role, or JSON {"7": "phase"}; roles: T1w, gre, mag, '
        'phase, real, imag, ignore',
    )  # fmt: skip
    out.add_argument(
        '--participants', type=Path, metavar='FILE', dest='clinical_file',
        help='CSV, TSV or Excel table with the column participant_id or patient_id, whose other '
        'columns go into participants.tsv',
    )  # fmt: skip
    out.add_argument(
        '--key', type=Path, metavar='FILE', dest='key_file',
        help='TSV of who is who (patient_id, study_date, participant_id, session_id); read where '
        'it is there, and added to (default: BIDS_DIR_key.tsv beside BIDS_DIR)',
    )  # fmt: skip
    out.add_argument(
        '--labels', choices=('number', 'patient-id'), default='number',
        help='what new people are called: 01, 02, ..., or their patient ID (default: %(default)s)',
    )  # fmt: skip
    out.add_argument(
        '--keep-private', action='store_true', dest='private',
        help='keep names, dates and everything else that dcm2niix writes into sidecars',
    )  # fmt: skip
    out.add_argument('--version', action='version', version=f'nigra {__version__}')
    return out


@for_any_reader
def main(argv: Sequence[str] | None = None) -> int:
    """Run `nigra-bidsify`; 0 means that all could be read and everybody has phase."""
    options = vars(parser().parse_args(argv))
    table_file = options.pop('table')
    from ..interfaces.dicom.bidsify import Request, bidsify
    from ..interfaces.tables import save_table
    from ..nodes.errors import NigraError

    def tell(text: str) -> None:
        print(f'nigra-bidsify: {text}', file=sys.stderr, flush=True)

    try:
        request = Request(**options, version=__version__)
        outcome = bidsify(request, tell)
        if table_file is not None:
            save_table(outcome.table, table_file)
    except NigraError as error:
        tell(str(error))
        return 1
    except KeyboardInterrupt:
        tell('interrupted')
        return 130
    print(show(outcome.table))
    for text in (*outcome.warnings, *(f'PROBLEM {p}' for p in outcome.problems)):
        print(text)
    if outcome.written:
        print(f'{len(outcome.written)} images in {request.bids_dir}; who is who: {request.key}')
    return 1 if outcome.problems else 0


def show(table: pd.DataFrame) -> str:
    """The table of series as text, one below the other."""
    from ..nodes.errors import one_line
    from .told import in_columns

    shown = (
        table.drop(columns='series_uid', errors='ignore')
        .astype(object)
        .fillna('')
        .rename(columns={'participant_id': 'participant', 'session_id': 'session'})
    )
    if not shown.session.any():
        shown = shown.drop(columns='session')
    cells = shown.astype(str).map(one_line).values.tolist()
    return '\n'.join(in_columns([list(shown.columns), *cells]))


if __name__ == '__main__':
    sys.exit(main())
