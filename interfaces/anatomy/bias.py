"""Bias field of an image: fitted on coarse voxels by N4, removed on the image's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...nodes.anatomy.brain import padded_box
from ...nodes.errors import NigraError
from ...nodes.numerics.resample import cropped_affine
from .itk import Engine, Volume, write


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
        Axes pointing right, anterior and superior, so that the result does not depend on how the
        image was stored.
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
    import nibabel as nib
    from nibabel.processing import resample_from_to

    spacing = settings['resolution_mm']
    small = image.isotropic(spacing)
    if mask is None:
        inside = small.data > small.data.mean()
    else:
        inside = Volume(mask.astype(np.float32), image.affine).isotropic(spacing).data > 0.5
    inside &= small.data > 0  # N4 takes logarithms
    if not inside.any():
        raise NigraError('no voxel of the mask is bright, so no bias field can be fitted')
    box = padded_box(inside, (2, 2, 2))
    affine = cropped_affine(small.affine, box)
    field = engine.bias_field(
        write(Volume(small.data[box], affine), folder / 'bias_image.nii'),
        write(Volume(inside[box], affine), folder / 'bias_mask.nii', dtype=np.uint8),
        settings,
    )
    field = np.clip(field / field[inside[box]].mean(), 0.1, 10)
    full = resample_from_to(
        nib.Nifti1Image(field, affine), (image.data.shape, image.affine), order=1, mode='nearest'
    )
    return Volume(image.data / np.asarray(full.dataobj, np.float32), image.affine)
