"""Small files that tests write."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np


def write_image(path, data=None, *, shape=(6, 7, 5), affine=None, dtype=np.int16):
    """Write a NIfTI file, ramped so that it is not constant."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if data is None:
        data = np.arange(np.prod(shape)).reshape(shape)
    affine = np.diag([2.0, 2.0, 2.0, 1.0]) if affine is None else affine
    nib.save(nib.Nifti1Image(np.asarray(data).astype(dtype), affine), path)
    return path


def write_sidecar(path, **content):
    """Write the JSON file beside an image."""
    path = Path(str(path).removesuffix('.nii.gz') + '.json')
    path.write_text(json.dumps(content))
    return path
