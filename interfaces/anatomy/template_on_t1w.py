"""Template and labels on the T1w grid, and whether the registration came out well."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from nipype.interfaces.base import File

from ...nodes.anatomy.similarity import correlation
from .atlas import TEMPLATE_SPACE, Atlas, load_dgm_atlas
from .grids import carried, template_volume
from .itk import Engine, Volume, read_volume, write
from .labels import labels_on
from .specs import BrainInputSpec, EngineStep, JudgedOutputSpec

LEAST_TEMPLATE_CORRELATION = 0.5
"""Correlation of T1w image and registered template below which there is a warning. By eye: the
first participant of `bids_example` has .69 with the coarsest preset, a template turned by 40
degrees less than .5."""


def template_on_t1w(
    t1w: Path, brain_mask: Path, to_t1w: Path, folder: Path, engine: Engine, atlas: Atlas
) -> tuple[Path, Path, dict[str, float]]:
    """Template and labels on the T1w grid, and how well template and T1w agree.

    Parameters
    ----------
    t1w, brain_mask
        Bias field removed; its brain.
    to_t1w
        Template to T1w.
    folder, engine
        As in `align_whole_brain`.
    atlas
        Labels in template space.

    Returns
    -------
    tuple
        Template, labels, and the correlation of template and T1w inside the brain.
    """
    own, mask = read_volume(t1w), read_volume(brain_mask)
    moving = write(template_volume(), folder / 'template.nii', dtype=np.int16)
    warped = carried(moving, own, [to_t1w], folder, engine)
    moving.unlink()  # labels need as much room
    inside = (mask.data > 0.5) & (warped > 0)
    quality = {'template_correlation': correlation(warped, own.data, inside)}
    labels = labels_on(own, atlas, [to_t1w], folder, engine)
    return (
        write(Volume(warped, own.affine), folder / 'template_in_t1w.nii.gz'),
        write(Volume(labels, own.affine), folder / 'labels_in_t1w.nii.gz', dtype=np.uint8),
        quality,
    )


class _TemplateOnT1wInputSpec(BrainInputSpec):
    template_to_t1w_xfm = File(exists=True, mandatory=True, desc='composed transform')


class _TemplateOnT1wOutputSpec(JudgedOutputSpec):
    template_in_t1w = File(desc='template on the T1w grid')
    labels_in_t1w = File(desc='deep grey labels on the T1w grid')


class TemplateOnT1w(EngineStep):
    """Carry template and labels onto the T1w grid and judge the registration."""

    input_spec = _TemplateOnT1wInputSpec
    output_spec = _TemplateOnT1wOutputSpec

    def _run_interface(self, runtime):
        template, labels, quality = template_on_t1w(
            Path(self.inputs.t1w),
            Path(self.inputs.brain_mask),
            Path(self.inputs.template_to_t1w_xfm),
            Path(runtime.cwd),
            self._engine,
            load_dgm_atlas(),
        )
        self._results.update(
            template_in_t1w=str(template),
            labels_in_t1w=str(labels),
            quality=quality,
            warnings=_template_warnings(quality['template_correlation']),
        )
        return runtime


def _template_warnings(value: float) -> list[str]:
    if value >= LEAST_TEMPLATE_CORRELATION:
        return []
    return [
        f'T1w and {TEMPLATE_SPACE} correlate by {value:.2f} inside the brain, below '
        f'{LEAST_TEMPLATE_CORRELATION}: the registration has probably failed; look at the report '
        'and consider leaving this participant out'
    ]
