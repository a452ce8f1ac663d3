"""Labels refined by the contrast of a susceptibility map, where T1w contrast is faint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from nipype.interfaces.base import File, traits
from numpy.typing import NDArray

from .atlas import load_dgm_atlas, susceptibility_template
from .deep_grey import blurred_file, near_labels
from .grids import Pair, crop, deformation, template_volume, warped_file
from .itk import Engine, Volume, read_volume, write, write_grid
from .specs import EngineStep, RecordedOutputSpec, T1wInputSpec

_CHI_RANGE = (-0.15, 0.25)
"""Susceptibility beyond it, ppm, is a vein's or an artefact's. By eye: the brightest nucleus of
`data/regions.tsv`, the pallidum, has .13 ppm."""


def align_susceptibility(
    t1w: Path, chimap: Path, pair: Pair, gre_to_t1w: Path, folder: Path, engine: Engine,
    preset: Mapping[str, Any],
) -> tuple[Path, dict[str, float]]:  # fmt: skip
    """Refine an alignment where T1w contrast is faint by the contrast of a susceptibility map.

    Parameters
    ----------
    t1w, chimap
        T1w image, bias field removed; susceptibility, ppm, on the grid of the gradient echo.
    pair, gre_to_t1w
        From `align_deep_grey`; rigid.
    folder, engine, preset
        As in `align_whole_brain`.

    Returns
    -------
    tuple
        Template to T1w, one displacement field; how far labels moved (mm, mean over the nuclei).

    Notes
    -----
    T1w image and map are registered together to the template and a template of susceptibility
    made from the labels, each by local correlation, in a box around the chosen nuclei. The
    correlation does not see how high the susceptibility is, only where it changes.
    """
    settings = preset['susceptibility']
    spacing = settings['resolution_mm']
    head = read_volume(t1w, canonical=True)
    near, box = near_labels(_chosen_nuclei(settings['regions']), settings)
    fixed = _templates(spacing, box, folder)
    chains = {
        blurred_file(head, spacing, folder): [pair.forward],
        _clipped_file(chimap, folder): [pair.forward, gre_to_t1w],
    }
    moving = [warped_file(p, fixed[0], near, chain, engine) for p, chain in chains.items()]
    fine = Pair(
        *engine.register(
            fixed[0], moving[0], folder / 'susceptibility_', settings['stages'],
            fixed_mask=write(near, folder / 'mask_box.nii', dtype=np.uint8),
            second=(fixed[1], moving[1]),
        )
    )  # fmt: skip
    head_grid = write_grid(head.isotropic_grid(preset['field_mm']), folder / 'head_grid.nii')
    out = engine.compose([fine.inverse, pair.inverse], head_grid, folder / 'to_t1w.h5')
    moved = deformation(fine.forward, near, folder, engine)['displacement_mm']
    return out, {'susceptibility_mm': moved}


def _chosen_nuclei(regions: Sequence[str]) -> NDArray[np.bool_]:
    """Voxels of regions of the built-in atlas."""
    atlas = load_dgm_atlas()
    rows = atlas.regions[atlas.regions.region.isin(regions)]
    return np.isin(np.asarray(atlas.image.dataobj), [v for p in rows.parts for v in p])


def _templates(spacing: float, box: tuple[slice, ...], folder: Path) -> list[Path]:
    """Files of both contrasts of the template, in a box."""
    image = susceptibility_template()
    contrast = Volume(np.asarray(image.dataobj, np.float32), image.affine)
    return [
        write(crop(volume.isotropic(spacing), box), folder / f'{name}_box.nii')
        for name, volume in (('template', template_volume()), ('susceptibility', contrast))
    ]


def _clipped_file(chimap: Path, folder: Path) -> Path:
    """File of a map without its extremes, which would rule the correlation."""
    own = read_volume(chimap, canonical=True)
    return write(Volume(np.clip(own.data, *_CHI_RANGE), own.affine), folder / 'chimap.nii')


class _AlignSusceptibilityInputSpec(T1wInputSpec):
    chimap = File(exists=True, mandatory=True, desc='susceptibility, ppm')
    t1w_to_template_xfm = File(exists=True, mandatory=True, desc='composed transform')
    template_to_t1w_xfm = File(exists=True, mandatory=True, desc='the same, inverted')
    gre_to_t1w_xfm = File(exists=True, mandatory=True, desc='rigid transform')


class _AlignSusceptibilityOutputSpec(RecordedOutputSpec):
    template_to_t1w_xfm = File(desc='refined transform')
    quality = traits.Dict(desc='how far labels moved')


class AlignSusceptibility(EngineStep):
    """Refine labels by the contrast of the susceptibility map, where T1w contrast is faint."""

    input_spec = _AlignSusceptibilityInputSpec
    output_spec = _AlignSusceptibilityOutputSpec

    def _run_interface(self, runtime):
        inputs = self.inputs
        refined, quality = align_susceptibility(
            Path(inputs.t1w),
            Path(inputs.chimap),
            Pair(Path(inputs.t1w_to_template_xfm), Path(inputs.template_to_t1w_xfm)),
            Path(inputs.gre_to_t1w_xfm),
            Path(runtime.cwd),
            self._engine,
            self._preset,
        )
        self._results.update(
            template_to_t1w_xfm=str(refined),
            quality=quality,
            parameters=self._parameters('susceptibility'),
        )
        return runtime
