"""The derivative data set as a whole: its description and the tables that go with it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ..nodes.errors import InputError
from .files import copy_file, save_json, save_text

IGNORED = ('*.html', 'logs', 'work', '*_xfm.h5', '*_fieldmap.*', '*_regions.*',
           '*_quality.json', 'group_*', 'exclusions.*')  # fmt: skip
"""Names that BIDS has no words for; `.bidsignore` keeps its validator from tripping over them."""


def prepare_output(
    output_dir: Path, *, bids_dir: Path, participants_file: Path | None, version: str
) -> None:
    """Make the derivative data set's root and describe it.

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
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            output_dir, f'cannot be made ({error.strerror})', 'give a folder you may write to'
        ) from error
    if not os.access(output_dir, os.W_OK):
        raise InputError(output_dir, 'is read-only', 'give a folder you may write to')
    raw = _read_description(bids_dir)
    save_json(
        {
            'Name': f'nigra: deep grey matter susceptibility of {raw.get("Name", "a study")}',
            'BIDSVersion': '1.10.0',
            'DatasetType': 'derivative',
            'GeneratedBy': [{'Name': 'nigra', 'Version': version}],
            'SourceDatasets': [{'URL': str(raw.get('DatasetDOI', bids_dir.resolve().as_uri()))}],
            'DatasetLinks': {'raw': bids_dir.resolve().as_uri()},
            **({'License': raw['License']} if 'License' in raw else {}),
        },
        output_dir / 'dataset_description.json',
    )
    save_text('\n'.join(IGNORED) + '\n', output_dir / '.bidsignore')
    table = participants_file or bids_dir / 'participants.tsv'
    for source, name in (
        (table, 'participants.tsv'),
        (table.with_suffix('.json'), 'participants.json'),
    ):
        if source.is_file():
            copy_file(source, output_dir / name)


def _read_description(bids_dir: Path) -> dict[str, Any]:
    path = bids_dir / 'dataset_description.json'
    try:
        return json.loads(path.read_text(encoding='utf-8-sig'))
    except FileNotFoundError as error:
        raise InputError(
            path, 'is missing', 'add it (BIDS needs Name and BIDSVersion in it)'
        ) from error
    except ValueError as error:
        raise InputError(path, f'is not valid JSON ({error})', 'mend the file') from error
