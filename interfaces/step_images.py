"""Images of a step: loaded onto one grid, and saved in its working folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from nipype.interfaces.base import isdefined
from numpy.typing import NDArray

from ..nodes.grid import Grid
from ..nodes.stages import Arrays
from .files import save_image
from .headers import check_same_grid, load_data, load_image


def load_step(inputs: Any, *names: str, mask: str) -> tuple[Arrays, Grid, NDArray[Any]]:
    """Defined images of a step by name, float32, and the mask; all on one grid.

    Parameters
    ----------
    inputs
        Of a Nipype interface.
    names
        Inputs that hold images; those that are not defined are left out.
    mask
        Input that holds the mask.

    Returns
    -------
    tuple
        Arrays, `mask` among them; the geometry; the affine.

    Raises
    ------
    InputError
        An image cannot be read or lies on another grid than the mask.
    """
    place = Path(getattr(inputs, mask))
    image = load_image(place)
    data: Arrays = {'mask': load_data(place).reshape(image.shape[:3]) > 0}
    for name in names:
        path = getattr(inputs, name)
        if isdefined(path):
            check_same_grid(place, Path(path))
            data[name] = load_data(path, dtype=np.float32)
    affine = np.asarray(image.affine, float)
    return data, Grid.from_affine(image.shape, affine), affine


def save_step(array: NDArray[Any], affine: NDArray[Any], folder: Path, name: str) -> str:
    """Write an intermediate image, compressed where most of it is zero.

    Of other images compression takes longer than the step, and saves little.
    """
    dtype = np.uint8 if array.dtype == bool else np.float32
    suffix = '.nii.gz' if 2 * np.count_nonzero(array) < array.size else '.nii'
    return str(save_image(array, affine, folder / f'{name}{suffix}', dtype=dtype))
