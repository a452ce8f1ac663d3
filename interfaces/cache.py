"""Nipype's working folder, as a crash of the machine may leave it."""

from __future__ import annotations

import gzip
import shutil
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np

from .files import read_to_end

_NEVER_EMPTY = ('.nii', '.gz', '.pklz', '.h5', '.json', '.tsv')


def drop_damaged(folder: Path) -> list[Path]:
    """Remove the folders of steps whose files were cut short, so that the steps run again.

    Nipype believes what a step has left when it finds its name; after a power cut, or on a disk
    that is cleaned by age, the name may stand for an empty or shortened file, or be all there is.

    Parameters
    ----------
    folder
        Working folder of a visit, or of all.

    Returns
    -------
    list
        Removed folders.
    """
    steps = sorted({path.parent for path in folder.rglob('result_*.pklz')})
    damaged = [step for step in steps if any(map(_is_damaged, step.iterdir()))]
    for step in damaged:
        shutil.rmtree(step)
    return damaged


def _is_damaged(path: Path) -> bool:
    if path.suffix not in _NEVER_EMPTY or not path.is_file():
        return False
    if path.stat().st_size == 0:
        return True
    if path.suffix == '.nii':
        return _is_short(path)
    if path.suffix not in ('.gz', '.pklz'):
        return False
    try:
        with gzip.open(path) as stream:
            read_to_end(stream)
    except (OSError, EOFError, zlib.error):
        return True
    return False


def _is_short(path: Path) -> bool:
    """Tell whether an image without compression ends before its header says."""
    try:
        with path.open('rb') as stream:
            header = nib.Nifti1Header.from_fileobj(stream)
    except (nib.wrapstruct.WrapStructError, nib.spatialimages.HeaderDataError):
        return True
    voxels = np.prod(header.get_data_shape(), dtype=int)
    end = header.get_data_offset() + voxels * header.get_data_dtype().itemsize
    return bool(path.stat().st_size < end)
