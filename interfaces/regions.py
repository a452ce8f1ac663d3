"""The region table of one run: read map, labels and mask, measure, write TSV and dictionary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)
from numpy.typing import NDArray

from ..nodes.anatomy.regions import (
    COLUMNS,
    SIDE_NAMES,
    Fine,
    Maps,
    measure_regions,
    region_list,
)
from ..nodes.field.echoes import magnitude_noise
from ..nodes.statistics.measures import MEASURES
from ..nodes.statistics.values import VISIT
from .anatomy.labels import load_fractions
from .anatomy.user_atlas import atlas_regions, source_of
from .files import save_json
from .headers import check_same_grid, load_data, load_image
from .tables import save_table

SIDES = {**SIDE_NAMES, 'both': 'left and right together'}
"""Levels of the column `hemisphere`."""
TABLE_ENTITIES = (*VISIT, 'atlas')
"""Columns that tell one region table from another."""
_OWN: dict[str, dict[str, Any]] = {
    'participant_id': {'Description': 'Participant, with the key sub-'},
    'session_id': {'Description': 'Session, with the key ses-; n/a where there is none'},
    'run_id': {'Description': 'Run, with the key run-; n/a where there is none'},
    'atlas': {'Description': 'Atlas that the region comes from'},
    'region': {'Description': 'Region; brain is the complete brain, for normalising volumes'},
    'hemisphere': {
        'Description': 'Side; both pools the voxels of the two sides, and lacks what one of them '
        'lacks',
        'Levels': SIDES,
    },
    'n_voxels': {'Description': 'Voxels of the region in acquisition space'},
    'coverage': {
        'Description': 'Fraction of the complete region that lies in the field of view and inside '
        'the QSM mask'
    },
    'chi_sd': {'Description': 'Standard deviation over the covered voxels', 'Units': 'ppb'},
    'chi_iqr': {'Description': 'Interquartile range over the covered voxels', 'Units': 'ppb'},
    'chi_p5': {'Description': '5th percentile of the covered voxels', 'Units': 'ppb'},
    'chi_p95': {'Description': '95th percentile of the covered voxels', 'Units': 'ppb'},
    'snr': {
        'Description': 'Mean magnitude of the covered voxels, echoes combined, over its noise'
    },
    'iron_sd': {
        'Description': 'Standard uncertainty of iron_mean, from the spread of the voxels and 15 % '
        'of the calibration',
        'Units': 'mg per kg wet tissue',
    },
    'reason': {'Description': 'Why a region has no statistics; n/a where it has'},
}
"""What groups cannot be compared in; the rest is described by the table of measures."""
DESCRIPTIONS = {
    name: _OWN.get(name) or MEASURES[name].dictionary for name in (*TABLE_ENTITIES, *COLUMNS)
}
"""Data dictionary of the region table, in column order."""


class _RegionTableInputSpec(BaseInterfaceInputSpec):
    chimap = File(exists=True, mandatory=True, desc='susceptibility, ppm')
    mask = File(exists=True, mandatory=True, desc='QSM mask')
    dseg = File(exists=True, mandatory=True, desc='labels in acquisition space')
    brain_mask = File(exists=True, mandatory=True, desc='brain in acquisition space')
    t1w_brain_mask = File(
        exists=True, desc='complete brain, T1w space; gives the brain its volume'
    )
    r2star = File(exists=True, desc='R2*, 1/s')
    magnitude = File(exists=True, desc='echoes combined')
    fractions = File(exists=True, desc='from LabelGre')
    labels_in_t1w = File(exists=True, desc='labels on the T1w grid; give the regions volumes')
    atlas = traits.Dict(desc='AtlasSource of a user; the built-in atlas if absent')
    participant_id = traits.Str(mandatory=True, desc='with the key sub-')
    session_id = traits.Str('n/a', usedefault=True, desc='with the key ses-')
    run_id = traits.Str('n/a', usedefault=True, desc='with the key run-')
    provenance = traits.Dict(desc='what the group level must know; goes into the JSON file')
    out_file = traits.Str(mandatory=True, desc='final path of the table')


class _RegionTableOutputSpec(TraitedSpec):
    regions_tsv = File(desc='one row per region and side')
    regions_json = File(desc='data dictionary and provenance')


class RegionTable(SimpleInterface):
    """Measure the deep grey regions of one run."""

    input_spec = _RegionTableInputSpec
    output_spec = _RegionTableOutputSpec
    _always_run = True  # it writes a final name, which the user may have deleted

    def _run_interface(self, runtime):
        inputs = self.inputs
        maps, labels, brain = _load(inputs)
        source = source_of(inputs.atlas)
        atlas, regions = atlas_regions(source)
        provenance = dict(inputs.provenance) if isdefined(inputs.provenance) else {}
        table = region_rows(
            maps,
            labels,
            regions,
            (inputs.participant_id, inputs.session_id, inputs.run_id, atlas),
            referenced=provenance.get('Methods', {}).get('reference') != 'none',
            brain_mask=brain if source is None else None,
            brain_volume=_volumes(inputs.t1w_brain_mask).get(1),
            fine=_fine(inputs),
        )
        out_file = Path(inputs.out_file)
        save_table(table, out_file)
        sidecar = save_json({**DESCRIPTIONS, **provenance}, out_file.with_suffix('.json'))
        self._results.update(regions_tsv=str(out_file), regions_json=str(sidecar))
        return runtime


def region_rows(
    maps: Maps, labels: NDArray[Any], regions: pd.DataFrame, keys: Sequence[str], *,
    referenced: bool = True, brain_mask: NDArray[np.bool_] | None = None,
    brain_volume: float | None = None, fine: Fine | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Region table of one run, with the columns of `DESCRIPTIONS`.

    Parameters
    ----------
    maps, labels, brain_mask, brain_volume, fine
        As in `measure_regions`.
    regions
        As `user_atlas.atlas_regions` has them.
    keys
        Values of `TABLE_ENTITIES`.
    referenced
        Whether the map has a reference region, above whose iron the others are told.
    """
    rows = measure_regions(
        maps, labels, region_list(regions.to_dict('records')), brain_mask=brain_mask,
        brain_volume=brain_volume, fine=fine,
    )  # fmt: skip
    table = pd.DataFrame(rows)
    if not referenced:
        table[['iron_mean', 'iron_sd']] = np.nan
    for position, (column, value) in enumerate(zip(TABLE_ENTITIES, keys, strict=True)):
        table.insert(position, column, value)
    return table[list(DESCRIPTIONS)]


def noise_of(magnitude: NDArray[Any] | None, brain: NDArray[np.bool_]) -> float:
    """Standard deviation of the magnitude's noise; NaN where it is not known."""
    return magnitude_noise(magnitude, brain) or np.nan if magnitude is not None else np.nan


def _volumes(labels: Any) -> dict[int, float]:
    """Volume of each label of an image, mm^3; empty where there is no image."""
    if not isdefined(labels):
        return {}
    data = load_data(labels)
    voxel = abs(float(np.linalg.det(load_image(labels).affine[:3, :3])))
    values, counts = np.unique(data[data > 0].astype(int), return_counts=True)
    return {int(v): voxel * int(n) for v, n in zip(values, counts, strict=True)}


def _fine(inputs: Any) -> Fine:
    """Fractions of voxels and complete volumes, as far as they were given."""
    fine = load_fractions(inputs.fractions) if isdefined(inputs.fractions) else Fine()
    return replace(fine, volumes=_volumes(inputs.labels_in_t1w))


def _load(inputs: Any) -> tuple[Maps, np.ndarray, np.ndarray]:
    """Maps, labels and brain mask, all on the grid of the susceptibility map."""
    names = ('mask', 'dseg', 'brain_mask', 'r2star', 'magnitude')
    data = {}
    for name in names:
        path = getattr(inputs, name)
        if isdefined(path):
            check_same_grid(Path(inputs.chimap), Path(path))
            data[name] = load_data(path)
    brain = data['brain_mask'] > 0
    magnitude = data.get('magnitude')
    maps = Maps(
        load_data(inputs.chimap, dtype=np.float32),
        data['mask'] > 0,
        abs(float(np.linalg.det(load_image(inputs.chimap).affine[:3, :3]))),
        data.get('r2star'),
        magnitude,
        noise_of(magnitude, brain),
    )
    return maps, data['dseg'], brain
