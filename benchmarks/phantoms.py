"""Head phantoms with known truth that methods and their constants are chosen on.

    python benchmarks/phantoms.py [--cache FOLDER] [NAME ...]

Heads of `nigra-simulate` (air, bone, veins, white-matter anisotropy and microstructure) are made
at 1 mm and their k-space is cropped to 1.25 mm, so that voxels mix as a scanner mixes them;
anisotropic scans are averaged over finer voxels instead. Every phantom is another person, made
once and kept in the cache.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from nigra.interfaces.simulate import label_values, region_parts, template_head
from nigra.interfaces.study import read_study
from nigra.nodes.grid import Grid
from nigra.nodes.simulation.body import make_body
from nigra.nodes.simulation.cohort import draw_cohort
from nigra.nodes.simulation.scan import GreProtocol, simulate_gre
from nigra.nodes.simulation.scanner import add_noise

CACHE = Path(tempfile.gettempdir()) / 'nigra-phantoms'
NUCLEI = (
    'caudate', 'putamen', 'pallidum', 'thalamus', 'pulvinar', 'substantia_nigra', 'red_nucleus',
)  # fmt: skip
FIVE_ECHOES = (0.004, 0.010, 0.016, 0.022, 0.028)


@dataclass(frozen=True)
class Recipe:
    """A person and a scan.

    Attributes
    ----------
    seed
        Which person, and which noise.
    b0, echo_times, snr
        Tesla, seconds; grey-matter signal at the first echo over the noise of one channel.
    crop
        Voxels after cropping k-space of the 1 mm scan; none for the anisotropic scans.
    matrix, voxel_mm, oversampling, tilt_deg
        The scan, as `GreProtocol` has them.
    white_matter
        Factor on white matter's anisotropy (24 ppb) and microstructure shift (-18 ppb).
    rough_rad
        Phase at echo time zero that is neither the conducting tissues' nor harmonic.
    """

    seed: int
    b0: float
    echo_times: tuple[float, ...] = FIVE_ECHOES
    snr: float = 50.0
    crop: tuple[int, int, int] | None = (160, 192, 160)
    matrix: tuple[int, int, int] = (200, 240, 200)
    voxel_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)
    oversampling: tuple[int, int, int] = (1, 1, 1)
    tilt_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    white_matter: float = 1.0
    rough_rad: float = 0.02


_SLAB = {
    'crop': None,
    'matrix': (192, 240, 72),
    'voxel_mm': (1.0, 1.0, 2.0),
    'oversampling': (1, 1, 2),
}
RECIPES: dict[str, Recipe] = {
    'iso-3T': Recipe(1, 3.0),
    'iso-1.5T': Recipe(2, 1.5, tuple(1.6 * t for t in FIVE_ECHOES)),
    'oblique-3T': Recipe(3, 3.0, FIVE_ECHOES[:4], 40.0, tilt_deg=(20.0, 8.0, 0.0)),
    'single-1.5T': Recipe(4, 1.5, (0.040,), **_SLAB),  # type: ignore[arg-type]
    'single-3T': Recipe(5, 3.0, (0.020,), 35.0, tilt_deg=(-12.0, 0.0, 5.0), **_SLAB),  # type: ignore[arg-type]
    'slab-3T': Recipe(6, 3.0, FIVE_ECHOES, 60.0, **_SLAB),  # type: ignore[arg-type]
    'mild-3T': Recipe(7, 3.0, white_matter=0.75),
    'mild-1.5T': Recipe(8, 1.5, tuple(1.6 * t for t in FIVE_ECHOES), white_matter=0.75),
    # What the true map leaves of the field is as in a real brain (`realism.py`), up to the noise.
    'cal-3T': Recipe(11, 3.0, white_matter=0.55),
    'cal-1.5T': Recipe(12, 1.5, tuple(1.6 * t for t in FIVE_ECHOES), white_matter=0.55),
    'cal2-3T': Recipe(13, 3.0, white_matter=0.6),
    'one-1.5T': Recipe(16, 1.5, (0.030,), 35.0, white_matter=0.55, **_SLAB),  # type: ignore[arg-type]
    'one-3T': Recipe(
        17, 3.0, (0.020,), 35.0, white_matter=0.55, tilt_deg=(-12.0, 0.0, 5.0), **_SLAB
    ),  # type: ignore[arg-type]
    'rough-3T': Recipe(18, 3.0, (0.020,), 35.0, white_matter=0.55, rough_rad=0.06, **_SLAB),  # type: ignore[arg-type]
    # Reported once, then looked at, too, when the weights of PDF were chosen.
    'second-1.5T': Recipe(14, 1.5, tuple(1.6 * t for t in FIVE_ECHOES), white_matter=0.5),
    'second-3T': Recipe(15, 3.0, white_matter=0.55),
    'second-one-1.5T': Recipe(19, 1.5, (0.030,), 40.0, white_matter=0.6, **_SLAB),  # type: ignore[arg-type]
    'second-one-3T': Recipe(20, 3.0, (0.020,), 40.0, white_matter=0.5, **_SLAB),  # type: ignore[arg-type]
    # Not looked at when methods and constants are chosen: for the figures that are reported.
    'unseen-1.5T': Recipe(31, 1.5, tuple(1.6 * t for t in FIVE_ECHOES), white_matter=0.55),
    'unseen-3T': Recipe(32, 3.0, white_matter=0.5),
    'unseen-one-1.5T': Recipe(33, 1.5, (0.030,), 40.0, white_matter=0.55, **_SLAB),  # type: ignore[arg-type]
    'unseen-one-3T': Recipe(34, 3.0, (0.020,), 40.0, white_matter=0.6, **_SLAB),  # type: ignore[arg-type]
}


def load(name: str, cache: Path = CACHE) -> dict[str, Any]:
    """A phantom by name: arrays of the contract between stages, truth, and `grid`.

    Returns
    -------
    dict
        `phase` (rad), `magnitude` (x, y, z, echo); `mask` and `labels` (index of `nuclei`);
        `totalfield`, `localfield` and `chimap`, ppm, true; `grid`, `echo_times`, `b0`,
        `nuclei` (dict from name and hemisphere to mask).
    """
    path = cache / f'{name}.npz'
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix('.part.npz')
        np.savez(part, **make(RECIPES[name]))
        part.rename(path)
    stored = dict(np.load(path))
    grid = Grid(stored['mask'].shape, tuple(stored.pop('voxel_size')), tuple(stored.pop('b0_dir')))
    stored |= {'grid': grid, 'b0': float(stored['b0']), 'nuclei': {}}
    for (region, side), parts in region_parts().items():
        if region in NUCLEI and side in ('L', 'R'):
            stored['nuclei'][region, side] = np.isin(stored['labels'], parts) & stored['mask']
    return stored


def make(recipe: Recipe) -> dict[str, Any]:
    """Arrays of a phantom."""
    study = read_study('pudlac2020')
    people = draw_cohort(
        list(study.groups.values()), study.regions, study.seed, reference_age=study.reference_age
    )
    person = people[7 * recipe.seed % len(people)]
    values, factors = label_values(person)
    streams = [np.random.default_rng([20201125, recipe.seed, n]) for n in range(3)]
    body = make_body(template_head(), streams[0], study.anatomy, factors)
    protocol = GreProtocol(
        echo_times=recipe.echo_times, b0=recipe.b0, snr=recipe.snr, phase='rad', noise=1.0,
        matrix=recipe.matrix, voxel_mm=recipe.voxel_mm, oversampling=recipe.oversampling,
        tilt_deg=recipe.tilt_deg, centre_mm=(0.0, -18.0, 2.0), repetition_time=0.05,
        flip_angle=15.0, rough_rad=recipe.rough_rad,
    )  # fmt: skip
    # cropping k-space averages noise: it comes after the crop, so that the SNR is that asked for
    if recipe.crop:
        protocol = replace(protocol, snr=1e4)
    tissue = replace(
        study.tissue,
        anisotropy_ppb=24.0 * recipe.white_matter,
        microstructure_ppb=-18.0 * recipe.white_matter,
    )
    scan = simulate_gre(
        body, protocol, tissue, values, streams[1], parts=region_parts(), maps=True
    )
    assert scan.total_field is not None
    assert scan.local_field is not None
    grid = Grid.from_affine(recipe.matrix, scan.slab.affine)
    out = {
        'magnitude': scan.magnitude.astype(np.float32), 'phase': scan.phase, 'mask': scan.brain,
        'labels': scan.labels, 'totalfield': scan.total_field, 'localfield': scan.local_field,
        'chimap': scan.chi,
    }  # fmt: skip
    if recipe.crop:
        out = _crop(out, recipe, streams[2])
        step = np.array(recipe.matrix) / np.array(recipe.crop)
        grid = Grid(recipe.crop, tuple(np.array(recipe.voxel_mm) * step), grid.b0_dir)
    mask = out['mask']
    out['chimap'] = np.where(mask, out['chimap'] - out['chimap'][mask].mean(), 0)
    return {
        **out, 'voxel_size': grid.voxel_size, 'b0_dir': grid.b0_dir, 'b0': recipe.b0,
        'echo_times': recipe.echo_times,
    }  # fmt: skip


def _crop(fine: dict[str, Any], recipe: Recipe, rng: np.random.Generator) -> dict[str, Any]:
    """Everything at the lower resolution that cropping k-space gives, and the noise."""
    shape = recipe.crop
    assert shape is not None
    fine_shape = fine['mask'].shape

    def low(image: np.ndarray) -> np.ndarray:
        # a scanner samples k-space out to 1 / (2 voxel); what is beyond rings as in a real scan
        spectrum = np.fft.fftshift(np.fft.fftn(image))
        first = [(n - m) // 2 for n, m in zip(image.shape, shape, strict=True)]
        part = spectrum[tuple(slice(f, f + m) for f, m in zip(first, shape, strict=True))]
        # the first voxel's centre moves by half the difference of the voxel sizes
        for axis, (n, m) in enumerate(zip(image.shape, shape, strict=True)):
            k = np.arange(m) - m // 2
            shift = np.exp(2j * np.pi * k * (n / m - 1) / 2 / n)
            part = part * shift.reshape([-1 if a == axis else 1 for a in range(3)])
        small = np.fft.ifftn(np.fft.ifftshift(part)) * (np.prod(shape) / image.size)
        return small if np.iscomplexobj(image) else small.real.astype(np.float32)

    # a voxel belongs to what fills more than half of it
    labels = np.zeros(shape, np.uint8)
    best = np.full(shape, 0.5, np.float32)
    for label in np.unique(fine['labels'])[1:]:
        fraction = low((fine['labels'] == label).astype(np.float32))
        labels[fraction > best] = label
        best = np.maximum(best, fraction)
    mask = low(fine['mask'].astype(np.float32)) > 0.5
    out = {name: low(fine[name]) for name in ('localfield', 'chimap')}
    # what outer sources add is smooth in the brain but has steps elsewhere, which would ring
    centres = [(np.arange(m) + 0.5) * n / m - 0.5 for n, m in zip(fine_shape, shape, strict=True)]
    outer = (fine['totalfield'] - fine['localfield']).astype(np.float32)
    points = np.meshgrid(*centres, indexing='ij')
    out['totalfield'] = out['localfield'] + ndimage.map_coordinates(outer, points, order=3)
    magnitude, phase = [], []
    sd = None
    for echo in range(len(recipe.echo_times)):
        image = low(fine['magnitude'][..., echo] * np.exp(1j * fine['phase'][..., echo]))
        # one noise level for all echoes, set by the first
        sd = sd or float(np.median(np.abs(image[mask]))) / recipe.snr
        image = add_noise(rng, image.astype(np.complex64), sd)
        magnitude.append(np.abs(image))
        phase.append(np.angle(image))
    return {
        **out, 'mask': mask, 'labels': labels,
        'magnitude': np.stack(magnitude, -1), 'phase': np.stack(phase, -1),
    }  # fmt: skip


def region_means(chimap: np.ndarray, phantom: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """True and measured means of every nucleus and side, ppb, referenced to the true mask."""
    mask = phantom['mask']
    both = []
    for image in (phantom['chimap'], chimap):
        centred = 1000 * (image.astype(np.float64) - image[mask].mean(dtype=np.float64))
        both.append(np.array([centred[m].mean() for m in phantom['nuclei'].values()]))
    return both[0], both[1]


def region_scores(chimap: np.ndarray, phantom: dict[str, Any]) -> dict[str, float]:
    """Slope, mean absolute and worst error (ppb) of the region means."""
    true, measured = region_means(chimap, phantom)
    error = np.abs(measured - true)
    slope = float(np.polyfit(true, measured, 1)[0])
    return {'slope': slope, 'mae_ppb': float(error.mean()), 'worst_ppb': float(error.max())}


def main() -> None:
    """Make phantoms that are not there yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('names', nargs='*', default=list(RECIPES))
    parser.add_argument('--cache', type=Path, default=CACHE)
    arguments = parser.parse_args()
    for name in arguments.names:
        phantom = load(name, arguments.cache)
        print(name, phantom['grid'], f'{phantom["mask"].sum()} voxels in the mask')


if __name__ == '__main__':
    main()
