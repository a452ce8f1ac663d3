"""Susceptibility maps of everyone in template space, for the voxel-wise comparison."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

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

from ..nodes.errors import InputError
from ..nodes.statistics.values import first_visits
from ..nodes.statistics.voxelwise import Ground, ground_around, smooth_known
from .anatomy.atlas import DGM, TEMPLATE_SPACE, load_dgm_atlas
from .anatomy.itk import Engine
from .files import save_image
from .gather import find_region_tables, of_sessions, read_region_tables
from .names import output_name
from .ratings import leave_out

GRID_MM = 2
"""Voxel of the comparison: the resolution of the scans, and few enough for permutations."""
NEAR_MM = 6.0
"""How far from the nuclei voxels are compared."""
_FWHM_PER_SD = 2 * np.sqrt(2 * np.log(2))
"""Of a Gaussian."""


@functools.cache
def comparison_ground() -> Ground:
    """Every second voxel of the template in the box around the nuclei."""
    image = load_dgm_atlas().image
    labels, affine = np.asarray(image.dataobj), np.asarray(image.affine, float)
    return ground_around(labels, affine, near=NEAR_MM, step=GRID_MM)  # its voxels are 1 mm wide


@dataclass(frozen=True)
class MapFiles:
    """Files of one participant's first visit."""

    participant_id: str
    chimap: Path
    mask: Path
    gre_to_t1w: Path
    t1w_to_template: Path


def find_maps(
    root: Path, sessions: Sequence[str] = (), ratings: Sequence[str | Path] = ()
) -> tuple[list[MapFiles], list[str]]:
    """Map and transforms of each participant's visit that the region tables compare.

    Parameters
    ----------
    root
        Derivatives.
    sessions, ratings
        As in `gather.gather_regions`.

    Returns
    -------
    tuple
        Files, and a warning for each participant of whom some are missing.
    """
    paths = [p for p in find_region_tables(root) if f'_seg-{DGM}_' in p.name]
    visits = pd.concat(
        [read_region_tables([p]).iloc[:1].assign(stem=str(p)) for p in paths], ignore_index=True
    )
    kept, _, _ = leave_out(of_sessions(visits, sessions), ratings)
    chosen, _ = first_visits(kept)
    found, warnings = [], []
    for row in chosen.itertuples():
        table = Path(row.stem)
        stem = str(table).removesuffix(f'_seg-{DGM}_regions.tsv')
        chimap, mask, to_t1w = (
            Path(stem + output_name(field)) for field in ('chimap', 'qsm_mask', 'gre_to_t1w_xfm')
        )
        to_template = sorted(table.parent.glob(f'*{output_name("t1w_to_template_xfm")}'))
        absent = [p.name for p in (chimap, mask, to_t1w) if not p.is_file()]
        if len(to_template) != 1:
            absent.append(f'one transform to {TEMPLATE_SPACE}')
        if absent:
            warnings.append(
                f'{row.participant_id} is left out of the voxel-wise comparison: its derivatives '
                f'lack {", ".join(absent)}.'
            )
            continue
        found.append(MapFiles(row.participant_id, chimap, mask, to_t1w, to_template[0]))
    return found, warnings


class _GatherMapsInputSpec(BaseInterfaceInputSpec):
    derivatives_dir = traits.Directory(exists=True, mandatory=True, desc='root of derivatives')
    sessions = traits.List(traits.Str, desc='sessions to take; all if absent')
    ratings = traits.List(traits.Str, desc='tables of ratings')


class _GatherMapsOutputSpec(TraitedSpec):
    participants = traits.List(traits.Str, desc='in the order of the other lists')
    chimaps = traits.List(File, desc='maps, acquisition space, ppm')
    masks = traits.List(File, desc='where they hold')
    gre_to_t1w_xfms = traits.List(File, desc='transforms of images')
    t1w_to_template_xfms = traits.List(File, desc='transforms of images')
    warnings = traits.List(traits.Str, desc='sentences')


class GatherMaps(SimpleInterface):
    """Find the maps of a study and the transforms that carry them into template space."""

    input_spec = _GatherMapsInputSpec
    output_spec = _GatherMapsOutputSpec
    _always_run = True

    def _run_interface(self, runtime):
        root = Path(self.inputs.derivatives_dir)
        given = {n: v for n in ('sessions', 'ratings') if isdefined(v := getattr(self.inputs, n))}
        found, warnings = find_maps(root, **given)
        if not found:
            raise InputError(
                root, 'holds no susceptibility map with its transforms', 'leave out --voxelwise'
            )
        self._results.update(
            participants=[f.participant_id for f in found],
            chimaps=[str(f.chimap) for f in found],
            masks=[str(f.mask) for f in found],
            gre_to_t1w_xfms=[str(f.gre_to_t1w) for f in found],
            t1w_to_template_xfms=[str(f.t1w_to_template) for f in found],
            warnings=warnings,
        )
        return runtime


class _MapInTemplateInputSpec(BaseInterfaceInputSpec):
    chimap = File(exists=True, mandatory=True, desc='acquisition space, ppm')
    mask = File(exists=True, mandatory=True, desc='where the map is valid')
    gre_to_t1w_xfm = File(exists=True, mandatory=True, desc='transform of images')
    t1w_to_template_xfm = File(exists=True, mandatory=True, desc='transform of images')
    fwhm = traits.Float(mandatory=True, desc='of the smoothing, mm')


class _MapInTemplateOutputSpec(TraitedSpec):
    out_file = File(desc='smoothed map near the nuclei, template space, ppb; NaN where unknown')


class MapInTemplate(SimpleInterface):
    """Carry a map into template space by one interpolation, and smooth what is known of it."""

    input_spec = _MapInTemplateInputSpec
    output_spec = _MapInTemplateOutputSpec

    def _run_interface(self, runtime):
        import nibabel as nib

        folder, ground, engine = Path(runtime.cwd), comparison_ground(), Engine()
        chimap = nib.load(self.inputs.chimap)
        inside = np.asarray(nib.load(self.inputs.mask).dataobj) > 0
        values = np.where(inside, np.nan_to_num(chimap.get_fdata(dtype=np.float32)), 0)
        grid = save_image(ground.mask, ground.affine, folder / 'grid.nii.gz', dtype=np.uint8)
        transforms = []
        for name in ('gre_to_t1w_xfm', 't1w_to_template_xfm'):
            target = Path(getattr(self.inputs, name)).absolute()
            transforms.append(folder / f'{name}{target.suffix}')
            transforms[-1].symlink_to(target)  # ANTs cannot read a path with brackets
        carried = []
        for name, data in (('values', values), ('known', inside)):
            source = save_image(data, chimap.affine, folder / f'{name}.nii.gz')
            carried.append(engine.resample(source, grid, transforms))
        total, known = carried
        sigma = self.inputs.fwhm / _FWHM_PER_SD / GRID_MM
        # interpolation has weighed the values by what is known of them already
        smooth = smooth_known(total / np.maximum(known, 1e-3), known, (sigma,) * 3)
        self._results['out_file'] = str(
            save_image(smooth * 1000, ground.affine, folder / 'map.nii.gz')
        )
        return runtime
