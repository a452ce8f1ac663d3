"""A folder that holds what every stage of `nigra-stage` reads, of a phantom."""

import json

import nibabel as nib
import numpy as np
from phantoms import signal

from nigra.cli.stage_cli import main

TIMES = [0.006, 0.014, 0.022]


def write_stage(folder, phantom):
    """Images and params.json by the names of the contract; returns the folder."""
    size, angle, _ = signal(phantom, TIMES, 3.0, np.random.default_rng(0))
    affine = np.diag([*phantom['grid'].voxel_size, 1.0])
    images = {
        'phase': angle,
        'magnitude': size,
        'mask': phantom['mask'].astype(np.uint8),
        'totalfield': phantom['total'],
        'localfield': phantom['local'],
    }
    for name, data in images.items():
        nib.save(nib.Nifti1Image(data, affine), folder / f'{name}.nii.gz')
    params = {
        'TE': TIMES,
        'B0': 3.0,
        'B0_dir': list(phantom['grid'].b0_dir),
        'voxel_size': list(phantom['grid'].voxel_size),
    }
    (folder / 'params.json').write_text(json.dumps(params))
    return folder


def run(stage, folder, *options):
    return main([stage, str(folder), str(folder / 'out'), *options])


def load(path):
    return np.asarray(nib.load(path).dataobj)
