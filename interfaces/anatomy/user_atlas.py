"""Atlases that users bring: a label image with its `dseg.tsv`, in template or subject space."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...nodes.errors import InputError
from ..headers import load_data, load_image, read_header
from ..tables import read_table
from .atlas import (
    DGM,
    TEMPLATE_SPACE,
    Atlas,
    load_dgm_atlas,
    load_template,
    region_table,
    with_wholes,
)

PARTICIPANT = '{participant}'
SUBJECT_SPACES = ('T1w', 'GRE')
_LIKE_OURS = re.compile(r'MNI152NLin2009[a-c](A?sym|Sym)$')
_LEFT, _RIGHT = ('left', 'lh', 'l'), ('right', 'rh', 'r')
_SIDES = ('L', 'R', 'both')
_LABELS = 2**24
"""Labels are smaller, so that single precision holds them."""
_LEAST_IN_BRAIN = 0.5
"""Least fraction of the labelled voxels that lies in the template's brain. By eye: an atlas of
the cortex may lie partly outside, one in another space does for the most part."""


def source_of(values: Any) -> AtlasSource | None:
    """The source that a node was given as a mapping; None for the built-in atlas."""
    from nipype.interfaces.base import isdefined

    if not isdefined(values) or not values:
        return None
    paths = {key: Path(values[key]) for key in ('image', 'table')}
    return AtlasSource(values['name'], paths['image'], paths['table'], values['space'])


@dataclass(frozen=True)
class AtlasSource:
    """Where an atlas comes from and in which space it is.

    Attributes
    ----------
    name
        For the `atlas` column and the `seg-` entity: letters and digits.
    image, table
        Label image and the table of its names.
    space
        `T1w` or `GRE` of the participant, or a template's name.
    """

    name: str
    image: Path
    table: Path
    space: str

    def mapping(self) -> dict[str, str]:
        """For a node; see `source_of`."""
        return {key: str(getattr(self, key)) for key in ('name', 'image', 'table', 'space')}


def atlas_source(path: Path, participant_id: str | None = None) -> AtlasSource:
    """Find image, table, name and space of an atlas from its path.

    Parameters
    ----------
    path
        Label image; `{participant}` in it stands for `sub-01` and makes it an image in subject
        space.
    participant_id
        With the key `sub-`; needed for subject space.

    Raises
    ------
    InputError
        Image or table is missing, the name cannot serve, or the space is not known.
    """
    own = PARTICIPANT in str(path)
    image = Path(str(path).replace(PARTICIPANT, participant_id or PARTICIPANT))
    entities = dict(
        part.split('-', 1) for part in image.name.split('.')[0].split('_') if '-' in part
    )
    name = entities.get('seg') or entities.get('atlas') or _short_name(path)
    if not re.fullmatch(r'[A-Za-z0-9]+', name) or name == DGM:
        raise InputError(
            path, f'would be called {name!r}', 'name it by a seg- or atlas- entity of its own'
        )
    space = entities.get('space', 'T1w' if own else TEMPLATE_SPACE)
    if own and space not in SUBJECT_SPACES:
        raise InputError(path, f'is in the space {space!r}', 'use space-T1w or space-GRE')
    if not own and space != TEMPLATE_SPACE and not _LIKE_OURS.match(space):
        raise InputError(
            path,
            f'is in the space {space!r}, which nigra has no template of',
            f'bring it to {TEMPLATE_SPACE}, or to each participant’s T1w image ({PARTICIPANT} in '
            'the path)',
        )
    if own and participant_id is None:
        return AtlasSource(name, image, image, space)
    if not image.is_file():
        raise InputError(image, 'is missing', 'check --atlases')
    return AtlasSource(name, image, _find_table(image), space)


def _short_name(path: Path) -> str:
    """Letters and digits of a file's name without space, participant and suffix, or its folder."""
    stem = re.sub(r'\.nii(\.gz)?$', '', path.name).replace(PARTICIPANT, '')
    stem = re.sub(r'(space|sub|ses)-[A-Za-z0-9]+', '', re.sub(r'_?dseg$', '', stem))
    name, folder = (re.sub(r'[^A-Za-z0-9]', '', text) for text in (stem, path.parent.name))
    return name or folder


def _find_table(image: Path) -> Path:
    same = image.with_name(re.sub(r'\.nii(\.gz)?$', '.tsv', image.name))
    for path in (same, image.parent / 'dseg.tsv'):
        if path.is_file():
            return path
    raise InputError(
        image, f'has no table of names beside it ({same.name} or dseg.tsv)',
        'add one with the columns index and name',
    )  # fmt: skip


def atlas_sources(
    paths: Sequence[Path], participant_id: str | None = None
) -> tuple[AtlasSource, ...]:
    """Sources of several atlases, whose names must differ."""
    found = tuple(atlas_source(path, participant_id) for path in paths)
    names = [source.name for source in found]
    for source in found:
        if names.count(source.name) > 1:
            raise InputError(
                source.image, f'has the name {source.name!r} like another atlas',
                'name them by different seg- entities',
            )  # fmt: skip
    return found


def space_warnings(source: AtlasSource) -> list[str]:
    """Sentence on a template space that is not quite ours."""
    if source.space in (TEMPLATE_SPACE, *SUBJECT_SPACES):
        return []
    return [
        f'{source.image.name} is in {source.space} and used as if in {TEMPLATE_SPACE}: over the '
        'deep grey matter such templates differ by about half a millimetre, at other places by '
        'more.'
    ]


def read_atlas(source: AtlasSource | None) -> Atlas:
    """Labels and regions of a user's atlas, checked; the built-in one where there is no source.

    Raises
    ------
    InputError
        The image is not 3D, holds no whole positive numbers, or has labels that the table does
        not name; the table cannot serve.
    """
    if source is None:
        return load_dgm_atlas()
    image = load_image(source.image)
    read_header(source.image)  # refuses one that does not tell left from right
    data = load_data(source.image)
    if len(image.shape) != 3 and image.shape[3:] != (1,):
        raise InputError(source.image, f'has shape {image.shape}', 'give one 3D label image')
    labels = whole_numbers(source.image, data.reshape(image.shape[:3]))
    regions = read_names(source.table)
    check_named(labels, regions, source.table, source.image.name)
    header = image.header.copy()
    header.set_data_dtype(labels.dtype)
    return Atlas(source.name, nib.Nifti1Image(labels, image.affine, header), with_wholes(regions))


def atlas_regions(source: AtlasSource | None) -> tuple[str, pd.DataFrame]:
    """Name and regions of an atlas as `read_atlas` has them, without its image."""
    if source is None:
        return DGM, with_wholes(region_table())
    return source.name, with_wholes(read_names(source.table))


def check_in_template(source: AtlasSource, atlas: Atlas) -> None:
    """Raise InputError where an atlas of template space lies outside the template's brain."""
    if source.space in SUBJECT_SPACES:
        return
    template = load_template()
    brain = np.asarray(template.dataobj) > 0
    where = np.argwhere(np.asarray(atlas.image.dataobj) > 0)
    to_template = np.linalg.inv(template.affine) @ atlas.image.affine
    points = np.rint(where @ to_template[:3, :3].T + to_template[:3, 3]).astype(int)
    there = np.all((points >= 0) & (points < brain.shape), axis=1)
    fraction = float(brain[tuple(points[there].T)].sum() / max(1, len(points)))
    if fraction < _LEAST_IN_BRAIN:
        raise InputError(
            source.image,
            f'lies with {fraction:.0%} of its labels in the brain of {TEMPLATE_SPACE}',
            'check its header and its space',
        )  # fmt: skip


def check_named(labels: NDArray[Any], regions: pd.DataFrame, table: Path, image: str) -> None:
    """Raise InputError where an image has labels that its table does not name."""
    unnamed = np.setdiff1d(np.unique(labels), [0, *regions['index']])
    if unnamed.size:
        shown = ', '.join(map(str, unnamed[:5].tolist()))
        raise InputError(table, f'does not name the labels {shown} of {image}', 'add them')


def whole_numbers(path: Path, data: NDArray[Any]) -> NDArray[Any]:
    """Labels as integers; refuses what holds anything else, or none."""
    if not np.isfinite(data).all() or (data < 0).any() or not np.array_equal(data, np.rint(data)):
        raise InputError(path, 'holds values that are no labels', 'give whole numbers from 0 on')
    largest = int(data.max())
    if not largest:
        raise InputError(path, 'holds no label', 'give whole numbers above 0 in the regions')
    kinds = (np.uint8, np.uint16, np.int32)
    kind = next((k for k in kinds if largest <= np.iinfo(k).max), None)
    if kind is None or largest >= _LABELS:
        raise InputError(path, f'has the label {largest}', f'use labels below {_LABELS}')
    return data.astype(kind)


def read_names(path: Path) -> pd.DataFrame:
    """Regions of a `dseg.tsv`, with their sides.

    Parameters
    ----------
    path
        Columns `index` and `name`; `region` and `hemisphere` (L or R) where they are there.

    Returns
    -------
    DataFrame
        `index`, `region`, `hemisphere` (L, R or both), `whole` and `part`.

    Raises
    ------
    InputError
        A column is missing, an index is no whole number or stands twice, or two labels have one
        region and side.
    """
    return parse_names(read_table(path, text=('name',), needs=('index', 'name')), path)


def parse_names(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Regions of a table with `index` and `name`, as `read_names` returns them.

    Parameters
    ----------
    table
        Columns as in `read_names`.
    path
        Where it comes from, for messages.

    Raises
    ------
    InputError
        As `read_names`.
    """
    index = _label_values(path, table)
    parsed = [split_side(name) for name in table['name']]
    found = pd.DataFrame({
        'index': index.astype(int),
        'region': [region for region, _ in parsed],
        'hemisphere': [side for _, side in parsed],
        'whole': np.nan,
        'part': False,
    })  # fmt: skip
    for column in ('region', 'hemisphere'):
        if column in table:
            found[column] = table[column].where(table[column].notna(), found[column])
    found['region'] = found['region'].map(_words)
    strange = found[~found['hemisphere'].isin(_SIDES)]
    if len(strange):
        raise InputError(
            path, f'has the hemisphere {strange.hemisphere.iloc[0]!r}',
            f'write one of {", ".join(_SIDES)}',
        )  # fmt: skip
    again = found.duplicated(['region', 'hemisphere'])
    if again.any():
        row = found[again].iloc[0]
        raise InputError(path, f'has two labels for {row.region} {row.hemisphere}',
                         'give each region and side one label')  # fmt: skip
    found = found[found['index'] > 0]
    return found.assign(whole=found['whole'].astype(object)).reset_index(drop=True)


def _label_values(path: Path, table: pd.DataFrame) -> pd.Series:
    """Column `index` of a table as numbers, each of which stands once and has a name."""
    index = pd.to_numeric(table['index'], errors='coerce')
    whole = (index == index.round()) & (index.abs() < _LABELS)
    wrong = table[~whole | index.duplicated()]
    if len(wrong):
        raise InputError(path, f'has the index {wrong["index"].iloc[0]} twice or as no number',
                         'give each label one whole number')  # fmt: skip
    if table['name'].isna().any():
        raise InputError(path, f'has no name for {int(index[table["name"].isna()].iloc[0])}',
                         'name every label')  # fmt: skip
    return index


def split_side(name: str) -> tuple[str, str]:
    """Region and side of a name: the side stands first or last, as a word or a letter.

    Examples
    --------
    >>> split_side('Left_Dentate'), split_side('lh.caudate'), split_side('Pallidum-R')
    (('Dentate', 'L'), ('caudate', 'L'), ('Pallidum', 'R'))
    >>> split_side('Vermis VI')
    ('Vermis VI', 'both')
    """
    words = [w for w in re.split(r'[\s_.\-]+', name) if w]
    for place in (0, -1):
        if len(words) > 1 and words[place].casefold() in (*_LEFT, *_RIGHT):
            side = 'L' if words[place].casefold() in _LEFT else 'R'
            rest = words[1:] if place == 0 else words[:-1]
            return '_'.join(rest), side
    return name, 'both'


def _words(name: object) -> str:
    """Name in lower case with underscores, as regions are written."""
    return re.sub(r'[^a-z0-9]+', '_', str(name).casefold()).strip('_') or 'region'
