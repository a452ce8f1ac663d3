"""Template and T1w image aligned around the deep grey nuclei, on finer voxels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from nipype.interfaces.base import File, traits
from numpy.typing import NDArray
from scipy import ndimage

from ...nodes.anatomy.deformation import blurred_to
from ...nodes.volumes import bounding_box
from .atlas import load_dgm_atlas
from .grids import Pair, crop, deformation, template_volume, warped_file, working_grid
from .itk import Engine, Volume, read_volume, write, write_grid
from .specs import EngineStep, RecordedOutputSpec, T1wInputSpec


def align_deep_grey(
    t1w: Path, coarse: Pair, folder: Path, engine: Engine, preset: Mapping[str, Any]
) -> tuple[Pair, dict[str, float]]:
    """Refine an alignment around the deep grey nuclei and compose all of it.

    Parameters
    ----------
    t1w
        Bias field removed.
    coarse
        Transforms from `align_whole_brain`.
    folder, engine, preset
        As there.

    Returns
    -------
    tuple
        T1w to template (forward) and template to T1w (inverse), each one displacement field; mean
        displacement and range of the volume change over the nuclei.
    """
    head, template = read_volume(t1w, canonical=True), template_volume()
    settings = preset['deep_grey']
    near, box = near_labels(_nuclei(), settings)
    spacing = settings['resolution_mm']
    fixed = write(crop(template.isotropic(spacing), box), folder / 'template_box.nii')
    smooth = blurred_file(head, spacing, folder)
    moving = warped_file(smooth, fixed, near, [coarse.forward], engine)
    smooth.unlink()  # by far the largest file of this step
    fine = Pair(
        *engine.register(
            fixed,
            moving,
            folder / 'fine_',
            settings['stages'],
            fixed_mask=write(near, folder / 'mask_box.nii', dtype=np.uint8),
        )
    )
    field_mm = preset['field_mm']
    template_grid = write_grid(template.isotropic_grid(field_mm), folder / 'template_grid.nii')
    head_grid = write_grid(head.isotropic_grid(field_mm), folder / 'head_grid.nii')
    pair = Pair(
        engine.compose([coarse.forward, fine.forward], template_grid, folder / 'to_template.h5'),
        engine.compose([fine.inverse, coarse.inverse], head_grid, folder / 'to_t1w.h5'),
    )
    return pair, deformation(pair.forward, near, folder, engine)


def _nuclei() -> NDArray[np.bool_]:
    """Voxels of the built-in atlas that are or lie within nuclei, (x, y, z)."""
    inside = np.asarray(load_dgm_atlas().image.dataobj) > 0
    box = bounding_box(inside)  # a tenth of the template
    inside[box] = ndimage.binary_fill_holes(inside[box])
    return inside


def near_labels(
    chosen: NDArray[np.bool_], settings: Mapping[str, Any]
) -> tuple[Volume, tuple[slice, ...]]:
    """Box around chosen voxels of the built-in atlas, as `working_grid` makes it."""
    affine = load_dgm_atlas().image.affine
    return working_grid(
        Volume(chosen.astype(np.float32), affine), settings['resolution_mm'],
        settings['margin_mm'], settings['border_mm'] - settings['margin_mm'],
    )  # fmt: skip


def blurred_file(head: Volume, spacing: float, folder: Path) -> Path:
    """File of an image that may be resampled to a coarser spacing without aliasing."""
    smooth = blurred_to(head.data, head.voxel_size, spacing)
    return write(Volume(smooth, head.affine), folder / 'head.nii')


class _AlignDeepGreyInputSpec(T1wInputSpec):
    t1w_to_template = File(exists=True, mandatory=True, desc='whole-brain transform')
    template_to_t1w = File(exists=True, mandatory=True, desc='the same, inverted')


class _AlignDeepGreyOutputSpec(RecordedOutputSpec):
    t1w_to_template_xfm = File(desc='composed transform')
    template_to_t1w_xfm = File(desc='the same, inverted')
    quality = traits.Dict(desc='displacement and volume change over the nuclei')


class AlignDeepGrey(EngineStep):
    """Refine the alignment around the deep grey nuclei."""

    input_spec = _AlignDeepGreyInputSpec
    output_spec = _AlignDeepGreyOutputSpec

    def _run_interface(self, runtime):
        inputs = self.inputs
        coarse = Pair(Path(inputs.t1w_to_template), Path(inputs.template_to_t1w))
        pair, quality = align_deep_grey(
            Path(inputs.t1w), coarse, Path(runtime.cwd), self._engine, self._preset
        )
        self._results.update(
            t1w_to_template_xfm=str(pair.forward),
            template_to_t1w_xfm=str(pair.inverse),
            quality=quality,
            parameters=self._parameters('deep_grey'),
        )
        return runtime
