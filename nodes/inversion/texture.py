"""What noise a field has, and the texture that two sparse maps leave in it."""

from __future__ import annotations

import numpy as np

from ..grid import Grid
from ..numerics.fft import convolver, irfftn, multiplicity, rfftn
from ..numerics.kernels import frequencies
from .problem import Image, Problem, Spectrum, centred

# None of these three is critical: .3 to .45, .1 to .3 and .005 to .1 move the error of the means
# of nuclei by `dual` by .03 ppb at most (iso-3T and iso-1.5T of `benchmarks/phantoms.py`).
FINEST = 0.35
"""Cycles per voxel along every axis beyond which a field holds hardly anything but noise."""
TRUSTED = 0.2
"""|D| above which the field's power tells that of the susceptibility."""
LEAST_SIGNAL = 0.02
"""Fraction of a shell's power that is taken for signal at least, so that no shell is shut."""


def field_noise(spectrum: Spectrum, grid: Grid, n_voxels: int) -> float:
    """Standard deviation of white noise in a field, from the corners of its k-space.

    Parameters
    ----------
    spectrum
        Half spectrum of the field, zero outside a mask.
    grid
        Geometry of the whole array.
    n_voxels
        Voxels of the mask.
    """
    corner, times = spectrum, multiplicity(grid.shape[2])
    for axis, (k, h) in enumerate(zip(frequencies(grid), grid.voxel_size, strict=True)):
        far = np.abs(k.ravel() * h) > FINEST
        corner = np.compress(far, corner, axis=axis)
    if not corner.size:
        return 0.0
    power = np.square(corner.real, dtype=np.float64) + np.square(corner.imag, dtype=np.float64)
    mean = np.average(power.mean(axis=(0, 1)), weights=times[far])
    return float(np.sqrt(mean / n_voxels))


def add_texture(
    problem: Problem, chi: Image, offset: Image, fraction: float, cone: tuple[float, float]
) -> Image:
    """Wiener estimate of the susceptibility in what the two sparse maps leave of the field.

    X = D R / (D^2 + fraction sigma^2 / S), R the remainder's spectrum, S that of its
    susceptibility by shells of frequency where the kernel is large. Inside the cone of small |D|
    the remainder is f - g - D x. Outside, where a field tells susceptibility well, it is f - D x:
    there the data stand and no offset is believed.

    Parameters
    ----------
    problem
        Field and geometry.
    chi, offset
        The sparse maps x and g, ppm.
    fraction
        Of the noise.
    cone
        |D| up to which the offset is believed, and from which it is not.
    """
    kernel, nthreads = problem.kernel, problem.nthreads
    convolve = convolver(kernel, problem.grid.shape, nthreads=nthreads)
    images = (problem.field - convolve(chi), offset)
    spectra = [rfftn(centred(i, problem.inside), nthreads=nthreads) for i in images]
    spectra[1] *= -1
    spectra[1] += spectra[0]
    # 0 inside the cone, 1 outside, smooth between
    rise = np.clip((np.abs(kernel) - cone[0]) / np.float32(cone[1] - cone[0]), 0, 1)
    outside = rise * rise * (3 - 2 * rise)
    total = np.zeros_like(spectra[0])
    for spectrum, weight in zip(spectra, (outside, 1 - outside), strict=True):
        total += weight * _wiener(spectrum, problem, fraction) * spectrum
    return irfftn(total, np.empty_like(chi), nthreads=nthreads)


def _wiener(spectrum: Spectrum, problem: Problem, fraction: float) -> Image:
    """D / (D^2 + fraction sigma^2 / S)."""
    kernel, n_voxels = problem.kernel, int(problem.inside.sum())
    noise = field_noise(spectrum, problem.grid, n_voxels)
    power = _texture_power(spectrum, kernel, problem.grid, noise, n_voxels)
    # the last term keeps D = 0 from dividing by zero
    divisor = kernel**2 + np.float32(fraction * noise**2) / power + np.float32(1e-12)
    return (kernel / divisor).astype(np.float32)


def _texture_power(
    spectrum: Spectrum, kernel: Image, grid: Grid, noise: float, n_voxels: int
) -> Image:
    """S, the power of susceptibility at each frequency, from shells of the field's power."""
    k = frequencies(grid)
    # shells 1.5 over the field of view wide: each holds several frequencies
    extent = min(n * h for n, h in zip(grid.shape, grid.voxel_size, strict=True))
    shell = (np.sqrt(k[0] ** 2 + k[1] ** 2 + k[2] ** 2) * (extent / 1.5)).astype(np.int32)
    good = np.abs(kernel) > TRUSTED
    where, count = shell[good], int(shell.max()) + 1
    # P_j = sum |R|^2 over a shell, every frequency of the whole spectrum once
    times = np.broadcast_to(multiplicity(grid.shape[2]), shell.shape)[good]
    power = times * np.square(np.abs(spectrum[good]), dtype=np.float64) / n_voxels
    total = np.bincount(where, power, minlength=count)
    squares = times * np.square(kernel[good], dtype=np.float64)
    gain = np.bincount(where, squares, minlength=count)
    number = np.maximum(np.bincount(where, times, minlength=count), 1)
    # S_j = max(P_j - sigma^2, least P_j) / mean(D^2)
    signal = np.maximum(total / number - noise**2, LEAST_SIGNAL * total / number)
    mean_gain = np.maximum(gain / number, TRUSTED**2)
    return np.maximum(signal / mean_gain, 1e-30).astype(np.float32)[shell]
