"""One stage of the reconstruction over a folder of files, as benchmarks exchange them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..nodes.errors import InputError, NigraError
from ..nodes.field.masks import finite_mask, trusted_mask
from ..nodes.grid import Grid
from ..nodes.stages import (
    Arrays,
    Scan,
    by_step,
    check_values,
    choose,
    makes,
    parameters,
    read_settings,
    run_step,
)
from .files import save_image, save_json
from .headers import check_same_grid, load_data, load_image

READS: dict[str, tuple[str, ...]] = {
    'field-mapping': ('phase', 'magnitude', 'mask'),
    'bfr': ('totalfield', 'mask'),
    'dipole': ('localfield', 'mask'),
    'bfr+dipole': ('totalfield', 'mask'),
    'end-to-end': ('phase', 'magnitude', 'mask'),
    'relaxometry': ('magnitude', 'mask'),
    'chi-separation': ('chimap', 'r2star', 'mask'),
}
OPTIONAL: dict[str, tuple[str, ...]] = {'dipole': ('magnitude',), 'bfr+dipole': ('magnitude',)}
UNITS = {'relaxometry': '1/s'}
_BESIDE = ('mask', 'noise', 'curvature')
"""What a step makes beside its result: the mask is written where it has changed."""
SIZE_TOLERANCE = 0.01
"""The voxel size in params.json may differ from that of the images by this fraction."""
MOST_WRAPS = 100
"""Phase beyond this many wraps cannot be radians."""


def run_stage(
    stage: str,
    input_dir: str | Path,
    output_dir: str | Path,
    *,
    method: str | None = None,
    settings: Sequence[str] = (),
    nthreads: int = 1,
    version: str = '',
) -> list[Path]:
    """Run a stage on the files of a folder.

    Parameters
    ----------
    stage
        A key of `nodes.stages.STAGES`.
    input_dir
        Holds `params.json` and the images that the stage reads.
    output_dir
        Gets the stage's result, with a JSON file of the same name that says how it was made.
    method
        Name of the method; the stage's default where absent.
    settings
        Texts such as `name=value`, as `--set` takes them; the last of a name counts.
    nthreads
        Threads; the result does not depend on them.
    version
        Of nigra, for the record.

    Returns
    -------
    list
        Files written.

    Raises
    ------
    NigraError
        Input, method or setting is wrong, or both folders are one; nothing is written then.
    """
    chain = choose(stage, method)
    chosen = read_settings(by_step(chain), settings)
    for step in chain:
        check_values(step, chosen[step.step])
    source, target = _apart(Path(input_dir), Path(output_dir))
    data, scan, affine = _load(stage, source)
    given = data['mask']
    if stage == 'end-to-end':
        data['mask'] = trusted_mask(
            data['phase'], data['magnitude'], given, echo_times=scan.echo_times, nthreads=nthreads
        )
    for step in chain:
        data |= run_step(step, data, scan, settings=chosen[step.step], nthreads=nthreads)
    results = [name for name in makes(chain[-1].step) if name in data and name not in _BESIDE]
    written = [save_image(data[name], affine, target / f'{name}.nii.gz') for name in results]
    if stage != 'field-mapping' and not np.array_equal(data['mask'], given):
        written.append(save_image(data['mask'], affine, target / 'mask.nii.gz', dtype=np.uint8))
    record = {
        'stage': stage,
        'nigra_version': version,
        'inputs': [f'{image}.nii.gz' for image in READS[stage]],
        'steps': {m.step: parameters(m, chosen[m.step]) for m in chain},
        'units': UNITS.get(stage, 'ppm'),
        'voxels_in_mask': {'given': int(given.sum()), 'used': int(data['mask'].sum())},
    }
    return [*written, save_json(record, target / f'{results[0]}.json')]


def _apart(source: Path, target: Path) -> tuple[Path, Path]:
    """Both folders, which must not be one."""
    if source.resolve() == target.resolve():
        raise InputError(
            target, 'is the input folder, whose mask would be lost', 'give another output folder'
        )
    return source, target


def _load(stage: str, folder: Path) -> tuple[Arrays, Scan, NDArray[Any]]:
    """Images and parameters of a stage, checked against each other."""
    if not folder.is_dir():
        raise InputError(folder, 'is not a folder', 'give the folder that holds params.json')
    needs_echoes = 'phase' in READS[stage] or stage == 'relaxometry'
    params = _read_params(folder / 'params.json', needs_echoes)
    data: Arrays = {}
    first: Path | None = None
    wanted = READS[stage] + OPTIONAL.get(stage, ())
    for name in wanted:
        path = _image_path(folder, name)
        if path is None:
            if name in OPTIONAL.get(stage, ()):
                continue
            raise InputError(
                folder / f'{name}.nii.gz', 'is missing', f'stage {stage} reads {", ".join(wanted)}'
            )
        first = first or path
        check_same_grid(first, path)
        array = load_data(path)
        data[name] = _shaped(path, name, array, len(params['TE']) if needs_echoes else None)
    assert first is not None
    affine = load_image(first).affine
    grid = _grid(folder / 'params.json', params, data['mask'].shape, affine)
    images = [array for name, array in data.items() if name != 'mask']
    data['mask'] = data['mask'] & finite_mask(*images)
    if not data['mask'].any():
        raise InputError(folder / 'mask.nii.gz', 'holds no finite voxel', 'check the mask')
    if 'phase' in data:
        _check_radians(first, data['phase'][data['mask']])
    for name, array in data.items():
        if name != 'mask':
            np.nan_to_num(array, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    # a field strength without echo times would be half of what a phase model needs
    alone = stage == 'chi-separation' or params['TE']
    return data, Scan(grid, params['TE'], params['B0'] if alone else float('nan')), affine


def _image_path(folder: Path, name: str) -> Path | None:
    for suffix in ('.nii.gz', '.nii'):
        path = folder / f'{name}{suffix}'
        if path.is_file():
            return path
    return None


def _check_radians(path: Path, phase: NDArray[Any]) -> None:
    """Refuse phase in scanner units or degrees: whole numbers, or far too many wraps."""
    low, high = float(phase.min()), float(phase.max())
    reach = max(-low, high)
    whole = reach > 4 and np.array_equal(phase, np.rint(phase))  # beyond pi, rounded
    if whole or reach > MOST_WRAPS * 2 * np.pi:
        kind = 'whole numbers ' if whole else ''
        raise InputError(
            path, f'holds {kind}from {low:g} to {high:g}', 'give the phase in radians'
        )


def _shaped(path: Path, name: str, array: NDArray[Any], echoes: int | None) -> NDArray[Any]:
    """Mask as booleans, fields in three axes, phase and magnitude in four."""
    if name == 'mask':
        values = array.reshape(array.shape[:3])
        if not np.isin(np.unique(values), (0, 1)).all():
            raise InputError(path, 'holds values other than 0 and 1', 'give a binary mask')
        return values.astype(bool)
    image = array.astype(np.float32)
    if name in ('phase', 'magnitude'):
        image = image[..., None] if image.ndim == 3 else image
        if image.ndim != 4 or (echoes is not None and image.shape[3] != echoes):
            raise InputError(
                path, f'has shape {array.shape} for {echoes} echo times', 'make TE fit the echoes'
            )
        return image
    if image.ndim == 4 and image.shape[3] == 1:
        image = image[..., 0]
    if image.ndim != 3:
        raise InputError(path, f'has shape {array.shape}', 'give an image of three axes')
    return image


def _read_params(path: Path, needs_echoes: bool) -> dict[str, Any]:
    try:
        params = json.loads(path.read_text(encoding='utf-8'))
    except OSError as error:
        raise InputError(
            path, 'is missing', 'write TE, B0, B0_dir and voxel_size there'
        ) from error
    except ValueError as error:
        raise InputError(path, f'is not valid JSON ({error})', 'correct it') from error
    if not isinstance(params, dict):
        raise InputError(path, 'is not a JSON object', 'write TE, B0, B0_dir and voxel_size there')
    times, b0 = params.get('TE', []), params.get('B0')
    times = times if isinstance(times, list) else [times]
    numbers = [*times, b0] if needs_echoes else []
    if needs_echoes and (not times or b0 is None):
        missing = 'B0' if times else 'TE'
        raise InputError(path, f'has no {missing}', 'give TE in seconds and B0 in tesla')
    if not all(isinstance(v, int | float) and np.isfinite(v) and v > 0 for v in numbers):
        raise InputError(path, f'has TE {times} and B0 {b0}', 'give positive numbers')
    if needs_echoes and (max(times) > 1 or any(np.diff(times) <= 0)):
        raise InputError(path, f'has TE {times}', 'give rising echo times in seconds')
    known = isinstance(b0, int | float) and not isinstance(b0, bool)
    usable = all(isinstance(t, int | float) and 0 < t <= 1 for t in times)
    usable &= all(a < b for a, b in itertools.pairwise(times)) if usable else False
    return {
        **params,
        'TE': tuple(float(t) for t in times) if usable else (),
        'B0': float(b0) if known else float('nan'),  # type: ignore[arg-type]
    }


def _grid(
    path: Path, params: Mapping[str, Any], shape: tuple[int, ...], affine: NDArray[Any]
) -> Grid:
    """Geometry of params.json; what it lacks comes from the affine."""
    default = Grid.from_affine(shape, affine)
    size = params.get('voxel_size', default.voxel_size)
    direction = params.get('B0_dir', default.b0_dir)
    try:
        grid = Grid(default.shape, tuple(size), tuple(direction))
    except (TypeError, ValueError) as error:
        message = str(error) if isinstance(error, NigraError) else f'{size}, {direction}'
        raise InputError(
            path,
            f'has a wrong geometry ({message})',
            'give voxel_size in mm and B0_dir as 3 numbers',
        ) from error
    if not np.allclose(grid.voxel_size, default.voxel_size, rtol=SIZE_TOLERANCE, atol=0):
        sizes = (' x '.join(f'{v:.4g}' for v in g.voxel_size) for g in (grid, default))
        raise InputError(
            path,
            'has voxel_size {} mm but the images have {} mm'.format(*sizes),
            'correct the one that is wrong',
        )
    return grid
