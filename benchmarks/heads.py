"""Simulated heads with skull and truth, on which the anatomical half is measured.

    python benchmarks/heads.py [--heads 1 2 3]

makes them (some minutes each) and keeps them in a cache. Every head has a T1w image of 1 mm and
gradient echoes of several protocols; head N again with new noise and in a new position is `Nb`.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from nigra.interfaces.simulate import label_values, region_parts, template_head
from nigra.interfaces.study import read_study
from nigra.nodes.field.masks import trusted_mask
from nigra.nodes.grid import Grid
from nigra.nodes.methods import BACKGROUND, FIELD, INVERSION
from nigra.nodes.simulation.body import Body, make_body, move
from nigra.nodes.simulation.cohort import draw_cohort
from nigra.nodes.simulation.scan import GreProtocol, T1wProtocol, simulate_gre, simulate_t1w
from nigra.nodes.stages import Scan, run_step

CACHE = Path(tempfile.gettempdir()) / 'nigra-heads'
HEADS = ('1', '1b', '2', '2b', '3', '4', '5', '6')
_ECHOES = (0.006, 0.013, 0.020)
PROTOCOLS = {
    'iso2': GreProtocol(_ECHOES, 3.0, 0.05, 15.0, (100, 120, 80), (2.0, 2.0, 2.0),
                        (0.0, -18.0, 2.0), snr=60.0, noise=1.5, phase='rad'),
    'thin': GreProtocol(_ECHOES, 3.0, 0.05, 15.0, (192, 232, 72), (1.0, 1.0, 2.0),
                        (0.0, -18.0, 2.0), oversampling=(1, 1, 2), snr=40.0, noise=1.5,
                        phase='rad'),
    'slab': GreProtocol((0.040,), 1.5, 0.05, 15.0, (192, 232, 30), (1.0, 1.0, 2.0),
                        (0.0, -18.0, -2.0), tilt_deg=(20.0, 0.0, 0.0), oversampling=(1, 1, 2),
                        snr=40.0, noise=1.5, phase='rad'),
}  # fmt: skip
"""Gradient echoes: coarse, fine in plane, and 60 mm turned by 20 degrees at 1.5 T."""


@dataclass(frozen=True)
class Head:
    """Files of a head.

    Attributes
    ----------
    folder
        Holds `t1w.nii`, `labels.nii` and `brain.nii` on one grid, and a folder per protocol with
        `magnitude.nii` (combined), `labels.nii`, `brain.nii`, `truth.nii` (susceptibility, ppm)
        and `chimap.nii` (as reconstructed by the default chain).
    """

    folder: Path

    def load(self, name: str) -> np.ndarray:
        """Array of a file, as `iso2/labels`."""
        image: Any = nib.load(self.folder / f'{name}.nii')
        return np.asanyarray(image.dataobj)


def load(name: str, cache: Path = CACHE) -> Head:
    """A head by name, made if need be."""
    folder = cache / name
    if not folder.exists():
        part = cache / f'.part-{name}'
        part.mkdir(parents=True, exist_ok=True)
        _make(name, part)
        part.rename(folder)
    return Head(folder)


def _make(name: str, folder: Path) -> None:
    number, again = int(name.rstrip('b')), name.endswith('b')
    study = read_study('pudlac2020')
    people = draw_cohort(
        list(study.groups.values()), study.regions, study.seed, reference_age=study.reference_age
    )
    person = people[11 * number % len(people)]
    values, factors = label_values(person)
    anatomy = replace(study.anatomy, displacement_mm=4.5)
    body = make_body(template_head(), np.random.default_rng([77, number]), anatomy, factors)
    rng = np.random.default_rng([78, number, again])
    if again:
        body = move(body, rng, replace(anatomy, motion_deg=4.0, motion_mm=4.0))
    protocol = T1wProtocol((192, 232, 200), (1.0, 1.0, 1.0), (0.0, -14.0, -14.0), noise=4.0,
                           bias_percent=15.0)  # fmt: skip
    scan = simulate_t1w(body, protocol, rng)
    for file, data in (('t1w', scan.image), ('labels', scan.labels), ('brain', scan.brain)):
        _save(folder / f'{file}.nii', data, scan.affine)
    for key, gre in PROTOCOLS.items():
        moved = move(body, rng, anatomy)
        _gre(moved, gre, folder / key, rng, study.tissue, values)


def _gre(
    body: Body, protocol: GreProtocol, folder: Path, rng: np.random.Generator, tissue, values
) -> None:
    scan = simulate_gre(body, protocol, tissue, values, rng, parts=region_parts())
    folder.mkdir(exist_ok=True)
    magnitude = scan.magnitude.astype(np.float32)
    grid = Grid.from_affine(magnitude.shape[:3], scan.slab.affine)
    chimap = _reconstruct(magnitude, scan.phase, scan.brain, grid, protocol)
    files = {
        'magnitude': np.sqrt((magnitude**2).sum(-1)), 'labels': scan.labels, 'brain': scan.brain,
        'truth': scan.chi, 'chimap': chimap,
    }  # fmt: skip
    for file, data in files.items():
        _save(folder / f'{file}.nii', data, scan.slab.affine)


def _reconstruct(
    magnitude: np.ndarray, phase: np.ndarray, brain: np.ndarray, grid: Grid, protocol: GreProtocol
) -> np.ndarray:
    """Map of the default chain, mean zero over its mask."""
    scan = Scan(grid, protocol.echo_times, protocol.b0)
    mask = trusted_mask(phase, magnitude, brain, echo_times=scan.echo_times)
    data = {'phase': phase.astype(np.float32), 'magnitude': magnitude, 'mask': mask}
    for methods in (FIELD, BACKGROUND, INVERSION):
        data |= run_step(next(iter(methods.values())), data, scan)
    chimap, mask = data['chimap'], data['mask']
    return np.where(mask, chimap - chimap[mask].mean(), 0).astype(np.float32)


def _save(path: Path, data: np.ndarray, affine: np.ndarray) -> None:
    dtype = np.uint8 if data.dtype in (bool, np.uint8) else np.float32
    nib.save(nib.Nifti1Image(data.astype(dtype), affine), path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the heads."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--heads', nargs='+', default=list(HEADS))
    for name in parser.parse_args(arguments).heads:
        print(load(name).folder, flush=True)


if __name__ == '__main__':
    main()
