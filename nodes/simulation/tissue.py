"""What tissue does to the field and the signal: susceptibility, relaxation, veins, fibres.

Numbers are typical values, in one table; a study overrides those that it is about. Those without
a source beside them are assumed: contrast should look as in people, and nothing is measured in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .head import Material, is_brain, world_axes
from .warp import smooth_noise

CSF_INTENSITY, GREY_INTENSITY, WHITE_INTENSITY = 30.0, 64.0, 86.0
"""Template intensities of pure fluid, grey and white matter; mixtures lie between."""


@dataclass(frozen=True)
class TissueModel:
    """Susceptibilities and white-matter effects, ppb.

    Attributes
    ----------
    white_matter_ppb, grey_matter_ppb, csf_ppb, vein_ppb, dentate_ppb
        Susceptibility.
    anisotropy_ppb
        Susceptibility along minus across the fibres of white matter.
    microstructure_ppb
        Frequency shift of white matter across the field, over sin^2 of the angle between.
    texture_ppb
        Standard deviation of susceptibility within a region.
    bone_ppm, air_ppm
        Susceptibility relative to soft tissue.
    """

    # sums of the tissue parameters of the qsm-forward phantom, as is the dentate's
    white_matter_ppb: float = -30.0
    grey_matter_ppb: float = 20.0
    csf_ppb: float = 19.0
    vein_ppb: float = 300.0  # assumed
    dentate_ppb: float = 152.0
    # the true map then leaves as much of the field as in a real brain (`benchmarks/realism.py`);
    # van Gelderen et al. 2015 (PMC4431960) measured 13.6 to 19.2 in spinal cord
    anisotropy_ppb: float = 13.0
    microstructure_ppb: float = -10.0  # the effect: Wharton & Bowtell 2012
    texture_ppb: float = 6.0  # assumed
    # Hopkins & Wehrli 1997, doi 10.1002/mrm.1910370404: bovine rib has -0.90 ppm in CGS units,
    # which is -11.3 in SI against water's -9.05
    bone_ppm: float = -2.0
    # Schenck 1996, doi 10.1118/1.597854: air 0.36, water -9.05
    air_ppm: float = 9.4


@dataclass(frozen=True)
class Substance:
    """Signal properties of a pure material.

    Attributes
    ----------
    density
        Proton density relative to water.
    t1
        Seconds at 1.5 T.
    r2star, r2star_slope
        1/s at zero field, and added per tesla.
    t1w
        Intensity in a T1-weighted image, white matter being 86.
    """

    density: float
    t1: float
    r2star: float
    r2star_slope: float
    t1w: float


# T1: Wright 2008 (doi 10.1007/s10334-008-0104-8) has 0.65 s in white and 1.20 s in grey matter at
# 1.5 T; densities and the other numbers are assumed.
WHITE = Substance(0.70, 0.65, 10.0, 4.0, WHITE_INTENSITY)
GREY = Substance(0.82, 1.10, 8.5, 2.5, GREY_INTENSITY)
FLUID = Substance(1.00, 4.00, 1.0, 0.5, 22.0)
DEEP_GREY = Substance(0.78, 0.90, 9.0, 2.0, 75.0)
VEIN = Substance(0.85, 1.40, 6.0, 9.0, 30.0)
R2STAR_PER_PPM_TESLA = 55.0
"""R2* that iron adds, 1/s per ppm of susceptibility and tesla; at 3 T about the pallidum's."""
# Static dephasing around spheres is R2' = 2 pi / (9 sqrt 3) gamma B0 chi, 108 per ppm and tesla
# (Yablonskiy & Haacke 1994, doi 10.1002/mrm.1910320610). Tissue has about half of it: 137 per ppm
# at 3 T (Shin et al. 2021, doi 10.1016/j.neuroimage.2021.118371).

SUBSTANCES: dict[Material, Substance] = {
    Material.AIR: Substance(0.0, 1.0, 0.0, 0.0, 0.0),
    Material.BRAIN: GREY,
    Material.CSF: FLUID,
    Material.BONE: Substance(0.08, 0.60, 300.0, 50.0, 5.0),
    Material.MARROW: Substance(0.55, 0.35, 60.0, 40.0, 62.0),
    Material.FAT: Substance(0.90, 0.26, 20.0, 8.0, 104.0),
    Material.MUSCLE: Substance(0.75, 0.95, 22.0, 4.0, 44.0),
    Material.SKIN: Substance(0.65, 0.80, 30.0, 8.0, 52.0),
    Material.VITREOUS: Substance(1.00, 3.50, 1.5, 0.5, 16.0),
    Material.MASTOID: Substance(0.12, 0.80, 150.0, 100.0, 10.0),
    Material.CORD: Substance(0.72, 0.75, 12.0, 4.0, 74.0),
    Material.MUCOSA: Substance(0.80, 1.10, 25.0, 10.0, 56.0),
    Material.VEIN: VEIN,
    Material.SINUS: VEIN,
    Material.DENTATE: DEEP_GREY,
}
# methylene protons, the main peak of fat, at 1.3 ppm against water's 4.7
FAT_SHIFT_PPM = -3.4
"""Chemical shift of fat relative to water."""


def fractions(
    intensity: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Fractions of fluid, grey and white matter that explain a template intensity.

    Examples
    --------
    >>> [float(f[0]) for f in fractions(np.array([75.0], np.float32))]
    [0.0, 0.5, 0.5]
    """
    # two tissues at a time: fluid with grey, grey with white matter
    white = np.clip((intensity - GREY_INTENSITY) / (WHITE_INTENSITY - GREY_INTENSITY), 0, 1)
    fluid = np.clip((GREY_INTENSITY - intensity) / (GREY_INTENSITY - CSF_INTENSITY), 0, 1)
    return fluid, 1 - white - fluid, white


def background_ppm(materials: NDArray[np.uint8], tissue: TissueModel) -> NDArray[np.float32]:
    """Susceptibility of everything but the brain relative to *air*, ppm.

    Air is the zero, so that the air around the head reaches to infinity; soft tissue and the
    brain stand at minus `air_ppm`.
    """
    table = np.zeros(len(Material), np.float32)
    table[Material.BONE] = tissue.bone_ppm
    # assumed: marrow is a third bone, fat is somewhat paramagnetic against water, and the mastoid
    # is half air
    table[Material.MARROW] = 0.3 * tissue.bone_ppm
    table[Material.FAT] = 0.6
    table[Material.MASTOID] = 0.5 * tissue.air_ppm
    table[Material.SINUS] = tissue.vein_ppb / 1000
    table[Material.AIR] = tissue.air_ppm
    return (table - np.float32(tissue.air_ppm))[materials]


def brain_ppm(
    materials: NDArray[np.uint8], intensity: NDArray[np.float32], labels: NDArray[np.uint8],
    texture: NDArray[np.float32], values: Mapping[int, float], tissue: TissueModel,
) -> NDArray[np.float32]:  # fmt: skip
    """Mean susceptibility of brain tissue relative to soft tissue, ppm; zero elsewhere.

    Parameters
    ----------
    materials, intensity, labels
        Anatomy.
    texture
        Smooth noise of zero mean and unit deviation.
    values
        Susceptibility of each label, ppb; met on average over the label's voxels.
    tissue
        Other susceptibilities.
    """
    # susceptibilities of a mixture add by volume
    fluid, grey, white = fractions(intensity)
    chi = fluid * tissue.csf_ppb + grey * tissue.grey_matter_ppb + white * tissue.white_matter_ppb
    chi += tissue.texture_ppb * texture * (1 - fluid)
    chi[(materials == Material.DENTATE) & (fluid == 0)] = tissue.dentate_ppb
    chi[materials == Material.VEIN] = tissue.vein_ppb
    # the texture of a nucleus loses its mean there, so that the value asked for is met exactly
    deep = np.flatnonzero(labels)
    which, noise = labels.ravel()[deep], texture.ravel()[deep]
    counts = np.maximum(np.bincount(which, minlength=256), 1)
    means = np.bincount(which, noise, minlength=256) / counts
    table = np.zeros(256)
    for label, value in values.items():
        table[label] = value
    # Deep grey nuclei are more uneven than other tissue: texture grows with iron.
    spread = tissue.texture_ppb * (0.7 + np.abs(table[which]) / 100)
    chi.ravel()[deep] = table[which] + spread * (noise - means[which])
    chi[~is_brain(materials)] = 0
    return (chi / 1000).astype(np.float32)


@dataclass(frozen=True)
class SignalMaps:
    """Maps that the gradient-echo signal needs.

    Attributes
    ----------
    amplitude
        Steady-state signal without decay.
    r2star
        1/s.
    shift_ppm
        Chemical shift, ppm.
    """

    amplitude: NDArray[np.float32]
    r2star: NDArray[np.float32]
    shift_ppm: NDArray[np.float32]


def signal_maps(
    materials: NDArray[np.uint8], intensity: NDArray[np.float32], labels: NDArray[np.uint8],
    chi: NDArray[np.float32], *, b0: float, repetition_time: float, flip_angle: float,
) -> SignalMaps:  # fmt: skip
    """Amplitude, R2* and chemical shift of every voxel.

    Parameters
    ----------
    materials, intensity, labels
        Anatomy.
    chi
        Brain susceptibility, ppm; deep grey nuclei decay faster with it.
    b0
        Tesla.
    repetition_time
        Seconds.
    flip_angle
        Degrees.

    Notes
    -----
    Spoiled steady state: rho sin(a) (1 - E) / (1 - cos(a) E), E = exp(-TR / T1) (Haase et al.
    1986). T1 grows with the field to the power .3 except in fluids.
    """
    amplitude = _lookup(materials, lambda s: _steady(s, b0, repetition_time, flip_angle))
    r2star = _lookup(materials, lambda s: _decay(s, b0))
    # a voxel of the brain is a mixture; amplitudes add, and rates too as long as R2* TE is small
    brain = materials == Material.BRAIN
    mixed = tuple(zip((f[brain] for f in fractions(intensity)), (FLUID, GREY, WHITE), strict=True))
    amplitude[brain] = sum(
        f * np.float32(_steady(s, b0, repetition_time, flip_angle)) for f, s in mixed
    )
    r2star[brain] = sum(f * np.float32(_decay(s, b0)) for f, s in mixed)
    deep = labels > 0
    amplitude[deep] = _steady(DEEP_GREY, b0, repetition_time, flip_angle)
    r2star[deep] = _decay(DEEP_GREY, b0) + R2STAR_PER_PPM_TESLA * b0 * np.abs(chi[deep])
    shift = np.where(materials == Material.FAT, np.float32(FAT_SHIFT_PPM), np.float32(0))
    return SignalMaps(amplitude, r2star, shift)


def _steady(s: Substance, b0: float, repetition_time: float, flip_angle: float) -> float:
    """Signal of a spoiled gradient echo without decay."""
    # T1 = A nu^B (Bottomley et al. 1984, doi 10.1118/1.595535), with B = 0.3 for all tissues
    # assumed; free fluid keeps its own
    t1 = s.t1 * (1.0 if s.t1 > 3 else (b0 / 1.5) ** 0.3)
    e, angle = np.exp(-repetition_time / t1), np.deg2rad(flip_angle)
    return float(s.density * np.sin(angle) * (1 - e) / (1 - np.cos(angle) * e))


def _decay(s: Substance, b0: float) -> float:
    """R2* of a substance, 1/s; linear in the field, as Peters et al. 2007 found.

    doi 10.1016/j.mri.2007.02.014
    """
    return s.r2star + s.r2star_slope * b0


def _lookup(
    materials: NDArray[np.uint8], value_of: Callable[[Substance], float]
) -> NDArray[np.float32]:
    """Map of a property of each material."""
    table = np.zeros(len(Material), np.float32)
    for material, substance in SUBSTANCES.items():
        table[material] = value_of(substance)
    return table[materials]


def t1_weighted(
    materials: NDArray[np.uint8], intensity: NDArray[np.float32],
    texture: NDArray[np.float32], *, contrast: float = 1.0,
) -> NDArray[np.float32]:  # fmt: skip
    """T1-weighted intensity, white matter about 86.

    Parameters
    ----------
    materials, intensity
        Anatomy.
    texture
        Smooth noise of unit deviation; makes soft tissue outside the brain uneven.
    contrast
        Power applied to brain intensity relative to white matter; above 1 darkens grey matter.
    """
    image = _lookup(materials, lambda s: s.t1w)
    # fat between muscles where the texture is high, 14 % of it; a gentle grain in all (by eye)
    streaks = materials == Material.MUSCLE
    image[streaks] += np.where(texture[streaks] > 1.1, 40, 6 * texture[streaks])
    image *= 1 + 0.06 * texture
    brain = (materials == Material.BRAIN) | (materials == Material.DENTATE)
    # Fluid in the template is washed out by averaging people; a real one is darker.
    inner = np.clip(intensity[brain], 1, None)
    inner = np.where(inner < 60, 60 + (inner - 60) * 1.25, inner)
    inner = np.clip(inner, 18, None) / WHITE_INTENSITY
    image[brain] = WHITE_INTENSITY * inner**contrast
    return image


def fibre_directions(
    rng: np.random.Generator, shape: tuple[int, int, int], affine: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Smooth unit vectors in template world axes, (3, *shape).

    Random directions varying over 14 mm, drawn towards left-right near the midline above the
    thalami (corpus callosum) and towards head-foot in the brain stem and corona radiata.
    """
    spacing = float(affine[0, 0])
    vectors = np.stack([smooth_noise(rng, shape, 14.0 / spacing) for _ in range(3)])
    x, y, z = world_axes(affine, shape, dtype=np.float64)
    # Gaussian bumps around the tracts in template mm, by eye; 3 outweighs the random part
    callosum = 3 * np.exp(-((x / 16) ** 2) - ((y + 5) / 45) ** 2 - ((z - 22) / 14) ** 2)
    stem = np.exp(-((x / 22) ** 2) - ((y + 28) / 20) ** 2) / (1 + np.exp((z + 5) / 5))
    radiata = np.exp(-(((np.abs(x) - 26) / 8) ** 2) - ((y + 15) / 25) ** 2 - ((z - 20) / 25) ** 2)
    vectors[0] += callosum
    vectors[2] += 3 * (stem + radiata)
    vectors /= np.maximum(np.sqrt((vectors**2).sum(axis=0)), 1e-6)
    return vectors.astype(np.float32)


def dentate_nuclei(affine: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Two folded sheets where the dentate nuclei lie, as shells of tilted ellipsoids."""
    mask = np.zeros(shape, bool)
    low = np.array([-30.0, -70.0, -44.0]) - affine[:3, 3]
    box = tuple(
        slice(max(int(a), 0), min(int(a) + size, n))
        for a, size, n in zip(low, (61, 26, 18), shape, strict=True)
    )
    x, y, z = world_axes(affine, shape, box, np.float64)
    for side in (-1, 1):
        # a shell, open below, sheared so that it runs outwards to the front (by eye)
        u, v, w = side * x - 16, y + 58, z + 35
        r = np.sqrt(((u - 0.3 * v) / 5) ** 2 + (v / 8.5) ** 2 + (w / 5.5) ** 2)
        mask[box] |= (r < 1) & (r > 0.55) & (w > -4)
    return mask
