"""Bias field of an image: fitted on coarse voxels by N4, removed on the image's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from nipype.interfaces.base import File, isdefined, traits
from numpy.typing import NDArray

from ...nodes.anatomy.brain import padded_box
from ...nodes.errors import NigraError
from ...nodes.numerics.resample import along_axes, between, cropped_affine
from .itk import Engine, Volume, read_volume, write, write_like
from .specs import EngineInputSpec, EngineStep, RecordedOutputSpec

_ENOUGH = 4000
"""Voxels of a mask of which a quarter tells the intensities of tissues as well as all. By eye."""
_FIELD_RANGE = (0.1, 10.0)
"""Of a bias field whose mean is one: splines may run off where there is no signal. By eye."""


def without_bias(
    image: Volume,
    mask: NDArray[Any] | None,
    folder: Path,
    engine: Engine,
    settings: Mapping[str, Any],
) -> Volume:
    """Divide an image by its bias field.

    Parameters
    ----------
    image
        In canonical order, so that the result does not depend on how it was stored.
    mask
        Where the field is fitted, on the image's grid; what is brighter than the mean if absent.
    folder
        For files.
    engine, settings
        N4, and entry `bias`, `head_bias` or `gre_bias` of a preset.

    Returns
    -------
    Volume
        On the image's grid. The mean of the field inside the mask is one, so that intensities
        keep their scale.

    Raises
    ------
    NigraError
        The mask holds nothing bright.
    """
    spacing = settings['resolution_mm']
    small = image.isotropic(spacing)
    inside = _where_fitted(small, image, mask, spacing)
    box = padded_box(inside, (2, 2, 2))
    affine = cropped_affine(small.affine, box)
    fitted = thinned(inside[box]) if settings['thinned'] else inside[box]
    field = engine.bias_field(
        write(Volume(small.data[box], affine), folder / 'bias_image.nii'),
        write(Volume(fitted, affine), folder / 'bias_mask.nii', dtype=np.uint8),
        settings,
    )
    field = np.clip(field / field[inside[box]].mean(), *_FIELD_RANGE)
    # the coarse grid has the image's axes, so that a voxel's place is found along each by itself
    to_small = np.linalg.inv(affine) @ image.affine
    axes = [
        between(n, to_small[a, 3] + to_small[a, a] * np.arange(image.data.shape[a]))
        for a, n in enumerate(field.shape)
    ]
    return Volume(image.data / along_axes(np.asarray(field, np.float32), axes), image.affine)


def _where_fitted(
    small: Volume, image: Volume, mask: NDArray[Any] | None, spacing: float
) -> NDArray[np.bool_]:
    """Bright voxels of a mask on coarse voxels."""
    if mask is None:
        inside = small.data > small.data.mean()
    else:
        wide = Volume(mask.astype(np.float32), image.affine).isotropic(spacing)
        inside = wide.data > 0.5
    inside &= small.data > 0  # N4 takes logarithms
    if not inside.any():
        raise NigraError('no voxel of the mask is bright, so no bias field can be fitted')
    return inside


def thinned(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A quarter of a large mask's voxels, evenly spread: those of a body-centred lattice.

    N4 takes as long as it has voxels, and a field as smooth as its splines needs no more of them.
    They keep their own intensities, which coarser voxels would mix across tissues.

    Examples
    --------
    >>> int(thinned(np.ones((20, 20, 20), bool)).sum())
    2000
    """
    if np.count_nonzero(mask) < _ENOUGH:
        return mask
    i, j, k = (n % 2 for n in np.ogrid[tuple(slice(n) for n in mask.shape)])
    return mask & (i == j) & (j == k)


class _CorrectBiasInputSpec(EngineInputSpec):
    in_file = File(exists=True, mandatory=True, desc='3D image')
    mask = File(exists=True, desc='where the field is fitted; what is bright if absent')
    entry = traits.Enum('bias', 'gre_bias', usedefault=True, desc='settings within the preset')


class _CorrectBiasOutputSpec(RecordedOutputSpec):
    out_file = File(desc='image divided by the field, on its own grid')


class CorrectBias(EngineStep):
    """Remove the bias field by N4, fitted on coarse voxels."""

    input_spec = _CorrectBiasInputSpec
    output_spec = _CorrectBiasOutputSpec

    def _run_interface(self, runtime):
        inputs, folder = self.inputs, Path(runtime.cwd)
        image = read_volume(inputs.in_file, canonical=True)
        mask = None
        if isdefined(inputs.mask):
            mask = read_volume(inputs.mask, canonical=True, must_vary=False).data > 0.5
        flat = without_bias(image, mask, folder, self._engine, self._preset[inputs.entry])
        out_file = write_like(flat, inputs.in_file, folder / 'corrected.nii')
        self._results.update(out_file=str(out_file), parameters=self._parameters(inputs.entry))
        return runtime
