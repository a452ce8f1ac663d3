"""What several tests of inversions share."""

import numpy as np

from nigra.nodes.grid import Grid
from nigra.nodes.inversion.problem import Problem
from nigra.nodes.inversion.reference import reference_to
from nigra.nodes.numerics.fft import Crop


def whole(grid, field, weight, inside, nthreads=1):
    """A problem whose box is the array itself, without a border."""
    everything = (slice(None),) * 3
    crop = Crop(grid, everything, everything, grid.shape, everything)
    return Problem(field, weight, crop, inside, nthreads)


def noisy_field(phantom, seed=0, sd=1e-3):
    rng = np.random.default_rng(seed)
    noise = sd * rng.standard_normal(phantom['grid'].shape)
    return np.where(phantom['mask'], phantom['local'] + noise, 0).astype(np.float32)


def nucleus_errors(chi, phantom):
    """Errors of the nuclei's means relative to the whole mask, ppm."""
    mask = phantom['mask']
    own, true = chi - chi[mask].mean(), phantom['chi'] - phantom['chi'][mask].mean()
    return np.array([own[n].mean() - true[n].mean() for n in phantom['nuclei'].values()])


def slope_and_error(chi, phantom):
    """Slope of the nuclei's means on their true ones, and the largest error, ppm."""
    chi, _ = reference_to(chi, phantom['mask'])
    truth, _ = reference_to(phantom['chi'], phantom['mask'])
    found = [chi[v].mean() for v in phantom['nuclei'].values()]
    true = [truth[v].mean() for v in phantom['nuclei'].values()]
    return np.polyfit(true, found, 1)[0], np.abs(np.subtract(found, true)).max()


def check_reoriented(method, phantom, chi, axes, tolerance, nucleus_tolerance):
    """The map of the array with its axes exchanged, and the new first one flipped, is the same."""
    grid, flip = phantom['grid'], np.s_[::-1]
    moved = Grid(
        tuple(grid.shape[a] for a in axes),
        tuple(grid.voxel_size[a] for a in axes),
        tuple((-1 if i == 0 else 1) * grid.b0_dir[a] for i, a in enumerate(axes)),
    )
    local = np.ascontiguousarray(phantom['local'].transpose(axes)[flip])
    mask = np.ascontiguousarray(phantom['mask'].transpose(axes)[flip])
    other = method(local, mask, moved)[flip].transpose(np.argsort(axes))
    assert np.linalg.norm(other - chi) < tolerance * np.linalg.norm(chi)
    for nucleus in phantom['nuclei'].values():
        assert abs((other - chi)[nucleus].mean()) < nucleus_tolerance
