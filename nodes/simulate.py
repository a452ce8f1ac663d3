"""Simulate one participant: anatomy, a T1-weighted image, and gradient-echo scans with truth."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from . import simulate_scanner as scanner
from . import simulate_tissue as tissue_models
from .grid import Grid
from .simulate_head import BRAIN_MATERIALS, OUTSIDE_INTENSITY, HeadModel, Material
from .simulate_scanner import Slab
from .simulate_tissue import TissueModel
from .simulate_veins import vein_mask
from .simulate_warp import Warp, atrophy_warp, chain, pull_points, random_warp, smooth_noise


Parts = Mapping[Hashable, tuple[int, ...]]
"""Regions whose truth is wanted: name -> labels that make it, none for the whole brain."""


@dataclass(frozen=True)
class AnatomyModel:
    """How much people differ in shape and position.

    Attributes
    ----------
    displacement_mm, smoothness_mm
        Mean length and smoothness of the random displacement.
    size_sd_percent
        Spread of head size.
    tilt_sd_deg, shift_sd_mm
        Spread of head position in the scanner.
    motion_deg, motion_mm
        Head movement between scans.
    cortical_veins
        Veins on the brain's surface.
    """

    displacement_mm: float = 4.5
    smoothness_mm: float = 30.0
    size_sd_percent: float = 2.5
    tilt_sd_deg: float = 4.0
    shift_sd_mm: float = 3.0
    motion_deg: float = 0.7
    motion_mm: float = 0.7
    cortical_veins: int = 60


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
    offset_rad, gain
        Spread of the receiver's phase offset and of its logarithmic gain.
    orientation
        Axis codes of the stored array.
    padding
        Zero padding of the field calculation, array length over model length.
    """

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
    offset_rad: float = 0.6
    gain: float = 0.15
    orientation: str = 'RAS'
    padding: float = 1.6


@dataclass(frozen=True)
class Body:
    """Anatomy of one person.

    Attributes
    ----------
    head
        Head in template space, with this person's veins.
    warp
        Pull-back from the person's own axes to template space.
    texture
        Smooth noise on the warp's grid.
    fibres
        Unit vectors on the warp's grid.
    pose
        4 x 4 matrix from the person's own axes to the scanner's world.
    """

    head: HeadModel
    warp: Warp
    texture: NDArray[np.float32]
    fibres: NDArray[np.float32]
    pose: NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """Anatomy of one person on a grid; `texture` is smooth noise of unit deviation."""

    materials: NDArray[np.uint8]
    intensity: NDArray[np.float32]
    labels: NDArray[np.uint8]
    texture: NDArray[np.float32]

    @property
    def brain(self) -> NDArray[np.bool_]:
        """Voxels of the brain."""
        return np.isin(self.materials, BRAIN_MATERIALS)

    def cut(self, box: tuple[slice, ...]) -> Sample:
        """Part of it."""
        return Sample(*(v[box] for v in (self.materials, self.intensity, self.labels, self.texture)))


@dataclass(frozen=True)
class Scan:
    """A simulated gradient-echo scan with its truth, on the scan's grid.

    Attributes
    ----------
    magnitude, phase
        (x, y, z, echo), as stored: small integers; phase may be radians.
    slab
        Geometry.
    labels, brain
        Truth; a voxel belongs to what fills most of it.
    chi, total_field, local_field
        ppm; chi is that of the brain, minus its mean over the brain. Absent if not asked for.
    regions
        For each region: voxels, volume, susceptibility mean, median and deviation (ppb) and R2*
        over the model grid of the whole head, and the share inside the slab.
    """

    magnitude: NDArray
    phase: NDArray
    slab: Slab
    labels: NDArray[np.uint8]
    brain: NDArray[np.bool_]
    regions: Mapping[Hashable, Mapping[str, float]]
    chi: NDArray[np.float32] | None = None
    total_field: NDArray[np.float32] | None = None
    local_field: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class T1wScan:
    """A simulated T1-weighted image and its truth."""

    image: NDArray
    affine: NDArray[np.float64]
    labels: NDArray[np.uint8]
    brain: NDArray[np.bool_]


def make_body(
    head: HeadModel, rng: np.random.Generator, anatomy: AnatomyModel,
    volume_factors: Mapping[int, float],
) -> Body:  # fmt: skip
    """Deform the head into one person's and place it in the scanner.

    Parameters
    ----------
    head
        Template head.
    rng
        Source of everything that is this person's own.
    anatomy
        How much people differ.
    volume_factors
        Volume of each label over its volume in the template, at the template's head size.
    """
    spacing = 4.0
    affine = head.affine.copy()
    affine[:3, :3] *= spacing
    shape = tuple(int(n // spacing) + 1 for n in head.labels.shape)
    inside = head.brain[::4, ::4, ::4]
    within = np.zeros(shape, bool)
    within[tuple(slice(0, n) for n in inside.shape)] = inside
    person = random_warp(
        rng, shape, affine, mean_mm=anatomy.displacement_mm,
        smoothness_mm=anatomy.smoothness_mm, within=within,
    )  # fmt: skip
    local = atrophy_warp(head.labels, head.affine, volume_factors, person=person)
    warp = chain(person, local)
    grid = warp.displacement.shape[1:]
    texture = smooth_noise(rng, grid, 1.1)
    fibres = tissue_models.fibre_directions(rng, grid, warp.affine)
    materials = head.materials.copy()
    veins = vein_mask(rng, head.brain, head.affine, cortical=anatomy.cortical_veins)
    soft = materials == Material.BRAIN
    dentate = tissue_models.dentate_nuclei(head.affine, materials.shape)
    materials[dentate & soft] = Material.DENTATE
    materials[veins & soft & (head.labels == 0)] = Material.VEIN
    materials[veins & np.isin(materials, (Material.CSF, Material.BONE))] = Material.SINUS
    pose = _pose(
        rng.normal(0, anatomy.tilt_sd_deg * np.array([1, 0.5, 0.5])),
        rng.normal(0, anatomy.shift_sd_mm, 3),
        1 + rng.normal(0, anatomy.size_sd_percent / 100),
    )
    return Body(replace(head, materials=materials), warp, texture, fibres, pose)


def move(body: Body, rng: np.random.Generator, anatomy: AnatomyModel) -> Body:
    """The same person after a small movement."""
    step = _pose(rng.normal(0, anatomy.motion_deg, 3), rng.normal(0, anatomy.motion_mm, 3), 1.0)
    return replace(body, pose=step @ body.pose)


def _pose(tilt_deg: NDArray, shift_mm: NDArray, size: float) -> NDArray[np.float64]:
    """Similarity about the middle of the head."""
    centre = np.array([0.0, -20.0, 0.0])
    matrix = np.eye(4)
    matrix[:3, :3] = size * scanner.rotation(tilt_deg)
    matrix[:3, 3] = centre + shift_mm - matrix[:3, :3] @ centre
    return matrix


def sample_body(body: Body, affine: NDArray[np.float64], shape: tuple[int, int, int]) -> Sample:
    """Anatomy on a grid of the scanner's world.

    Parameters
    ----------
    body
        The person.
    affine, shape
        The grid.
    """
    head = body.head
    own = (np.linalg.inv(body.pose) @ affine).astype(np.float32)
    out = Sample(
        np.empty(shape, np.uint8), np.empty(shape, np.float32), np.empty(shape, np.uint8),
        np.empty(shape, np.float32),
    )  # fmt: skip
    to_template = np.linalg.inv(head.affine).astype(np.float32)
    to_warp = np.linalg.inv(body.warp.affine).astype(np.float32)
    step = max(1, 2_000_000 // (shape[1] * shape[2]))
    for first in range(0, shape[0], step):
        part = slice(first, min(first + step, shape[0]))
        index = np.indices((part.stop - first, *shape[1:]), np.float32)
        index[0] += first
        points = _apply(own, index)
        out.texture[part] = ndimage.map_coordinates(
            body.texture, _apply(to_warp, points), order=1, mode='nearest'
        )
        source = _apply(to_template, pull_points(body.warp, points))
        out.intensity[part] = ndimage.map_coordinates(
            head.intensity, source, order=1, mode='constant', cval=OUTSIDE_INTENSITY
        )
        nearest = np.rint(source).astype(np.int32)
        outside = np.zeros(nearest.shape[1:], bool)
        for axis, n in enumerate(head.labels.shape):
            outside |= (nearest[axis] < 0) | (nearest[axis] >= n)
            np.clip(nearest[axis], 0, n - 1, out=nearest[axis])
        where = tuple(nearest)
        out.materials[part] = np.where(outside, Material.AIR, head.materials[where])
        out.labels[part] = np.where(outside, 0, head.labels[where])
    return out


def _apply(matrix: NDArray[np.float32], points: NDArray[np.float32]) -> NDArray[np.float32]:
    moved = np.tensordot(matrix[:3, :3], points, 1)
    return moved + matrix[:3, 3].reshape(3, *[1] * (points.ndim - 1))


def head_corners(body: Body) -> NDArray[np.float64]:
    """Corners of a box that holds the head, in the scanner's world, (8, 3) mm."""
    spacing = 4.0
    shape = tuple(n // 2 for n in body.warp.displacement.shape[1:])
    affine = body.warp.affine.copy()
    affine[:3, :3] = np.eye(3) * spacing
    still = replace(body, pose=np.eye(4))
    used = np.argwhere(sample_body(still, affine, shape).materials != Material.AIR)
    low, high = used.min(axis=0) - 1, used.max(axis=0) + 1
    index = np.array(np.meshgrid(*zip(low, high, strict=True))).reshape(3, -1)
    world = body.pose @ affine @ np.vstack([index, np.ones(index.shape[1])])
    return world[:3].T


def simulate_t1w(
    body: Body, protocol: T1wProtocol, rng: np.random.Generator
) -> T1wScan:
    """T1-weighted image with gain, noise and truth."""
    affine = scanner.scan_affine(protocol.matrix, protocol.voxel_mm, protocol.centre_mm)
    factor = (protocol.oversampling,) * 3
    slab = Slab(protocol.matrix, affine, factor, (0, 0, 0), protocol.matrix)
    fine = sample_body(body, slab.fine_affine, slab.fine_shape)
    contrast = 1 + protocol.contrast_sd * rng.standard_normal()
    image = tissue_models.t1_weighted(
        fine.materials, fine.intensity, fine.texture, contrast=contrast
    )
    gain = np.exp(
        scanner.smooth_polynomial(rng, affine, protocol.matrix, protocol.bias_percent / 100)
    )
    scale = np.float32(protocol.white_matter / tissue_models.WHITE_INTENSITY)
    true = scanner.block_mean(image, factor) * gain * scale
    noisy = np.abs(scanner.add_noise(rng, true.astype(np.complex64), protocol.noise))
    return T1wScan(_integers(noisy), affine, majority(fine.labels, factor), _half(fine.brain, factor))


def _half(mask: NDArray[np.bool_], factor: tuple[int, int, int]) -> NDArray[np.bool_]:
    return scanner.block_mean(mask.astype(np.float32), factor) >= 0.5


def majority(
    labels: NDArray[np.uint8], factor: tuple[int, int, int]
) -> NDArray[np.uint8]:
    """Label that fills most of each block; ties go to the larger label, background last.

    Examples
    --------
    >>> block = np.array([0, 0, 0, 3, 3, 3, 3, 3], np.uint8).reshape(2, 2, 2)
    >>> majority(block, (2, 2, 2)).tolist()
    [[[3]]]
    """
    best = np.zeros(tuple(n // f for n, f in zip(labels.shape, factor, strict=True)), np.uint8)
    most = scanner.block_mean((labels == 0).astype(np.float32), factor)
    for label in np.flatnonzero(np.bincount(labels.ravel())):
        if label:
            share = scanner.block_mean((labels == label).astype(np.float32), factor)
            better = share >= most if best.size else share > most
            best[better & (share > 0)] = label
            most = np.maximum(most, share)
    return best


def simulate_gre(
    body: Body, protocol: GreProtocol, tissue: TissueModel, values: Mapping[int, float],
    rng: np.random.Generator, *, parts: Parts, maps: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Scan:  # fmt: skip
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
        Also return true susceptibility and fields.
    progress
        Told in words what comes next.
    """
    tell = progress or (lambda text: None)
    affine = scanner.scan_affine(
        protocol.matrix, protocol.voxel_mm, protocol.centre_mm, protocol.tilt_deg
    )
    slab = scanner.place_slab(protocol.matrix, affine, protocol.oversampling, head_corners(body))
    tell('anatomy')
    fine = sample_body(body, slab.fine_affine, slab.fine_shape)
    chi = tissue_models.brain_ppm(
        fine.materials, fine.intensity, fine.labels, fine.texture, values, tissue
    )
    tell('field')
    total, white = _total_field(body, fine, chi, slab, tissue, protocol.padding)
    brain = _half(fine.brain[slab.fine_scan], slab.oversampling)
    shim = scanner.shim_terms(
        scanner.block_mean(total[slab.fine_scan], slab.oversampling), brain, affine,
        protocol.shim_order,
    )  # fmt: skip
    total = scanner.remove_shim(total[slab.fine_scan], shim, _cut_affine(slab))
    tell('signal')
    inside = fine.cut(slab.fine_scan)
    signal = tissue_models.signal_maps(
        inside.materials, inside.intensity, inside.labels, chi[slab.fine_scan], b0=protocol.b0,
        repetition_time=protocol.repetition_time, flip_angle=protocol.flip_angle,
    )  # fmt: skip
    magnitude, phase = _acquire(signal, total, slab, protocol, brain, rng)
    scan = Scan(
        magnitude, phase, slab, majority(inside.labels, slab.oversampling), brain,
        _region_values(fine, chi, slab, protocol.b0, parts),
    )
    if not maps:
        return scan
    tell('truth')
    local = _local_field(fine, chi, slab, white, protocol.padding)
    mean = float(chi[fine.brain].mean())
    referenced = np.where(inside.brain, chi[slab.fine_scan] - np.float32(mean), 0)
    return replace(
        scan, chi=scanner.block_mean(referenced, slab.oversampling),
        total_field=scanner.block_mean(total, slab.oversampling), local_field=local,
    )  # fmt: skip


def _cut_affine(slab: Slab) -> NDArray[np.float64]:
    """Affine of the model voxels of the scan."""
    matrix = slab.fine_affine
    first = np.array([s.start for s in slab.fine_scan])
    matrix[:3, 3] += matrix[:3, :3] @ first
    return matrix


def _total_field(
    body: Body, fine: Sample, chi: NDArray[np.float32], slab: Slab, tissue: TissueModel,
    padding: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:  # fmt: skip
    """Field of everything on the model grid, and white matter's own part in scan voxels, ppm."""
    source = tissue_models.background_ppm(fine.materials, tissue)
    source += chi
    total = scanner.forward_field(source, slab.fine_grid, pad=padding)
    white = _white_matter_field(body, fine, slab, tissue)
    total += scanner.block_repeat(white, slab)
    return total, white


def _white_matter_field(
    body: Body, fine: Sample, slab: Slab, tissue: TissueModel
) -> NDArray[np.float32]:
    """Anisotropy and microstructure of white matter, in scan voxels of the model, ppm.

    Notes
    -----
    The microstructure shift follows the fibres' angle to the field as sin^2 and is no field of
    any susceptibility (Wharton & Bowtell 2012, doi 10.1073/pnas.1211075109).
    """
    pure = np.isin(fine.materials, (Material.BRAIN, Material.CORD)) & (fine.labels == 0)
    white = tissue_models.fractions(fine.intensity)[2] * pure
    share = scanner.block_mean(white.astype(np.float32), slab.oversampling)
    affine = slab.affine.copy()
    affine[:3, 3] += slab.affine[:3, :3] @ np.asarray(slab.start)
    own = (np.linalg.inv(body.pose) @ affine).astype(np.float32)
    to_warp = np.linalg.inv(body.warp.affine).astype(np.float32)
    index = _apply(to_warp, _apply(own, np.indices(slab.model_shape, np.float32)))
    vectors = np.stack(
        [ndimage.map_coordinates(c, index, order=1, mode='nearest') for c in body.fibres]
    )
    # Template axes -> scanner world -> voxel axes, lengths back to one.
    size = np.linalg.norm(affine[:3, :3], axis=0)
    turn = (affine[:3, :3] / size).T @ body.pose[:3, :3]
    vectors = np.tensordot(turn.astype(np.float32), vectors, 1)
    vectors /= np.maximum(np.sqrt((vectors**2).sum(axis=0)), 1e-6)
    grid = slab.coarse_grid
    field = scanner.anisotropic_field(vectors, share, grid, tissue.anisotropy_ppb / 1000)
    cosine = np.tensordot(np.asarray(grid.b0_dir, np.float32), vectors, 1)
    return field + share * (1 - cosine**2) * np.float32(tissue.microstructure_ppb / 1000)


def _local_field(
    fine: Sample, chi: NDArray[np.float32], slab: Slab, white: NDArray[np.float32], padding: float
) -> NDArray[np.float32]:
    """Field of the sources inside the brain, in scan voxels, ppm."""
    grid = Grid(slab.fine_shape, slab.fine_grid.voxel_size, slab.fine_grid.b0_dir)
    mean = np.float32(chi[fine.brain].mean())
    inner = np.where(fine.brain, chi - mean, np.float32(0))
    field = scanner.forward_field(inner, grid, pad=padding)
    local = scanner.block_mean(field[slab.fine_scan], slab.oversampling)
    return local + white[slab.scan]


def _acquire(
    maps: tissue_models.SignalMaps, field: NDArray[np.float32], slab: Slab,
    protocol: GreProtocol, brain: NDArray[np.bool_], rng: np.random.Generator,
) -> tuple[NDArray, NDArray]:  # fmt: skip
    """Stored magnitude and phase of all echoes."""
    offset = scanner.smooth_polynomial(rng, slab.affine, slab.shape, protocol.offset_rad)
    offset += np.float32(rng.uniform(-np.pi, np.pi))
    gain = np.exp(scanner.smooth_polynomial(rng, slab.affine, slab.shape, protocol.gain))
    receiver = (gain * np.exp(1j * offset)).astype(np.complex64)
    frequency = field + maps.shift_ppm
    scale = None
    magnitudes, phases = [], []
    for time in protocol.echo_times:
        image = receiver * scanner.signal(
            maps.amplitude, maps.r2star, frequency, time, protocol.b0, slab.oversampling
        )
        if scale is None:
            scale = protocol.snr * protocol.noise / float(np.median(np.abs(image[brain])))
        image = scanner.add_noise(rng, image * np.float32(scale), protocol.noise)
        size = np.abs(image)
        magnitudes.append(size)
        empty = size < 4 * protocol.noise
        phases.append(scanner.store_phase(np.angle(image), protocol.phase, empty=empty))
    return _integers(np.stack(magnitudes, axis=-1)), np.stack(phases, axis=-1)


def _integers(image: NDArray[np.float32]) -> NDArray:
    """Rounded to the smallest of uint8 and int16 that holds nearly all values, as stored."""
    whole = np.rint(image)
    if float(np.quantile(whole, 0.9999)) <= 255:
        return np.clip(whole, 0, 255).astype(np.uint8)
    return np.clip(whole, 0, 32767).astype(np.int16)


def _region_values(
    fine: Sample, chi: NDArray[np.float32], slab: Slab, b0: float, parts: Parts
) -> dict[Hashable, dict[str, float]]:
    """Truth of each region over the model grid."""
    brain = fine.brain.ravel()
    reference = float(chi.ravel()[brain].mean(dtype=np.float64))
    inside = np.zeros(chi.shape, bool)
    inside[slab.fine_scan] = True
    labelled = np.flatnonzero(fine.labels)
    which = fine.labels.ravel()[labelled]
    grey = tissue_models.DEEP_GREY
    values: dict[Hashable, dict[str, float]] = {}
    for key, labels in parts.items():
        chosen = labelled[np.isin(which, labels)] if labels else np.flatnonzero(brain)
        own = 1000 * chi.ravel()[chosen].astype(np.float64)
        decay = grey.r2star + b0 * grey.r2star_slope
        decay += tissue_models.R2STAR_PER_PPM_TESLA * b0 * float(np.abs(own).mean()) / 1000
        values[key] = {
            'n_voxels': chosen.size,
            'volume_mm3': chosen.size * slab.fine_grid.voxel_volume,
            'coverage': float(inside.ravel()[chosen].mean()),
            'chi_mean': float(own.mean()) - 1000 * reference,
            'chi_median': float(np.median(own)) - 1000 * reference,
            'chi_sd': float(own.std()),
            'r2star_mean': decay if labels else float('nan'),
        }
    return values
