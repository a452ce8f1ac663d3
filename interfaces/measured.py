"""Regions and people that come as tables in memory, as files, or as a mapping of names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..nodes.anatomy.regions import Maps
from ..nodes.errors import InputError
from ..nodes.statistics.values import REGION_COLUMNS, normalised_volume
from .anatomy.atlas import DGM, region_table, with_wholes
from .anatomy.user_atlas import check_named, parse_names, read_names, whole_numbers
from .gather import apart, find_region_tables, join_people, read_region_tables
from .given import Given, check_together, geometry, take_mask, take_volume
from .participants import as_text_table, check_participants, read_participants
from .regions import noise_of, region_rows
from .tables import as_saved

HIGHEST_MEDIAN = 1.0
"""Susceptibility, ppm, that half of a brain never exceeds; even bleedings are below 3."""
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
        return 'labels', with_wholes(read_names(Path(names).expanduser()))
    if isinstance(names, Mapping | pd.Series):
        names = pd.DataFrame({'index': list(names.keys()), 'name': list(dict(names).values())})
    if not isinstance(names, pd.DataFrame) or names.empty:
        raise InputError(
            'names', 'hold no region', "give {1: 'Left Putamen', ...} or a data frame"
        )
    names = with_index(names)
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
    chi, drawn = take_volume('chimap', chimap), take_volume('labels', labels, dtype=None)
    images = {name: take_volume(name, value) for name, value in given.items() if value is not None}
    for name in {'mask', 'brain'} & set(images):
        images[name] = take_mask(name, given[name])
    for image in (drawn, *images.values()):
        check_together(chi, image)
    values = whole_numbers(Path(drawn.name), drawn.data)
    check_named(values, regions, Path('names'), drawn.name)
    data = {name: image.data for name, image in images.items()}
    mask = data.get('mask', np.isfinite(chi.data) & (chi.data != 0))
    _check_unit(chi, mask)
    matrix = geometry(affine, chi, drawn, *images.values())
    volume = 1.0 if matrix is None else abs(float(np.linalg.det(matrix[:3, :3])))
    magnitude, brain = data.get('magnitude'), data.get('brain')
    noise = noise_of(magnitude, mask if brain is None else brain)
    maps = Maps(chi.data, mask, volume, data.get('r2star'), magnitude, noise)
    table = region_rows(maps, values, regions, keys, referenced=referenced, brain_mask=brain)
    return table if matrix is not None else table.assign(volume_mm3=np.nan)


def _check_unit(chi: Given, mask: NDArray[np.bool_]) -> None:
    """Refuse a map that can only be in ppb: half of a brain beyond a part in a million."""
    inside = np.abs(chi.data[mask])
    middle = float(np.nanmedian(inside)) if np.isfinite(inside).any() else 0.0
    if middle > HIGHEST_MEDIAN:
        raise InputError(
            chi.name, f'has a median of {middle:.3g} in its mask', 'give ppm, which is ppb / 1000'
        )


def with_index(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with the names of its index as columns, where they are not there already."""
    levels = [name for name in frame.index.names if name is not None and name not in frame]
    return frame.reset_index(level=levels) if levels else frame


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
    if isinstance(participants, Mapping):
        participants = pd.DataFrame(dict(participants))
    if isinstance(participants, pd.DataFrame):
        source = Path('participants')
        people, warnings = check_participants(
            as_text_table(participants), source, group_column=group_column
        )
    else:
        source = _path('participants', participants, 'give a data frame or a path')
        people, warnings = read_participants(source, group_column=group_column)
    joined, absent, notes = join_people(_regions(table), people, source, group_column)
    joined['volume_normalised'] = normalised_volume(joined)
    return as_saved(joined), absent, [*warnings, *notes], str(source)


def _regions(table: Any) -> pd.DataFrame:
    """Region tables of everybody, from frames or files."""
    if isinstance(table, Mapping):
        table = table.values()
    alone = isinstance(table, pd.DataFrame | str | Path) or not isinstance(table, Iterable)
    parts = [table] if alone else list(table)
    if parts and all(isinstance(part, pd.DataFrame) for part in parts):
        return _checked(pd.concat([with_index(part) for part in parts], ignore_index=True))
    paths = [_path('table', part, 'give data frames or paths, not both') for part in parts]
    for path in paths:
        if not path.exists():
            raise InputError(path, 'is not there', 'give region tables, or their folder')
    if len(paths) == 1 and paths[0].is_dir():
        paths = find_region_tables(paths[0])
    if not paths:
        raise InputError('table', 'holds no region table', 'give what nigra.measure returns')
    return read_region_tables(paths)


def _path(name: str, value: Any, fix: str) -> Path:
    if isinstance(value, str | Path):
        return Path(value).expanduser()
    raise InputError(name, f'is of type {type(value).__name__}', fix)


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
    own = {
        name: column.astype(float) for name, column in table.items()
        if pd.api.types.is_extension_array_dtype(column) and pd.api.types.is_numeric_dtype(column)
    }  # fmt: skip
    table = table.assign(**own, **keys)
    return apart(table) if table.atlas.nunique() > 1 else table
