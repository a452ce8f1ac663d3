"""Good and bad scans for the tutorial: one scan of the example, whole and broken on purpose.

    python benchmarks/gallery.py FOLDER [--out docs] [--nprocs 2]

writes the scans as a data set into FOLDER (which must be new), processes them as the command does
with the sign of the phase kept, and writes `pictures/scans/*.png` and `tables/scans.md`: what the
quality file of each run says. Takes some five minutes on two idle cores.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import nibabel as nib
import numpy as np
import pandas as pd
from scipy import ndimage

from nigra import __version__
from nigra.cli import main as nigra
from nigra.interfaces.files import read_json, save_json

matplotlib.use('Agg')
from matplotlib import pyplot as plt

EXAMPLE = Path(__file__).parents[1] / 'bids_example'
SOURCE, OTHER = 'sub-07', 'sub-05'
PARTS = ('part-mag_T2starw', 'part-phase_T2starw')
CYCLE = 4096
"""Steps of the stored phase in a cycle."""
SHOWN = {
    'problems': 'problems', 'sign_correlation': 'sign', 'smooth_ratio': 'smooth over fine',
    'nmi': 'match of the scans', 'brain_in_view': 'brain in view', 'mask_kept': 'mask kept',
    'chi_sd': 'spread (ppb)', 'chi_asymmetry_ppb': 'sides differ (ppb)',
    'iron_contrast_ppb': 'pallidum less thalamus (ppb)',
}  # fmt: skip
"""Entries of the quality file that the table shows, and their headings."""


def inverted(signal: np.ndarray) -> np.ndarray:
    """The phase with the other sign."""
    return signal.conj()


def filtered(signal: np.ndarray) -> np.ndarray:
    """The phase less its slow part, slice by slice, as susceptibility-weighted images store it."""
    parts = (ndimage.gaussian_filter(f(signal), (5, 5, 0)) for f in (np.real, np.imag))
    real, imaginary = parts
    return signal * np.exp(-1j * np.arctan2(imaginary, real))


def moved(signal: np.ndarray) -> np.ndarray:
    """A head that nods by up to 4 mm between blocks of phase-encoding lines."""
    lines = np.fft.fftfreq(signal.shape[1])
    shifts = np.repeat(np.random.default_rng(0).normal(0, 1.3, 18), 8)[: lines.size]
    turn = np.exp(2j * np.pi * lines * np.fft.ifftshift(shifts))
    return np.fft.ifft(np.fft.fft(signal, axis=1) * turn[:, None], axis=1)


def void(signal: np.ndarray) -> np.ndarray:
    """No signal within 20 mm of the left putamen, as metal leaves it."""
    centre, size = (42, 86, 22), (1.5, 1.5, 2.0)
    places = np.indices(signal.shape).transpose(1, 2, 3, 0)
    away = np.linalg.norm((places - centre) * size, axis=-1)
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1.0, (*signal.shape, 2)) @ (1, 1j)
    return np.where(away < 20, noise, signal)


SIGNALS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    'good': lambda signal: signal, 'inverted': inverted, 'filtered': filtered, 'moved': moved,
    'void': void, 'cut': lambda signal: signal, 'stranger': lambda signal: signal,
}  # fmt: skip
"""What is done to the complex signal of each scan; `cut` lacks slices, `stranger` has the T1w
image of somebody else."""


def write_scan(root: Path, label: str) -> None:
    """One scan as a participant of the data set."""
    start, new = EXAMPLE / SOURCE / 'anat', root / f'sub-{label}' / 'anat'
    new.mkdir(parents=True)
    images: list[Any] = [nib.load(start / f'{SOURCE}_{part}.nii.gz') for part in PARTS]
    size, steps = (np.asanyarray(image.dataobj).astype(float) for image in images)
    signal = SIGNALS[label](size * np.exp(2j * np.pi * steps / CYCLE))
    angle = np.round(np.angle(signal) / (2 * np.pi) * CYCLE) % CYCLE
    for part, image, data in zip(PARTS, images, (abs(signal), angle), strict=True):
        out = nib.Nifti1Image(data.astype(np.int16), image.affine)
        whole = out.slicer[:, :, 20:] if label == 'cut' else out
        nib.save(whole, new / f'sub-{label}_{part}.nii.gz')
        shutil.copy(start / f'{SOURCE}_{part}.json', new / f'sub-{label}_{part}.json')
    owner = OTHER if label == 'stranger' else SOURCE
    t1w = EXAMPLE / owner / 'anat' / f'{owner}_T1w.nii.gz'
    shutil.copy(t1w, new / f'sub-{label}_T1w.nii.gz')


def write_study(root: Path) -> None:
    """All scans as a data set."""
    for label in SIGNALS:
        write_scan(root, label)
    save_json({'Name': 'scans, whole and broken', 'BIDSVersion': '1.10.0'},
              root / 'dataset_description.json')  # fmt: skip


def planes(labels: np.ndarray, names: pd.DataFrame) -> list[int]:
    """Slices through the middle of the putamen and of the substantia nigra; known where cut."""
    found = []
    for region, usual in (('putamen', 24), ('substantia_nigra', 13)):
        named = names['index'][(names.region == region) | (names.whole == region)]
        inside = np.isin(labels, named).any((0, 1)).nonzero()[0]
        found.append(int(np.median(inside)) if inside.size else usual)
    return [min(z, labels.shape[2] - 1) for z in found]


def draw(folder: Path, label: str, path: Path) -> None:
    """The map without and with outlines, at the basal ganglia and at the midbrain."""
    stem = folder / f'sub-{label}' / 'anat' / f'sub-{label}'
    chimap, labels = (
        np.asanyarray(nib.load(f'{stem}_{end}.nii.gz').dataobj)
        for end in ('Chimap', 'seg-dgm_dseg')
    )
    high, low = planes(labels, pd.read_csv(f'{stem}_seg-dgm_dseg.tsv', sep='\t'))
    figure, axes = plt.subplots(1, 3, figsize=(7.2, 3.1))
    for axis, z, outlined in zip(axes, (high, high, low), (False, True, True), strict=True):
        axis.imshow(chimap[..., z].T, cmap='gray', vmin=-0.1, vmax=0.2, origin='lower')
        if outlined:
            for value in np.unique(labels[..., z])[1:]:
                inside = value == labels[..., z].T
                axis.contour(inside, [0.5], colors='#f5b700', linewidths=0.7)
        axis.axis('off')
    figure.tight_layout(pad=0.2)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80, facecolor='black')
    plt.close(figure)


def quality_row(folder: Path, label: str) -> dict[str, str]:
    """What the quality file of a run says."""
    found = read_json(folder / f'sub-{label}' / 'anat' / f'sub-{label}_quality.json')
    row = {'scan': label}
    for name, heading in SHOWN.items():
        value = found[name]
        if isinstance(value, list):
            row[heading] = ', '.join(f'`{entry}`' for entry in value) or 'none'
        else:
            row[heading] = 'n/a' if value is None else f'{value:.3g}'
    return row


def main(arguments: Sequence[str] | None = None) -> None:
    """Write, process and draw the scans."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('folder', type=Path, help='new folder of the scans and their results')
    parser.add_argument('--out', type=Path, default=Path('docs'), help='folder to write below')
    parser.add_argument('--nprocs', default='2', help='as of the command')
    given = parser.parse_args(arguments)
    study, results = given.folder / 'bids', given.folder / 'out'
    if not study.exists():
        write_study(study)
    status = nigra([str(study), str(results), 'participant', '--phase-sign', 'keep',
                    '--skip-bids-validation', '--nprocs', given.nprocs])  # fmt: skip
    if status:
        raise SystemExit('not every scan was processed')
    for label in SIGNALS:
        draw(results, label, given.out / 'pictures' / 'scans' / f'{label}.png')
    table = pd.DataFrame([quality_row(results, label) for label in SIGNALS])
    lines = [' | '.join(cells) for cells in (table.columns, *table.to_numpy())]
    lines.insert(1, ' | '.join(['---'] * table.shape[1]))
    made = f'\nMade by nigra {__version__}, `benchmarks/gallery.py`.\n'
    path = given.out / 'tables' / 'scans.md'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(''.join(f'| {line} |\n' for line in lines) + made, 'utf-8')
    print(path.read_text('utf-8'))


if __name__ == '__main__':
    main()
