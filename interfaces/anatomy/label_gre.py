"""Brain mask, T1w image and labels on the acquisition grid of a gradient echo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from nipype.interfaces.base import File, traits

from ...nodes.errors import InputError
from ..files import save_image
from ..region_colours import region_colours
from ..tables import save_table
from .atlas import TEMPLATE_SPACE, Atlas, load_dgm_atlas
from .itk import Engine, Volume, read_volume, write, write_grid
from .labels import Drawn, draw_labels, labels_on, save_fractions
from .specs import BrainInputSpec, EngineStep, JudgedOutputSpec
from .user_atlas import AtlasSource, read_atlas, source_of

BEYOND_MM = 100.0
"""How far around a slab labels are counted, so that what it cuts off is known: more than the deep
grey matter measures in any direction (73, 65 and 48 mm in the template)."""


class _LabelGreInputSpec(BrainInputSpec):
    gre_magnitude = File(exists=True, mandatory=True, desc='its grid is the acquisition grid')
    template_to_t1w_xfm = File(exists=True, mandatory=True, desc='composed transform')
    t1w_to_gre_xfm = File(exists=True, mandatory=True, desc='rigid transform')
    atlas = traits.Dict(desc='AtlasSource of a user; the built-in atlas if absent')
    on_t1w = traits.Bool(False, usedefault=True, desc='draw the labels on the T1w grid, too')


class _LabelGreOutputSpec(JudgedOutputSpec):
    brain_mask_in_gre = File(desc='brain on the acquisition grid')
    t1w_in_gre = File(desc='T1w on the acquisition grid')
    dseg = File(desc='labels on the acquisition grid')
    dseg_tsv = File(desc='their names')
    labels_in_t1w = File(desc='labels on the T1w grid')
    fractions = File(desc='fraction of each voxel that labels fill, and their full size (.npz)')


class LabelGre(EngineStep):
    """Carry brain mask, T1w and labels onto the acquisition grid, each by one interpolation."""

    input_spec = _LabelGreInputSpec
    output_spec = _LabelGreOutputSpec

    def _run_interface(self, runtime):
        folder = Path(runtime.cwd)
        grid = read_volume(self.inputs.gre_magnitude)
        t1w = read_volume(self.inputs.t1w)
        self._carry_brain(grid, t1w, folder)
        self._draw_labels(grid, t1w, folder)
        return runtime

    def _carry_brain(self, grid: Volume, t1w: Volume, folder: Path) -> None:
        """Brain mask and T1w image, and how much of the brain is seen."""
        engine, rigid = self._engine, Path(self.inputs.t1w_to_gre_xfm)
        brain = read_volume(self.inputs.brain_mask, must_vary=False)
        reference = write_grid(grid, folder / 'reference.nii')
        inside = Volume(brain.data > 0.5, brain.affine)
        moving = write(inside, folder / 'brain.nii', dtype=np.uint8)
        mask = engine.resample(moving, reference, [rigid]) > 0.5
        moving.unlink()  # the working folder is fullest in this step
        # which the bias correction has written as `write` does
        seen = engine.resample(Path(self.inputs.t1w), reference, [rigid])
        if not mask.any():
            raise InputError(
                self.inputs.gre_magnitude,
                'shows no part of the brain that the T1w image shows',
                'check that both are of one person and that their headers are right',
            )
        fraction = mask.sum() * np.prod(grid.voxel_size)
        fraction /= max(float(inside.data.sum() * np.prod(t1w.voxel_size)), 1.0)
        self._results.update(
            brain_mask_in_gre=str(
                save_image(mask, grid.affine, folder / 'brain_in_gre.nii.gz', dtype=np.uint8)
            ),
            t1w_in_gre=str(save_image(seen, grid.affine, folder / 't1w_in_gre.nii')),
            # a volume counted on two grids differs by what rounds at its edge
            quality={'brain_in_view': min(1.0, float(fraction))},
        )

    def _draw_labels(self, grid: Volume, t1w: Volume, folder: Path) -> None:
        """Labels with their names and fractions; on the T1w grid, too, where asked for."""
        inputs, engine = self.inputs, self._engine
        source = source_of(inputs.atlas)
        atlas = read_atlas(source)
        table = label_table(atlas)
        rigid = Path(inputs.t1w_to_gre_xfm)
        transforms = _to_gre(source, Path(inputs.template_to_t1w_xfm), rigid, folder, engine)
        drawn = draw_labels(grid, atlas, transforms, folder, engine, beyond_mm=BEYOND_MM)
        labels = drawn.labels
        if inputs.on_t1w:
            on_t1w = labels_on(t1w, atlas, transforms[:-1], folder, engine)
            self._results['labels_in_t1w'] = str(
                save_image(on_t1w, t1w.affine, folder / 'on_t1w.nii.gz', dtype=on_t1w.dtype)
            )
        self._results.update(
            dseg=str(save_image(labels, grid.affine, folder / 'dseg.nii.gz', dtype=labels.dtype)),
            dseg_tsv=str(save_table(table, folder / 'dseg.tsv')),
            fractions=str(save_fractions(drawn, folder / 'fractions.npz')),
            warnings=_missing_labels(drawn, atlas, table),
        )


def _identity(folder: Path, engine: Engine) -> Path:
    return engine.linear_transform(np.eye(4), folder / 'same_place.mat')


def _to_gre(
    source: AtlasSource | None, template_to_t1w: Path, rigid: Path, folder: Path, engine: Engine
) -> list[Path]:
    """Transforms from an atlas to the gradient echo, by the space that it is in."""
    space = source.space if source else TEMPLATE_SPACE
    return {'GRE': [_identity(folder, engine)], 'T1w': [rigid]}.get(
        space, [template_to_t1w, rigid]
    )


def label_table(atlas: Atlas | None = None) -> pd.DataFrame:
    """Table of a `dseg` image as BIDS wants it: index, name, color; and region, side, whole."""
    regions = (atlas or load_dgm_atlas()).regions
    simple = regions[regions['index'].notna()].copy()
    simple['index'] = simple['index'].astype(int)
    simple['name'] = simple['region'] + '_' + simple['hemisphere']
    colours = region_colours(list(dict.fromkeys(simple['region'])))
    simple['color'] = simple['region'].map(colours)
    columns = ['index', 'name', 'color', 'region', 'hemisphere', 'whole']
    return simple[columns].sort_values('index').reset_index(drop=True)


def _missing_labels(drawn: Drawn, atlas: Atlas, table: pd.DataFrame) -> list[str]:
    """Sentences on labels that win no voxel; parts of nuclei may be too small for one."""
    missing = table[~table['index'].isin(np.unique(drawn.labels))]
    away = missing['index'].isin(list(drawn.counts))
    parts = atlas.regions.loc[atlas.regions['part'].astype(bool), 'index']
    small = missing[~away & ~missing['index'].isin(parts)]
    sentences = []
    for names, reason in (
        (missing.loc[away, 'name'], 'lies in the field of view of the gradient echo'),
        (small['name'], 'is left on voxels of this size'),
    ):
        if len(names):
            sentences.append(f'no voxel of {", ".join(names)} {reason}')
    return sentences
