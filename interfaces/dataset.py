"""The derivative data set as a whole: its description and the tables that go with it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from ..nodes.errors import InputError
from .files import copy_file, read_json, save_json, save_text

IGNORED = ('*.html', 'logs', 'work', '*_xfm.h5', '*_fieldmap.*', '*_regions.*',
           '*_quality.json', 'group_*', 'exclusions.*', 'figures')  # fmt: skip
"""Names that BIDS does not define; `.bidsignore` tells its validator to pass over them."""


def prepare_output(
    output_dir: Path, *, bids_dir: Path, participants_file: Path | None, version: str
) -> None:
    """Create the root folder of the derivative data set and describe it.

    Parameters
    ----------
    output_dir
        Root of the derivatives.
    bids_dir
        Data set they come from; only read.
    participants_file
        Table to keep with the derivatives; `participants.tsv` of `bids_dir` where None.
    version
        Of nigra.

    Raises
    ------
    InputError
        The folder cannot be written to.
    """
    _make_writable(output_dir)
    save_json(_description(bids_dir, version), output_dir / 'dataset_description.json')
    save_text('\n'.join(IGNORED) + '\n', output_dir / '.bidsignore')
    table = participants_file or bids_dir / 'participants.tsv'
    for source, name in (
        (table, 'participants.tsv'),
        (table.with_suffix('.json'), 'participants.json'),
    ):
        if source.is_file():
            copy_file(source, output_dir / name)


def _make_writable(folder: Path) -> None:
    """Create a folder where it is not there.

    Raises
    ------
    InputError
        It cannot be created or written to.
    """
    fix = 'give a folder that you may write to'
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(folder, f'cannot be created ({error.strerror})', fix) from error
    try:
        with tempfile.TemporaryFile(dir=folder):  # permissions alone do not tell of network drives
            pass
    except OSError as error:
        raise InputError(folder, f'cannot be written to ({error.strerror})', fix) from error


def _description(bids_dir: Path, version: str) -> dict[str, Any]:
    """`dataset_description.json` of the derivatives, from that of their source."""
    path = bids_dir / 'dataset_description.json'
    if not path.exists():
        raise InputError(path, 'is missing', 'add it (BIDS needs Name and BIDSVersion in it)')
    raw = read_json(path)
    here = bids_dir.resolve().as_uri()
    return {
        'Name': f'nigra: deep grey matter susceptibility of {raw.get("Name", "a study")}',
        'BIDSVersion': '1.10.0',
        'DatasetType': 'derivative',
        'GeneratedBy': [{'Name': 'nigra', 'Version': version}],
        'SourceDatasets': [{'URL': str(raw.get('DatasetDOI', here))}],
        'DatasetLinks': {'raw': here},
        **({'License': raw['License']} if 'License' in raw else {}),
    }
