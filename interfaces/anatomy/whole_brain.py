"""Template and T1w image aligned as wholes.

On coarse voxels and inside the (widened) template brain, so that skull and neck have no say.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from nipype.interfaces.base import File, traits

from ...nodes.anatomy.pose import candidate_poses, centroid, head_centre
from ...nodes.anatomy.similarity import normalised_mutual_information
from ..headers import read_header
from .bias import without_bias
from .grids import Pair, carried, crop, template_volume, working_grid
from .itk import Engine, Volume, empty, read_volume, write
from .specs import EngineInputSpec, EngineStep, RecordedOutputSpec

_MARGIN_MM = 8.0
"""Around the template brain where a preset gives no `margin_mm`: takes in the inner skull, whose
dark line is where a brain of another size ends. By eye."""


def align_whole_brain(
    t1w: Path, folder: Path, engine: Engine, preset: Mapping[str, Any]
) -> tuple[Pair, Path, dict[str, float]]:
    """Template and T1w as wholes, and the template's brain on the T1w grid.

    Parameters
    ----------
    t1w
        With or without skull.
    folder
        For files.
    engine, preset
        How to register.

    Returns
    -------
    tuple
        Transforms with the template as fixed image, the template's brain mask on the T1w grid,
        and the similarity of the start that was chosen.
    """
    head = read_volume(t1w, canonical=True)
    # files have the first axis innermost, coarse grids are made from it outermost: turned once
    head = Volume(np.ascontiguousarray(head.data), head.affine)
    head = without_bias(head, None, folder, engine, preset['head_bias'])
    template = template_volume()
    brain = Volume((template.data > 0).astype(np.float32), template.affine)
    start, similarity = _best_start(template, brain, head, folder, engine, preset['start'])
    affine = _refined('affine', start, brain, head, folder, engine, preset['affine'])
    result = _refined(
        'whole_brain', affine.forward, brain, head, folder, engine, preset['whole_brain']
    )
    prior = _brain_on(_grid_of(t1w), brain, result, folder, engine)
    return result, prior, {'start_nmi': similarity}


def _grid_of(path: Path) -> Volume:
    """Grid of an image as it is stored."""
    header = read_header(path)
    return empty(header.shape, header.affine)


def _refined(
    name: str, initial: Path, brain: Volume, head: Volume, folder: Path, engine: Engine,
    settings: Mapping[str, Any],
) -> Pair:  # fmt: skip
    """Alignment after one more entry of the preset."""
    spacing = settings['resolution_mm']
    mask, box = working_grid(brain, spacing, settings.get('margin_mm', _MARGIN_MM), 2 * spacing)
    small = crop(template_volume().isotropic(spacing), box)
    pair = Pair(
        *engine.register(
            write(small, folder / f'template_{name}.nii'),
            write(head.isotropic(spacing), folder / f'head_{name}.nii'),
            folder / f'{name}_',
            settings['stages'],
            initial=initial,
            fixed_mask=write(mask, folder / f'mask_{name}.nii', dtype=np.uint8),
        )
    )
    return pair


def _brain_on(own: Volume, brain: Volume, pair: Pair, folder: Path, engine: Engine) -> Path:
    """File of the template's brain mask on the T1w grid."""
    moving = write(brain, folder / 'template_brain.nii', dtype=np.uint8)
    pulled = carried(moving, own, [pair.inverse], folder, engine) > 0.5
    return write(Volume(pulled, own.affine), folder / 'prior.nii.gz', dtype=np.uint8)


def _best_start(
    template: Volume, brain: Volume, head: Volume, folder: Path, engine: Engine,
    settings: Mapping[str, Any],
) -> tuple[Path, float]:  # fmt: skip
    """Of many positions, pitches and sizes, the one that fits best after a short fit.

    Size matters as much as position: a small brain in a template of average size is drawn out to
    the bright scalp, and no later step recovers from it.
    """
    spacing = settings['resolution_mm']
    small, small_head = template.isotropic(spacing), head.isotropic(spacing)
    near, box = working_grid(brain, spacing, spacing, spacing)
    small = crop(small, box)
    mask = near.data > 0.5
    fixed = write(small, folder / 'template_start.nii')
    moving = write(small_head, folder / 'head_start.nii')
    fixed_mask = write(near, folder / 'mask_start.nii', dtype=np.uint8)

    def similarity(transform: Path) -> float:
        seen = engine.resample(moving, fixed, [transform])
        return normalised_mutual_information(small.data, seen, mask)

    poses = candidate_poses(
        centroid(mask, small.affine), head_centre(small_head.data, small_head.affine),
        small.voxel_size[0], settings['pitch_deg'], settings['sizes'],
    )  # fmt: skip
    paths = [engine.linear_transform(m, folder / f'pose_{i}.mat') for i, m in enumerate(poses)]
    best = sorted(paths, key=similarity, reverse=True)[: settings['keep']]
    fitted = []
    for number, initial in enumerate(best):
        forward, _ = engine.register(
            fixed, moving, folder / f'start_{number}_', settings['stages'], initial=initial,
            fixed_mask=fixed_mask,
        )  # fmt: skip
        fitted.append((similarity(forward), forward))
    value, path = max(fitted, key=lambda pair: pair[0])
    return path, value


class _AlignTemplateInputSpec(EngineInputSpec):
    t1w = File(exists=True, mandatory=True, desc='T1w image, with or without skull')


class _AlignTemplateOutputSpec(RecordedOutputSpec):
    t1w_to_template = File(desc='transform of the whole brain')
    template_to_t1w = File(desc='the same, inverted')
    prior = File(desc='brain of the template on the T1w grid')
    quality = traits.Dict(desc='similarity of the start')


class AlignTemplate(EngineStep):
    """Align a head with the brain template, coarsely, and pull the template's mask back."""

    input_spec = _AlignTemplateInputSpec
    output_spec = _AlignTemplateOutputSpec

    def _run_interface(self, runtime):
        pair, prior, quality = align_whole_brain(
            Path(self.inputs.t1w), Path(runtime.cwd), self._engine, self._preset
        )
        self._results.update(
            t1w_to_template=str(pair.forward),
            template_to_t1w=str(pair.inverse),
            prior=str(prior),
            quality=quality,
            parameters=self._parameters('whole_brain'),
        )
        return runtime
