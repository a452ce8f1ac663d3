"""Scan one simulated person: a T1-weighted image, and gradient-echo scans with their truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..numerics.kernels import forward_field
from ..numerics.resample import block_mean
from . import scanner
from . import tissue as tissue_models
from .body import Body, SampledBody, head_corners, sample_body, transform
from .head import Material
from .scanner import Slab
from .tissue import TissueModel
from .transceive import conductivity, transceive_phase
from .truth import RegionValues, WantedRegions, scan_values, tissue_values
from .warp import smooth_noise

_SLICES = 16
"""Slices of a T1-weighted image that are computed together, which bounds the memory."""
ROUGH_MM = 8.0
"""Width (sigma) of the Gaussian that the rough rest of the phase offset is smoothed by."""


@dataclass(frozen=True)
class T1wProtocol:
    """T1-weighted scan.

    Attributes
    ----------
    matrix, voxel_mm, centre_mm
        Field of view, along the world's axes.
    oversampling
        Model voxels per voxel along each axis.
    white_matter, noise
        Stored intensity of white matter, and standard deviation of the complex noise.
    bias_percent
        Spread of the smooth gain.
    contrast_sd
        Spread of the contrast between white and grey matter.
    orientation
        Axis codes of the stored array.
    b0, repetition_time, echo_time, inversion_time, flip_angle
        Written into the sidecar (tesla, seconds, degrees).
    """

    # a common protocol at 1.5 T, no one's in particular (assumed)
    matrix: tuple[int, int, int] = (128, 160, 140)
    voxel_mm: tuple[float, float, float] = (1.5, 1.5, 1.5)
    centre_mm: tuple[float, float, float] = (0.0, -8.0, -8.0)
    oversampling: int = 2
    white_matter: float = 86.0
    noise: float = 2.5
    bias_percent: float = 12.0
    contrast_sd: float = 0.08
    orientation: str = 'RAS'
    b0: float = 1.5
    repetition_time: float = 1.9
    echo_time: float = 0.0031
    inversion_time: float = 1.0
    flip_angle: float = 15.0


@dataclass(frozen=True)
class GreProtocol:
    """Gradient-echo scan.

    Attributes
    ----------
    echo_times
        Seconds.
    b0
        Tesla, along the world's z axis.
    repetition_time, flip_angle
        Seconds, degrees.
    matrix, voxel_mm, centre_mm, tilt_deg
        The slab: turned about x, then y, then z about its centre.
    oversampling
        Model voxels per voxel along each axis.
    snr
        Grey-matter signal at the first echo over the noise of one channel.
    noise
        Standard deviation of the noise in stored units; sets the scale of the magnitude.
    phase
        How phase is stored: `0..4095`, `-4096..4094` or `rad`.
    shim_order
        Order of the solid harmonics that shimming removes, 0 to 2.
    conducting
        Factor on the tissues' conductivity, whose phase is there at echo time zero.
    coil_rad, rough_rad
        Spread of the coils' part of that phase, a harmonic function, and standard deviation of a
        rest that varies over some 15 mm.
    gain
        Spread of the receiver's logarithmic gain.
    orientation
        Axis codes of the stored array.
    padding
        Zero padding of the field calculation, array length over model length.
    """

    # one echo, long for phase contrast, as in a susceptibility-weighted scan at 1.5 T (assumed)
    echo_times: tuple[float, ...] = (0.04,)
    b0: float = 1.5
    repetition_time: float = 0.05
    flip_angle: float = 20.0
    matrix: tuple[int, int, int] = (128, 160, 60)
    voxel_mm: tuple[float, float, float] = (1.5, 1.5, 2.0)
    centre_mm: tuple[float, float, float] = (0.0, -18.0, 8.0)
    tilt_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    oversampling: tuple[int, int, int] = (2, 2, 2)
    snr: float = 40.0
    noise: float = 2.5
    phase: str = '0..4095'
    shim_order: int = 2
    conducting: float = 1.0
    coil_rad: float = 0.4
    rough_rad: float = 0.02
    gain: float = 0.1
    orientation: str = 'RAS'
    padding: float = 1.6


@dataclass(frozen=True)
class SimulatedScan:
    """A simulated gradient-echo scan with its truth, on the scan's grid.

    Attributes
    ----------
    magnitude, phase
        (x, y, z, echo), as stored: small integers; phase may be radians.
    slab
        Geometry.
    labels, brain
        Truth; a voxel belongs to what fills most of it.
    chi
        Susceptibility of the brain minus its mean over `brain`, ppm.
    regions, tissue
        True values of each region at the scan's resolution, and of the tissue itself (see
        `scan_values` and `tissue_values`).
    total_field, local_field
        ppm; absent if not asked for.
    """

    magnitude: NDArray
    phase: NDArray
    slab: Slab
    labels: NDArray[np.uint8]
    brain: NDArray[np.bool_]
    chi: NDArray[np.float32]
    regions: RegionValues
    tissue: RegionValues
    total_field: NDArray[np.float32] | None = None
    local_field: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class T1wScan:
    """A simulated T1-weighted image and its truth."""

    image: NDArray
    affine: NDArray[np.float64]
    labels: NDArray[np.uint8]
    brain: NDArray[np.bool_]


def simulate_t1w(body: Body, protocol: T1wProtocol, rng: np.random.Generator) -> T1wScan:
    """T1-weighted image with gain, noise and truth.

    Parameters
    ----------
    body
        The person, where they lie.
    protocol
        The scan.
    rng
        Source of contrast, gain and noise.
    """
    affine = scanner.scan_affine(protocol.matrix, protocol.voxel_mm, protocol.centre_mm)
    contrast = 1 + protocol.contrast_sd * rng.standard_normal()
    clean = np.empty(protocol.matrix, np.float32)
    labels, brain = np.empty(protocol.matrix, np.uint8), np.empty(protocol.matrix, bool)
    factor = (protocol.oversampling,) * 3
    for first in range(0, protocol.matrix[0], _SLICES):
        part = slice(first, min(first + _SLICES, protocol.matrix[0]))
        size = (part.stop - first, *protocol.matrix[1:])
        slab = Slab(size, scanner.shift_affine(affine, (first, 0, 0)), factor, (0, 0, 0), size)
        fine = sample_body(body, slab.fine_affine, slab.fine_shape)
        image = tissue_models.t1_weighted(
            fine.materials, fine.intensity, fine.texture, contrast=contrast
        )
        clean[part] = block_mean(image, factor)
        labels[part] = scanner.majority(fine.labels, factor)
        brain[part] = scanner.half(fine.brain, factor)
    bias = scanner.smooth_polynomial(rng, affine, protocol.matrix, protocol.bias_percent / 100)
    clean *= np.exp(bias) * np.float32(protocol.white_matter / tissue_models.WHITE_INTENSITY)
    # The magnitude of a signal with noise in both channels is Rician (Gudbjartsson & Patz 1995).
    noisy = np.abs(scanner.add_noise(rng, clean.astype(np.complex64), protocol.noise))
    return T1wScan(_integers(noisy), affine, labels, brain)


def simulate_gre(
    body: Body, protocol: GreProtocol, tissue: TissueModel, values: Mapping[int, float],
    rng: np.random.Generator, *, parts: WantedRegions, maps: bool = False,
) -> SimulatedScan:  # fmt: skip
    """Gradient-echo scan of a person.

    Parameters
    ----------
    body
        The person, where they lie.
    protocol
        The scan.
    tissue
        Susceptibility of tissue.
    values
        Susceptibility of each deep-grey-matter label, ppb.
    rng
        Source of phase offset, gain and noise.
    parts
        Regions whose true values are wanted.
    maps
        Also return the true fields.
    """
    affine = scanner.scan_affine(
        protocol.matrix, protocol.voxel_mm, protocol.centre_mm, protocol.tilt_deg
    )
    # The model covers the whole head: air and bone beyond the slab bend the field within it.
    slab = scanner.place_slab(protocol.matrix, affine, protocol.oversampling, head_corners(body))
    fine = sample_body(body, slab.fine_affine, slab.fine_shape)
    chi = tissue_models.brain_ppm(
        fine.materials, fine.intensity, fine.labels, fine.texture, values, tissue
    )
    total, white = _total_field(body, fine, chi, slab, tissue, protocol.padding)
    brain = scanner.half(fine.brain[slab.fine_scan], slab.oversampling)
    total = _shimmed(total, brain, slab, protocol.shim_order)
    inside = fine.cut(slab.fine_scan)
    signal = tissue_models.signal_maps(
        inside.materials, inside.intensity, inside.labels, chi[slab.fine_scan], b0=protocol.b0,
        repetition_time=protocol.repetition_time, flip_angle=protocol.flip_angle,
    )  # fmt: skip
    offset = _offset(fine, slab, protocol, rng)
    magnitude, phase = _acquire(signal, total, offset, slab, protocol, brain, rng)
    labels = scanner.majority(inside.labels, slab.oversampling)
    chi_map = block_mean(chi[slab.fine_scan], slab.oversampling)
    # A field says nothing of a constant susceptibility, so the truth is one without its mean.
    chi_map = np.where(brain, chi_map - chi_map[brain].mean(), np.float32(0))
    own = tissue_values(fine, chi, slab, protocol.b0, parts)
    decay = block_mean(signal.r2star, slab.oversampling)
    seen = scan_values(chi_map, decay, labels, brain, own, parts)
    scan = SimulatedScan(magnitude, phase, slab, labels, brain, chi_map, seen, own)
    if not maps:
        return scan
    local = _local_field(fine, chi, slab, white, protocol.padding)
    return replace(scan, total_field=block_mean(total, slab.oversampling), local_field=local)


def _total_field(
    body: Body, fine: SampledBody, chi: NDArray[np.float32], slab: Slab, tissue: TissueModel,
    padding: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:  # fmt: skip
    """Field of everything on the model grid, and white matter's own part in scan voxels, ppm."""
    source = tissue_models.background_ppm(fine.materials, tissue)
    source += chi
    # Dipole field: F = D X, D(k) = 1/3 - (k.b)^2 / k^2 (`numerics.kernels`).
    total = forward_field(source, slab.fine_grid, pad=padding)
    white = _white_matter_field(body, fine, slab, tissue)
    total += scanner.upsample(white, slab)
    return total, white


def _shimmed(
    total: NDArray[np.float32], brain: NDArray[np.bool_], slab: Slab, order: int
) -> NDArray[np.float32]:
    """The scan's part of the total field without what shim coils remove, on model voxels, ppm."""
    inside = total[slab.fine_scan]
    # Scanners shim on a quick low-resolution map of the brain; scan voxels are its stand-in.
    shim = scanner.shim_terms(block_mean(inside, slab.oversampling), brain, slab.affine, order)
    corner = scanner.shift_affine(slab.fine_affine, [s.start for s in slab.fine_scan])
    return scanner.remove_shim(inside, shim, corner)


def _white_matter_field(
    body: Body, fine: SampledBody, slab: Slab, tissue: TissueModel
) -> NDArray[np.float32]:
    """Anisotropy and microstructure of white matter, in scan voxels of the model, ppm.

    Notes
    -----
    The microstructure shift follows the fibres' angle to the field as sin^2 and is no field of
    any susceptibility (Wharton & Bowtell 2012, doi 10.1073/pnas.1211075109).
    """
    # Nuclei have labels and values of their own; fibres that cross them are left out.
    pure = np.isin(fine.materials, (Material.BRAIN, Material.CORD)) & (fine.labels == 0)
    white = tissue_models.fractions(fine.intensity)[2] * pure
    fraction = block_mean(white.astype(np.float32), slab.oversampling)
    affine = scanner.shift_affine(slab.affine, slab.start)
    own = (np.linalg.inv(body.pose) @ affine).astype(np.float32)
    to_warp = np.linalg.inv(body.warp.affine).astype(np.float32)
    # scan voxel -> scanner world -> the person's own axes -> the warp's grid, where fibres are
    index = transform(to_warp, transform(own, np.indices(slab.model_shape, np.float32)))
    vectors = np.stack(
        [ndimage.map_coordinates(c, index, order=1, mode='nearest') for c in body.fibres]
    )
    # Template axes -> scanner world -> voxel axes, lengths back to one.
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    to_voxel_axes = (affine[:3, :3] / lengths).T @ body.pose[:3, :3]
    vectors = np.tensordot(to_voxel_axes.astype(np.float32), vectors, 1)
    vectors /= np.maximum(np.sqrt((vectors**2).sum(axis=0)), 1e-6)
    grid = slab.coarse_grid
    field = scanner.anisotropic_field(vectors, fraction, grid, tissue.anisotropy_ppb / 1000)
    # Wharton & Bowtell 2012: the shift is largest for fibres across the field, sin^2 = 1 - cos^2.
    cosine = np.tensordot(np.asarray(grid.b0_dir, np.float32), vectors, 1)
    return field + fraction * (1 - cosine**2) * np.float32(tissue.microstructure_ppb / 1000)


def _local_field(
    fine: SampledBody,
    chi: NDArray[np.float32],
    slab: Slab,
    white: NDArray[np.float32],
    padding: float,
) -> NDArray[np.float32]:
    """Field of the sources inside the brain, in scan voxels, ppm."""
    # Without the mean, as the map: a uniform brain's field tells of its shape, not of tissue.
    mean = np.float32(chi[fine.brain].mean())
    inner = np.where(fine.brain, chi - mean, np.float32(0))
    field = forward_field(inner, slab.fine_grid, pad=padding)
    field += scanner.upsample(white, slab)
    return block_mean(field[slab.fine_scan], slab.oversampling)


def _offset(
    fine: SampledBody, slab: Slab, protocol: GreProtocol, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Phase at echo time zero, in scan voxels, rad: tissue, coils, a rough rest, a constant."""
    sigma = conductivity(fine.materials, fine.intensity, protocol.b0)
    sigma = block_mean(sigma * np.float32(protocol.conducting), slab.oversampling)
    offset = transceive_phase(sigma, slab.coarse_grid, protocol.b0, pad=protocol.padding)
    offset = offset[slab.scan]
    offset += scanner.harmonic_phase(rng, slab.affine, slab.shape, protocol.coil_rad)
    length = float(np.prod(protocol.voxel_mm)) ** (1 / 3)
    rough = smooth_noise(rng, slab.shape, ROUGH_MM / length)
    return offset + protocol.rough_rad * rough + np.float32(rng.uniform(-np.pi, np.pi))


def _acquire(
    maps: tissue_models.SignalMaps, field: NDArray[np.float32], offset: NDArray[np.float32],
    slab: Slab, protocol: GreProtocol, brain: NDArray[np.bool_], rng: np.random.Generator,
) -> tuple[NDArray, NDArray]:  # fmt: skip
    """Stored magnitude and phase of all echoes."""
    gain = np.exp(scanner.smooth_polynomial(rng, slab.affine, slab.shape, protocol.gain))
    receiver = (gain * np.exp(1j * offset)).astype(np.complex64)
    # Fat is off by its chemical shift wherever it lies, beyond what the field does to it.
    frequency = field + maps.shift_ppm
    scale = None
    magnitudes, phases = [], []
    for time in protocol.echo_times:
        image = receiver * scanner.signal(
            maps.amplitude, maps.r2star, frequency, time, protocol.b0, slab.oversampling
        )
        # one scale for all echoes: the brain's median at the first echo over the noise is the SNR
        if scale is None:
            scale = protocol.snr * protocol.noise / float(np.median(np.abs(image[brain])))
        image = scanner.add_noise(rng, image * np.float32(scale), protocol.noise)
        magnitude = np.abs(image)
        magnitudes.append(magnitude)
        # Rician noise alone passes four deviations once in 3000 voxels: exp(-4^2 / 2)
        empty = magnitude < 4 * protocol.noise
        phases.append(scanner.store_phase(np.angle(image), protocol.phase, empty=empty))
    return _integers(np.stack(magnitudes, axis=-1)), np.stack(phases, axis=-1)


def _integers(image: NDArray[np.float32]) -> NDArray:
    """Rounded to the smallest of uint8 and int16 that holds nearly all values, as stored."""
    # one voxel in ten thousand may be clipped: bright fat must not double the size of a data set
    whole = np.rint(image)
    if float(np.quantile(whole, 0.9999)) <= 255:
        return np.clip(whole, 0, 255).astype(np.uint8)
    return np.clip(whole, 0, 32767).astype(np.int16)
