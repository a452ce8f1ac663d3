"""Brain mask of a T1w image: refined from a registered one, or given by the user."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from nipype.interfaces.base import BaseInterfaceInputSpec, File, SimpleInterface, isdefined
from numpy.typing import NDArray

from ...nodes.anatomy.brain import on_other_grid, refine_brain_mask
from ...nodes.anatomy.similarity import dice
from ...nodes.errors import InputError
from ..files import save_image
from ..headers import load_data, load_image
from .itk import Volume, read_volume
from .specs import JudgedOutputSpec

BRAIN_ML = (850.0, 2400.0)
"""Volumes of adult brains with the fluid around them, mL; others are reported. By eye: from just
under half of the template's 1,887 mL to a quarter above it."""
LEAST_PRIOR_OVERLAP = 0.85
"""Dice overlap of brain mask and registered template brain below which there is a warning. By
eye: the first participant of `bids_example` has .96 with the coarsest preset."""
_MOST_OF_IMAGE = 0.95
"""Fraction of an image that a brain mask may fill: more of it is an image without background."""
_LEAST_KEPT = 0.9
"""Fraction of a given mask's volume that must lie in the T1w image. By eye: a tenth allows for
borders drawn on other voxels."""


class _BrainMaskInputSpec(BaseInterfaceInputSpec):
    t1w = File(exists=True, mandatory=True, desc='T1w image, bias field removed')
    prior = File(exists=True, mandatory=True, desc='mask from registration')
    given = File(exists=True, desc='mask to use instead, in the space of the T1w image')


class _BrainMaskOutputSpec(JudgedOutputSpec):
    brain_mask = File(desc='refined mask')


class BrainMask(SimpleInterface):
    """Sharpen a registered brain mask by tissue intensities, or take one that is given."""

    input_spec = _BrainMaskInputSpec
    output_spec = _BrainMaskOutputSpec

    def _run_interface(self, runtime):
        image = read_volume(self.inputs.t1w)
        prior = read_volume(self.inputs.prior, must_vary=False).data > 0.5
        if not prior.any():
            raise InputError(
                self.inputs.t1w,
                'could not be matched with the brain template: no brain was found in it',
                'check that it shows a whole head and that its header is right',
            )
        told = []
        if isdefined(self.inputs.given):
            given = Path(self.inputs.given)
            mask, told = given_mask(given, image), grid_warning(given, image)
        else:
            mask = refine_brain_mask(image.data, prior, image.voxel_size)
        out_file = Path(runtime.cwd) / 'brain_mask.nii.gz'
        save_image(mask, image.affine, out_file, dtype=np.uint8)
        volume = float(mask.sum() * np.prod(image.voxel_size) / 1000)
        overlap = dice(mask, prior)
        self._results.update(
            brain_mask=str(out_file),
            quality={'brain_ml': volume, 'prior_overlap': overlap},
            warnings=[*told, *mask_warnings(volume, overlap, float(mask.mean()))],
        )
        return runtime


def given_mask(path: Path, image: Volume) -> NDArray[np.bool_]:
    """Mask of a file on the grid of an image, by the nearest voxel.

    Parameters
    ----------
    path
        Zero outside the brain; may have another grid in the same world coordinates.
    image
        Whose grid is wanted.

    Raises
    ------
    InputError
        The file holds no mask, or one that lies elsewhere.
    """
    mask = _read_given(path)
    inside = mask.data > 0
    drawn = on_other_grid(inside, mask.affine, image.affine, image.data.shape)
    kept = drawn.sum() * np.prod(image.voxel_size)
    if kept < _LEAST_KEPT * inside.sum() * np.prod(mask.voxel_size):
        raise InputError(
            path, 'lies partly outside the T1w image', 'give a mask in the space of the T1w image'
        )
    return drawn


def grid_warning(path: Path, image: Volume) -> list[str]:
    """A sentence where a mask does not have the voxels of the image that it is carried to."""
    mask = load_image(path)
    if mask.shape == image.data.shape and np.allclose(mask.affine, image.affine, atol=1e-3):
        return []
    size = ' x '.join(f'{s:.3g}' for s in mask.header.get_zooms()[:3])
    return [
        f'{path.name} has another grid than the T1w image (voxels of {size} mm); it was carried '
        'there by the nearest voxel'
    ]


def _read_given(path: Path) -> Volume:
    """Image of a file that may serve as a mask."""
    fix = 'give 1 in the brain, else 0'
    if not np.isfinite(load_data(path)).all():
        raise InputError(path, 'holds values that are not finite', fix)
    mask = read_volume(path, must_vary=False)
    inside = mask.data > 0
    if inside.all() or not inside.any():
        raise InputError(path, 'is no mask: all voxels are alike', fix)
    if len(np.unique(mask.data)) > 2:
        raise InputError(path, 'holds more than two values', fix)
    return mask


def mask_warnings(volume: float, overlap: float, fraction: float) -> list[str]:
    """Sentences on a brain mask that looks wrong.

    Parameters
    ----------
    volume
        mL.
    overlap
        Dice, with the registered template brain.
    fraction
        Of the image that it fills.
    """
    warnings = []
    low, high = BRAIN_ML
    if not low <= volume <= high:
        warnings.append(
            f'the brain mask holds {volume:.0f} mL, outside {low:.0f} to {high:.0f}; look at it'
        )
    if overlap < LEAST_PRIOR_OVERLAP:
        warnings.append(
            f'brain mask and registered template brain overlap by {overlap:.2f} (Dice), below '
            f'{LEAST_PRIOR_OVERLAP}: the registration may have failed; look at the mask'
        )
    if fraction > _MOST_OF_IMAGE:
        warnings.append(f'the brain mask fills {fraction:.0%} of the T1w image; look at it')
    return warnings
