"""The region table of one run: read map, labels and mask, measure, write TSV and dictionary."""

from __future__ import annotations

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

from ..nodes.regions import Maps, measure_regions, region_list
from .atlas import load_dgm_atlas
from .files import atomic_path, save_json
from .headers import check_same_grid

KEYS = ('participant_id', 'session_id', 'run_id', 'atlas')
DESCRIPTIONS: dict[str, dict[str, Any]] = {
    'participant_id': {'Description': 'Participant, with the key sub-'},
    'session_id': {'Description': 'Session, with the key ses-; n/a where there is none'},
    'run_id': {'Description': 'Run, with the key run-; n/a where there is none'},
    'atlas': {'Description': 'Atlas that the region comes from'},
    'region': {'Description': 'Region; brain is the whole brain, for normalising volumes'},
    'hemisphere': {
        'Description': 'Side; both pools the voxels of the two sides',
        'Levels': {'L': 'left', 'R': 'right', 'both': 'left and right together'},
    },
    'n_voxels': {'Description': 'Voxels of the region in acquisition space'},
    'volume_mm3': {
        'Description': 'Volume of the region; that of the brain is from the whole T1w image, '
        'even where the gradient-echo slab cuts it',
        'Units': 'mm^3',
    },
    'coverage': {'Description': 'Share of the region inside the mask where the map holds'},
    'chi_mean': {'Description': 'Mean susceptibility of the covered voxels', 'Units': 'ppb'},
    'chi_median': {'Description': 'Median susceptibility of the covered voxels', 'Units': 'ppb'},
    'chi_sd': {'Description': 'Standard deviation over the covered voxels', 'Units': 'ppb'},
    'r2star_mean': {
        'Description': 'Mean R2* of the covered voxels; n/a for one echo',
        'Units': '1/s',
    },
    'iron_mean': {
        'Description': 'Iron above that of the reference region, by the calibration of '
        'Langkammer et al. 2012 (0.97 ppb per mg/kg); n/a where iron does not dominate the '
        'susceptibility (thalamus, pulvinar, brain) and where there is no reference region',
        'Units': 'mg per kg wet tissue',
    },
    'iron_sd': {
        'Description': 'Standard uncertainty of iron_mean, from the spread of the voxels and 15 % '
        'of the calibration',
        'Units': 'mg per kg wet tissue',
    },
}
"""Data dictionary of the region table, in column order."""


class _RegionTableInputSpec(BaseInterfaceInputSpec):
    chimap = File(exists=True, mandatory=True, desc='susceptibility, ppm')
    mask = File(exists=True, mandatory=True, desc='where the map holds')
    dseg = File(exists=True, mandatory=True, desc='labels in acquisition space')
    brain_mask = File(exists=True, mandatory=True, desc='brain in acquisition space')
    t1w_brain_mask = File(exists=True, desc='whole brain, T1w space; gives the brain its volume')
    r2star = File(exists=True, desc='R2*, 1/s')
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
        r2star = inputs.r2star if isdefined(inputs.r2star) else None
        maps, labels, brain = _load(
            inputs.chimap, inputs.mask, inputs.dseg, inputs.brain_mask, r2star
        )
        atlas = load_dgm_atlas()
        rows = measure_regions(
            maps,
            labels,
            region_list(atlas.regions.to_dict('records')),
            brain_mask=brain,
            brain_volume=_volume(inputs.t1w_brain_mask)
            if isdefined(inputs.t1w_brain_mask)
            else None,
        )
        table = pd.DataFrame(rows)
        provenance = dict(inputs.provenance) if isdefined(inputs.provenance) else {}
        if provenance.get('Reference') == 'none':
            table[['iron_mean', 'iron_sd']] = np.nan  # nothing for it to be above of
        keys = (inputs.participant_id, inputs.session_id, inputs.run_id, atlas.name)
        for position, (column, value) in enumerate(zip(KEYS, keys, strict=True)):
            table.insert(position, column, value)
        out_file = Path(inputs.out_file)
        save_table(table[list(DESCRIPTIONS)], out_file)
        sidecar = save_json({**DESCRIPTIONS, **provenance}, out_file.with_suffix('.json'))
        self._results.update(regions_tsv=str(out_file), regions_json=str(sidecar))
        return runtime


def _volume(mask: str) -> float:
    """Volume of a mask, mm^3."""
    import nibabel as nib

    image: Any = nib.load(mask)
    voxel = abs(float(np.linalg.det(image.affine[:3, :3])))
    return voxel * float(np.count_nonzero(np.asanyarray(image.dataobj)))


def save_table(table: pd.DataFrame, path: Path) -> Path:
    """Save a table as BIDS wants it: tabs, n/a for what is missing."""
    with atomic_path(path) as temporary:
        table.to_csv(temporary, sep='\t', na_rep='n/a', index=False, float_format='%.10g')
    return path


def _load(
    chimap: str, mask: str, dseg: str, brain_mask: str, r2star: str | None
) -> tuple[Maps, np.ndarray, np.ndarray]:
    import nibabel as nib

    for other in filter(None, (mask, dseg, brain_mask, r2star)):
        check_same_grid(Path(chimap), Path(other))
    image: Any = nib.load(chimap)
    volume = abs(float(np.linalg.det(image.affine[:3, :3])))

    def data(path: str) -> np.ndarray:
        return np.asanyarray(nib.load(path).dataobj)  # type: ignore[attr-defined]

    rates = None if r2star is None else data(r2star)
    maps = Maps(image.get_fdata(dtype=np.float32), data(mask) > 0, volume, rates)
    return maps, data(dseg), data(brain_mask) > 0
