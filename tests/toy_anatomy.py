"""A head made of the template: known labels, known brain, known pose."""

from dataclasses import dataclass

import nibabel as nib
import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from nigra.interfaces.anatomy.atlas import load_dgm_atlas, load_template
from nigra.nodes.anatomy.brain import dilate_mm


def pose(turn_deg=(0, 0, 0), shift_mm=(0, 0, 0), size=1.0):
    """Map of template points to head points: turn about x, y, z, scale, shift."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler('xyz', turn_deg, degrees=True).as_matrix()
    matrix[:3, :3] *= size
    matrix[:3, 3] = shift_mm
    return matrix


def grid_around(centre, shape, voxel, turn_deg=(0, 0, 0)):
    """Affine of a grid of a shape and voxel size whose middle lies at a world point."""
    affine = pose(turn_deg)
    affine[:3, :3] *= np.asarray(voxel, float)
    affine[:3, 3] = centre - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine


def sample(data, source, target, shape, *, order=1):
    """Resample an array with affine `source` onto a grid with affine `target`."""
    matrix = np.linalg.inv(source) @ target
    return ndimage.affine_transform(
        data, matrix[:3, :3], matrix[:3, 3], output_shape=shape, order=order, mode='constant'
    )


@dataclass
class ToyHead:
    """T1w-like and GRE-like intensities on the template's grid."""

    t1w: np.ndarray
    gre: np.ndarray
    brain: np.ndarray
    labels: np.ndarray
    affine: np.ndarray


def toy_head():
    """Template brain in fluid, skull and scalp; the gradient echo has inverted contrast."""
    image, margin = load_template(), 20
    brain = np.pad(np.asarray(image.dataobj, np.float32), margin)
    affine = image.affine.copy()
    affine[:3, 3] -= margin
    coarse = (brain > 0)[::2, ::2, ::2]
    rings = [dilate_mm(coarse, r, (2, 2, 2)) for r in (2.5, 9.0, 16.0)]
    fluid, bone, skin = (np.kron(r, np.ones((2, 2, 2), bool)) for r in rings)
    box = tuple(slice(0, n) for n in brain.shape)
    fluid, bone, skin = fluid[box], bone[box], skin[box]
    t1w = np.select([brain > 0, fluid, bone, skin], [brain, 25, 8, 120], 0).astype(np.float32)
    gre = np.select([brain > 0, fluid, bone, skin], [150 - brain, 120, 5, 60], 0)
    labels = np.pad(np.asarray(load_dgm_atlas().image.dataobj), margin)
    return ToyHead(t1w, gre.astype(np.float32), brain > 0, labels, affine)


def save(data, affine, path, dtype=np.float32):
    """Write an image and return its path as text."""
    nib.save(nib.Nifti1Image(np.asarray(data).astype(dtype), affine), path)
    return str(path)
