"""What tells a broken phase from a good one, on everything that is at hand: the evidence.

    python benchmarks/phase_checks.py [NAME ...] [--example FOLDER] [--converted FOLDER ...]

For each phantom of `phantoms.py`, each participant of the example and each folder of images that
dcm2niix has converted (magnitude `*_eN.nii.gz` beside phase `*_eN_ph.nii.gz`, with their JSON
files), one row: the correlation that tells the sign, the ratio that tells filters, the step
between slices, strays, and the part of k-space that was measured. Then the same numbers after the
phase was broken: inverted, homodyne-filtered, alternate slices turned, every slice shifted, strays
written, the matrix interpolated. `!` marks what nigra would repair or warn of.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import phantoms
from scipy import ndimage

from nigra.nodes.field.echoes import combine_magnitude
from nigra.nodes.field.filtered import is_filtered, smooth_ratio
from nigra.nodes.field.masks import signal_mask, trusted_mask
from nigra.nodes.field.phase import to_radians
from nigra.nodes.field.sign import SignVerdict, judge_sign, sign_evidence
from nigra.nodes.field.slice_steps import find_slice_steps, remove_slice_steps
from nigra.nodes.field.totalfield import romeo_field
from nigra.nodes.field.wraps import wrap
from nigra.nodes.field.zero_filling import measured_part
from nigra.nodes.grid import Grid

EXAMPLE = Path(__file__).parents[1] / 'bids_example'
FILTER_LINES = 32
"""Lines of the homodyne filter, of both axes in the plane."""
Data = dict[str, Any]


def read_images(magnitude: list[Path], phase: list[Path], mask: Path | None = None) -> Data:
    """A scan as `phantoms.load` gives it, from files and the JSON files beside them."""
    sidecars = [json.loads(Path(str(p).replace('.nii.gz', '.json')).read_text()) for p in phase]
    order = np.argsort([s['EchoTime'] for s in sidecars])
    first = nib.load(phase[0])
    parts = [
        np.stack([nib.load(part[i]).get_fdata(dtype=np.float32) for i in order], axis=-1)
        for part in (magnitude, phase)
    ]
    bright = parts[0][..., 0]
    angle, _ = to_radians(parts[1], units=sidecars[0].get('Units'), signal=signal_mask(bright))
    return {
        'magnitude': parts[0], 'phase': angle,
        'mask': nib.load(mask).get_fdata() > 0 if mask else inner_head(bright, first.affine),
        'grid': Grid.from_affine(first.shape, first.affine),
        'echo_times': [sidecars[i]['EchoTime'] for i in order],
        'b0': sidecars[0]['MagneticFieldStrength'],
    }  # fmt: skip


def inner_head(magnitude: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Stands for the brain where there is no mask: the largest part with signal, less 15 mm."""
    head = ndimage.binary_opening(signal_mask(magnitude), iterations=2)
    parts, _ = ndimage.label(head)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    whole = ndimage.binary_fill_holes(parts == sizes.argmax())
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    inner = ndimage.distance_transform_edt(whole, sampling=spacing) > 15
    return inner if inner.any() else whole


def scans(arguments: argparse.Namespace) -> Iterator[tuple[str, Data]]:
    """Everything at hand, by name."""
    for name in arguments.names:
        yield name, phantoms.load(name, arguments.cache)
    for anat in sorted(arguments.example.glob('sub-*/anat')):
        who = anat.parent.name
        truth = arguments.example / 'derivatives' / 'truth' / who / 'anat'
        phase = sorted(anat.glob('*_part-phase_*.nii.gz'))
        magnitude = [Path(str(p).replace('part-phase', 'part-mag')) for p in phase]
        mask = next(iter(truth.glob('*space-GRE*brain_mask.nii.gz')), None)
        yield who, read_images(magnitude, phase, mask)
    for folder in arguments.converted:
        phase = sorted(folder.glob('*_ph.nii.gz'))
        numbers = [p.name.rpartition('_e')[2].removesuffix('_ph.nii.gz') for p in phase]
        others = [p for p in folder.glob('*_e*.nii.gz') if p not in phase]
        magnitude = [
            next(p for p in sorted(others, reverse=True) if p.name.endswith(f'_e{n}.nii.gz'))
            for n in numbers
        ]
        yield folder.name, read_images(magnitude, phase)


def homodyne(scan: Data) -> np.ndarray:
    """Phase divided by that of its own low frequencies, slice by slice."""
    image = scan['magnitude'] * np.exp(1j * scan['phase'])
    windows = []
    for count in image.shape[:2]:
        line = np.abs(np.fft.fftfreq(count, 1 / count)) / (FILTER_LINES / 2)
        windows.append(np.where(line < 1, 0.5 + 0.5 * np.cos(np.pi * line), 0))
    window = np.multiply.outer(*windows)[:, :, None, None]
    low = np.fft.ifft2(np.fft.fft2(image, axes=(0, 1)) * window, axes=(0, 1))
    return np.angle(image * low.conj()).astype(np.float32)


def offset(scan: Data, values: Callable[[int], np.ndarray]) -> np.ndarray:
    """Phase with an offset in each slice."""
    steps = values(scan['phase'].shape[2]).astype(np.float32)
    return wrap(scan['phase'] + steps[:, None])


def interpolated(scan: Data) -> Data:
    """The scan with the outer fifth of k-space along the first axis left empty."""
    image = np.fft.fft(scan['magnitude'] * np.exp(1j * scan['phase']), axis=0)
    image[np.abs(np.fft.fftfreq(image.shape[0])) > 0.4] = 0
    image = np.fft.ifft(image, axis=0)
    return scan | {'magnitude': np.abs(image), 'phase': np.angle(image).astype(np.float32)}


def broken(scan: Data) -> Iterator[tuple[str, Data]]:
    """The scan with one thing wrong, by what it is."""
    rng = np.random.default_rng(0)
    yield 'inverted', scan | {'phase': -scan['phase']}
    yield 'filtered', scan | {'phase': homodyne(scan)}
    yield 'pi', scan | {'phase': offset(scan, lambda n: np.pi * (np.arange(n) % 2))}
    yield 'alternate .5', scan | {'phase': offset(scan, lambda n: 0.5 * (np.arange(n) % 2))}
    yield 'random .3', scan | {'phase': offset(scan, lambda n: rng.normal(0, 0.3, n))}
    stored = np.rint(scan['phase'] / np.pi * 2048).clip(-2048, 2047) + 2048
    inside = np.argwhere(scan['mask'])
    stored[tuple(inside[len(inside) // 2])] = 8191
    angle, scale = to_radians(stored, signal=signal_mask(scan['magnitude'][..., 0]))
    yield 'strays', scan | {'phase': angle, 'strays': scale.strays}
    yield 'interpolated', interpolated(scan)


def measure(scan: Data) -> dict[str, str]:
    """The numbers of a scan, marked where nigra would act or warn."""
    begin = time.perf_counter()
    signal = signal_mask(scan['magnitude'][..., 0])
    steps = find_slice_steps(scan['phase'], scan['magnitude'], signal)
    phase = scan['phase']
    if steps.are_there():
        phase = remove_slice_steps(phase, scan['magnitude'], signal, steps)
    first = np.nan_to_num(scan['phase'][..., 0])
    part = measured_part(scan['magnitude'][..., 0] * np.exp(1j * first))
    seconds = time.perf_counter() - begin
    times = {'echo_times': scan['echo_times']}
    mask = trusted_mask(phase, scan['magnitude'], scan['mask'], **times)
    field, *_ = romeo_field(phase, scan['magnitude'], mask, scan['grid'], **times, b0=scan['b0'])
    begin = time.perf_counter()
    r = sign_evidence(field, combine_magnitude(scan['magnitude']), mask, scan['grid'])
    ratio = smooth_ratio(field, mask, scan['grid'])
    seconds += time.perf_counter() - begin
    filtered = is_filtered(ratio)
    inverted = judge_sign(r) is SignVerdict.INVERTED and not filtered
    return {
        'sign': f'{r:+.2f}{_mark(inverted)}',
        'smooth': f'{ratio:.1f}{_mark(filtered)}',
        'step': f'{steps.step:.3f}/{steps.single:.2f}{_mark(steps.are_there())}',
        'turned': f'{steps.turned}',
        'strays': f'{scan.get("strays", 0)}{_mark(bool(scan.get("strays")))}',
        'measured': f'{min(part):.2f}{_mark(min(part) < 1)}',
        'seconds': f'{seconds:.2f}',
    }


def _mark(wrong: bool) -> str:
    return ' !' if wrong else ''


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('names', nargs='*', default=list(phantoms.RECIPES))
    parser.add_argument('--cache', type=Path, default=phantoms.CACHE)
    parser.add_argument('--example', type=Path, default=EXAMPLE)
    parser.add_argument('--converted', type=Path, nargs='*', default=[])
    parser.add_argument('--good-only', action='store_true', help='do not break anything')
    arguments = parser.parse_args()
    titles = ('scan', 'state', 'sign', 'smooth', 'step', 'turned', 'strays', 'measured', 'seconds')
    print('| ' + ' | '.join(titles) + ' |\n' + '|---' * len(titles) + '|')
    for name, scan in scans(arguments):
        states = [('as it is', scan), *(() if arguments.good_only else broken(scan))]
        for state, data in states:
            print(f'| {name} | {state} | ' + ' | '.join(measure(data).values()) + ' |', flush=True)


if __name__ == '__main__':
    main()
