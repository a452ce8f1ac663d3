"""The derivative data set as a whole: its description and the tables that go with it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from ..nodes.errors import InputError
from .files import copy_file, read_json, read_json_object, save_json, save_text

IGNORED = ('*.html', 'logs', 'work', '*_xfm.h5', '*_fieldmap.*', '*_regions.*',
           '*_quality.json', 'group_*', 'exclusions.*', 'figures', 'analyses')  # fmt: skip
"""Names that BIDS does not define; `.bidsignore` tells its validator to pass over them."""

_README = """# Derivatives by nigra

Susceptibility maps of the deep grey matter, labels, and tables of regions, made by nigra {version} from the data
set that `dataset_description.json` names.

* `sub-*/`: maps, masks, labels, transforms and region tables; the JSON beside each tells how it was made.
* `sub-*.html`: one page for everybody, to be looked at before the numbers are used.
* `group.html` and `group_*.tsv`: the comparison of groups, once the group level has run; `group_people.html`: one person beside the others.
* `logs/CITATION.md`: the methods text of what ran, with references.

Susceptibility is in ppm in maps and in ppb in tables, relative to the reference region that the JSON names.
Maps, masks called `space-GRE` and labels are on the grid of the gradient echo, all others on that of the T1w image.
"""  # noqa: E501


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
    if not (output_dir / 'README.md').exists():  # people may have written their own
        save_text(_README.format(version=version), output_dir / 'README.md')
    keep_participants(output_dir, participants_file or bids_dir / 'participants.tsv')


def keep_participants(output_dir: Path, table: Path) -> None:
    """Keep the table of participants, and what describes it, with the derivatives.

    Parameters
    ----------
    output_dir
        Root of the derivatives.
    table
        The table, which may be absent, or the one that is kept.
    """
    kept = output_dir / 'participants.tsv'
    if not table.is_file() or (kept.exists() and table.samefile(kept)):
        return
    copy_file(table, kept)
    words, described = table.with_suffix('.json'), output_dir / 'participants.json'
    content = read_json(words) if words.is_file() else None
    if isinstance(content, dict):
        content = {'Description': 'Participants, as the raw data set has them', **content}
        save_json(content, described)
    else:  # what another table's columns mean would stand on pages
        described.unlink(missing_ok=True)


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
    raw = read_json_object(path, 'write {"Name": ..., "BIDSVersion": ...}')
    here = bids_dir.resolve().as_uri()
    return {
        'Name': f'nigra: deep grey matter susceptibility of {raw.get("Name", "a study")}',
        'BIDSVersion': '1.10.0',
        'DatasetType': 'derivative',
        'GeneratedBy': [{'Name': 'nigra', 'Version': version}],
        'SourceDatasets': [{'URL': str(raw.get('DatasetDOI', here))}],
        'DatasetLinks': {'raw': here},
        **{key: raw[key] for key in ('License', 'Authors') if key in raw},
    }
