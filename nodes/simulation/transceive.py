"""The phase that is there at echo time zero: what tissue and coils do to the radio waves.

A conducting head delays the field of the transmitter and its own signal on their ways. With the
current in Maxwell's equations, and wavelengths longer than the head, the phase of both together
obeys

    Laplacian(phi) = 2 mu0 omega sigma

(Katscher et al. 2009, doi 10.1109/TMI.2009.2015757), sigma the conductivity and omega the Larmor
frequency: about a parabola, lowest in the middle of the head where phase grows with a positive
field. Coils add harmonic functions to it, and a rest that follows neither.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..grid import Grid, conducting_curvature, hz_per_ppm
from ..numerics.fft import fast_shape
from ..numerics.kernels import frequencies
from .head import Material
from .tissue import fractions

_MHZ = (64.0, 128.0, 298.0)
"""Frequencies of the table below: proton resonance at 1.5, 3 and 7 T."""

# S/m, about the parametric model of Gabriel et al. 1996 (doi 10.1088/0031-9155/41/11/003).
_FLUID, _GREY, _WHITE = (2.07, 2.14, 2.22), (0.51, 0.59, 0.69), (0.29, 0.34, 0.41)
_CONDUCTIVITY: dict[Material, tuple[float, float, float]] = {
    Material.AIR: (0.0, 0.0, 0.0),
    Material.BRAIN: _GREY,
    Material.CSF: _FLUID,
    Material.BONE: (0.06, 0.07, 0.08),
    Material.MARROW: (0.16, 0.18, 0.22),
    Material.FAT: (0.07, 0.07, 0.08),
    Material.MUSCLE: (0.69, 0.72, 0.77),
    Material.SKIN: (0.44, 0.52, 0.64),
    Material.VITREOUS: (1.50, 1.51, 1.52),
    Material.MASTOID: (0.06, 0.07, 0.08),  # that of bone: air conducts nothing
    Material.CORD: (0.31, 0.35, 0.42),
    Material.MUCOSA: (0.69, 0.72, 0.77),  # that of muscle
    Material.VEIN: (1.21, 1.25, 1.32),
    Material.SINUS: (1.21, 1.25, 1.32),
    Material.DENTATE: _GREY,
}


def conductivity(
    materials: NDArray[np.uint8], intensity: NDArray[np.float32], b0: float
) -> NDArray[np.float32]:
    """Electrical conductivity of every voxel, S/m.

    Parameters
    ----------
    materials, intensity
        Anatomy; a voxel of the brain is a mixture.
    b0
        Main field, T.
    """
    mhz = hz_per_ppm(b0)
    table = np.zeros(len(Material), np.float32)
    for material, values in _CONDUCTIVITY.items():
        table[material] = np.interp(mhz, _MHZ, values)
    sigma = table[materials]
    brain = materials == Material.BRAIN
    pure = [float(np.interp(mhz, _MHZ, values)) for values in (_FLUID, _GREY, _WHITE)]
    # conductivities of a mixture add by volume, about
    parts = zip(fractions(intensity[brain]), pure, strict=True)
    sigma[brain] = sum(f * np.float32(value) for f, value in parts)
    return sigma


def transceive_phase(
    sigma: NDArray[np.float32], grid: Grid, b0: float, *, pad: float = 1.6
) -> NDArray[np.float32]:
    """Phase of a conducting head at echo time zero, rad, up to a harmonic function.

    Parameters
    ----------
    sigma
        Conductivity, S/m, shape `grid.shape`; the head whole, zero in the air around it.
    grid
        Geometry.
    b0
        Main field, T.
    pad
        Length of the padded array over that of the given one, at least 1.

    Notes
    -----
    Solved by Fourier transform. A periodic solution needs a source without mean, so the parabola
    that has the mean's Laplacian is added: the Laplacian is that asked for, and the periodic
    images add harmonic functions, as coils do.
    """
    shape = fast_shape(tuple(int(np.ceil(n * pad)) for n in sigma.shape))
    # of sigma in S/m, rad/mm^2
    scale = 1e-6 * conducting_curvature(b0)
    spectrum = np.fft.rfftn(scale * sigma.astype(np.float64), shape, axes=(0, 1, 2))
    mean = float(spectrum[0, 0, 0].real) / np.prod(shape)
    kx, ky, kz = frequencies(Grid(shape, grid.voxel_size))
    square = (2 * np.pi) ** 2 * (kx**2 + ky**2 + kz**2)
    square[0, 0, 0] = np.inf
    inside = tuple(slice(0, n) for n in sigma.shape)
    phase = np.fft.irfftn(-spectrum / square, shape, axes=(0, 1, 2))[inside]
    for axis, (n, h) in enumerate(zip(sigma.shape, grid.voxel_size, strict=True)):
        line = (h * (np.arange(n) - (n - 1) / 2)) ** 2
        phase += mean / 6 * line.reshape([-1 if a == axis else 1 for a in range(3)])
    return phase.astype(np.float32)
