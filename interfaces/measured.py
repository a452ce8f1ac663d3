"""Regions and people that come as tables in memory, as files, or as a mapping of names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..nodes.anatomy.regions import Maps
from ..nodes.errors import InputError
from ..nodes.statistics.values import REGION_COLUMNS, normalised_volume
from .anatomy.atlas import DGM, region_table, with_wholes
from .anatomy.user_atlas import check_named, parse_names, read_names, whole_numbers
from .gather import find_region_tables, join_people, read_region_tables
from .given import check_together, geometry, take, take_mask
from .participants import as_text_table, check_participants, read_participants
from .regions import noise_of, region_rows
from .tables import as_saved

_KEYS = ('participant_id', 'session_id', 'run_id', 'atlas', 'region', 'hemisphere')


def named_regions(names: Any) -> tuple[str, pd.DataFrame]:
    """Name of an atlas, and its regions as `user_atlas.atlas_regions` has them.

    Parameters
    ----------
    names
        Mapping of labels to names, data frame with `index` and `name`, or path of a `dseg.tsv`;
        None for the built-in atlas.

    Raises
    ------
    InputError
        A label or a name is missing or stands twice.
    """
    if names is None:
        return DGM, with_wholes(region_table())
    if isinstance(names, str | Path):
        return 'labels', with_wholes(read_names(Path(names)))
    if isinstance(names, Mapping):
        names = pd.DataFrame({'index': list(names), 'name': list(names.values())})
    lacking = [column for column in ('index', 'name') if column not in names]
    if lacking:
        raise InputError('names', f'has no column {lacking[0]!r}', 'give index and name')
    return 'labels', with_wholes(parse_names(names, Path('names')))


def measure_maps(
    chimap: Any, labels: Any, regions: pd.DataFrame, keys: Sequence[str],
    given: Mapping[str, Any], affine: Any, *, referenced: bool,
) -> pd.DataFrame:  # fmt: skip
    """Region table of images as they were given.

    Parameters
    ----------
    chimap, labels, affine
        As in `api.measure`.
    regions
        From `named_regions`.
    keys
        Values of `regions.TABLE_ENTITIES`.
    given
        `mask`, `r2star`, `magnitude` and `brain`, each None where absent.
    referenced
        As in `region_rows`.

    Raises
    ------
    InputError
        Images differ in shape or place, or labels have no name.
    """
    chi, drawn = take('chimap', chimap), take('labels', labels, dtype=None)
    images = {name: take(name, value) for name, value in given.items() if value is not None}
    for name in {'mask', 'brain'} & set(images):
        images[name] = take_mask(name, given[name])
    for image in (drawn, *images.values()):
        check_together(chi, image)
    values = whole_numbers(Path(drawn.name), drawn.data.reshape(chi.data.shape))
    check_named(values, regions, Path('names'), drawn.name)
    data = {name: image.data for name, image in images.items()}
    mask = data.get('mask', np.isfinite(chi.data) & (chi.data != 0))
    matrix = geometry(affine, chi, drawn, *images.values())
    volume = 1.0 if matrix is None else abs(float(np.linalg.det(matrix[:3, :3])))
    magnitude, brain = data.get('magnitude'), data.get('brain')
    noise = noise_of(magnitude, mask if brain is None else brain)
    maps = Maps(chi.data, mask, volume, data.get('r2star'), magnitude, noise)
    table = region_rows(maps, values, regions, keys, referenced=referenced, brain_mask=brain)
    return table if matrix is not None else table.assign(volume_mm3=np.nan)


def people_and_regions(
    table: Any, participants: Any, group_column: str
) -> tuple[pd.DataFrame, pd.DataFrame, list[str], str]:
    """Region tables joined with the participants' table.

    Parameters
    ----------
    table, participants
        As in `api.compare`.
    group_column
        Column of groups.

    Returns
    -------
    tuple
        Rows with the participants' columns; who has none, `EXCLUSION_COLUMNS`; warnings; and where
        the participants come from, for messages.

    Raises
    ------
    InputError
        A table cannot be read or lacks a column, or somebody is not among the participants.
    """
    if isinstance(participants, pd.DataFrame):
        source = Path('participants')
        people, warnings = check_participants(
            as_text_table(participants), source, group_column=group_column
        )
    else:
        source = Path(participants)
        people, warnings = read_participants(source, group_column=group_column)
    joined, absent, notes = join_people(_regions(table), people, source, group_column)
    joined['volume_normalised'] = normalised_volume(joined)
    return as_saved(joined), absent, [*warnings, *notes], str(source)


def _regions(table: Any) -> pd.DataFrame:
    """Region tables of everybody, from frames or files."""
    parts = list(table) if isinstance(table, list | tuple) else [table]
    if parts and all(isinstance(part, pd.DataFrame) for part in parts):
        return _checked(pd.concat(parts, ignore_index=True))
    paths = [Path(part) for part in parts]
    if len(paths) == 1 and paths[0].is_dir():
        paths = find_region_tables(paths[0])
    if not paths:
        raise InputError('table', 'holds no region table', 'give what nigra.measure returns')
    return read_region_tables(paths)


def _checked(table: pd.DataFrame) -> pd.DataFrame:
    """Frames as `read_region_tables` would have read them from files."""
    lacking = [column for column in REGION_COLUMNS if column not in table]
    if lacking:
        raise InputError(
            'table', f'has no column {lacking[0]!r}', 'give what nigra.measure returns'
        )
    keys = {name: table[name].astype(object).where(table[name] != 'n/a', None) for name in _KEYS}
    if keys['participant_id'].isna().any():
        raise InputError(
            'table', 'has rows without participant_id', 'give it to nigra.measure, or set it'
        )
    keys['participant_id'] = 'sub-' + keys['participant_id'].astype(str).str.removeprefix('sub-')
    return table.assign(**keys)
