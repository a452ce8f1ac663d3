"""The region of zero susceptibility, found and applied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)
from numpy.typing import NDArray

from ..nodes.errors import NigraError
from ..nodes.grid import Grid
from ..nodes.inversion.reference import reference_to, ventricles
from ..nodes.stages import Arrays
from .step_images import load_step, save_step


class _ReferenceInputSpec(BaseInterfaceInputSpec):
    chimap = File(exists=True, mandatory=True, desc='susceptibility, ppm')
    mask = File(exists=True, mandatory=True, desc='QSM mask')
    reference = traits.Str('brain', usedefault=True, desc='none, brain, csf, or a region')
    dseg = File(exists=True, desc='labels, for a region')
    dseg_tsv = File(exists=True, desc='index and region of each label')
    r2star = File(exists=True, desc='R2*, 1/s, for csf')


class _ReferenceOutputSpec(TraitedSpec):
    chimap = File(desc='susceptibility, ppm, mean zero over the reference region')
    mask = File(desc='QSM mask, as given')
    region = File(desc='the reference region')
    offset = traits.Float(desc='mean that was taken away, ppm')
    parameters = traits.Dict(desc='reference region and offset')


class Reference(SimpleInterface):
    """Make the mean over the reference region zero."""

    input_spec = _ReferenceInputSpec
    output_spec = _ReferenceOutputSpec

    def _run_interface(self, runtime):
        name, folder = self.inputs.reference, Path(runtime.cwd)
        data, grid, affine = load_step(self.inputs, 'chimap', 'dseg', 'r2star', mask='mask')
        region = reference_region(name, data, grid, self.inputs)
        chi, done = apply_reference(name, data['chimap'], data['mask'], region)
        self._results['chimap'] = save_step(chi, affine, folder, 'chimap_referenced')
        self._results['mask'] = self.inputs.mask
        self._results['region'] = save_step(region, affine, folder, 'reference')
        self._results['offset'] = done['offset_ppm']
        self._results['parameters'] = done
        return runtime


def apply_reference(
    name: str, chimap: NDArray[Any], mask: NDArray[np.bool_], region: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """Map (ppm) whose mean over the region is zero, and what was done.

    Parameters
    ----------
    name
        Of the reference; `none` leaves the map as it is inside its mask.
    chimap, mask, region
        Susceptibility, ppm, where it is known, and the reference region, (x, y, z).

    Raises
    ------
    NigraError
        No voxel of the region lies in the mask.
    """
    if name == 'none':
        chi, offset = np.where(mask, chimap, 0).astype(np.float32), 0.0
    else:
        chi, offset = reference_to(chimap, mask, region)
    voxels = 0 if name == 'none' else int((region & mask).sum())
    return chi, {'method': name, 'offset_ppm': offset, 'n_voxels': voxels}


def reference_region(name: str, data: Arrays, grid: Grid, inputs: Any) -> NDArray[np.bool_]:
    """Voxels of the reference region.

    Parameters
    ----------
    name
        `none` and `brain` are the whole mask, `csf` the ventricles, anything else a region of the
        labels, both sides.
    data
        `mask`; `r2star` for `csf`; `dseg` for a region.
    grid
        Geometry.
    inputs
        `dseg_tsv` names the labels.

    Raises
    ------
    NigraError
        What the reference needs is not there.
    """
    if name in ('none', 'brain'):
        return data['mask']
    if name == 'csf':
        if 'r2star' not in data:
            raise NigraError(
                'the reference csf needs R2* and so several echoes, but this scan has one; use '
                '--reference brain or a region'
            )
        return ventricles(data['r2star'], data['mask'], grid)
    if 'dseg' not in data or not isdefined(inputs.dseg_tsv):
        raise NigraError(f'the reference {name} needs labels')
    import pandas as pd

    table = pd.read_csv(inputs.dseg_tsv, sep='\t')
    own = table['region'] == name
    if 'whole' in table:
        own |= table['whole'] == name
    chosen = table.loc[own, 'index'].tolist()
    if not chosen:
        raise NigraError(f'the labels have no region {name} to refer to')
    return np.isin(data['dseg'], chosen)
