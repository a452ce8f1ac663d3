"""What a stage reads from a folder: images named by the contract, or as scanners give them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..nodes.errors import InputError, NigraError
from ..nodes.field.masks import finite_mask
from ..nodes.fields import is_number
from ..nodes.grid import STRONGEST_T, Grid
from ..nodes.methods import Method
from ..nodes.stages import Arrays, Scan, choose, scan_values
from .files import read_json_object, sidecar_of
from .headers import check_same_grid, load_data, load_image
from .metadata import read_sidecar
from .stage_scans import find_mask, find_scan, load_scan

READS: dict[str, tuple[str, ...]] = {
    'field-mapping': ('phase', 'magnitude', 'mask'),
    'bfr': ('totalfield', 'mask'),
    'dipole': ('localfield', 'mask'),
    'bfr+dipole': ('totalfield', 'mask'),
    'end-to-end': ('phase', 'magnitude', 'mask'),
    'relaxometry': ('magnitude', 'mask'),
    'chi-separation': ('chimap', 'r2star', 'mask'),
}
OPTIONAL: dict[str, tuple[str, ...]] = {
    'bfr': ('noise',),
    'dipole': ('magnitude', 'noise'),
    'bfr+dipole': ('magnitude', 'noise'),
}
"""What is used where it is there; `noise` is what the total field's stage leaves beside it."""
SIZE_TOLERANCE = 0.01
"""The voxel size in params.json may differ from that of the images by this fraction."""
MOST_WRAPS = 100
"""Phase beyond this many wraps cannot be radians."""
MOST_BELOW = 0.25
"""Part of a magnitude in the mask that may lie below zero; of a phase it is half. Around a brain
that was cut out before interpolation it is half of a magnitude, too."""
WIDEST_PPM = 3.0
"""Median distance of a field from its median, ppm, beyond which it is of another unit: that of a
brain is some .2 ppm, which is 20 Hz and more."""
RECORDED = 'params'
"""Entry of the record beside a result that holds what params.json would."""
_PARAMS = 'params.json'
_KEYS = {'echo_times': 'TE', 'b0': 'B0'}
"""What methods take of a scan beside its geometry, by its name in params.json."""
_UNITS = {'TE': 'seconds', 'B0': 'tesla'}


@dataclass(frozen=True)
class StageInput:
    """What a stage starts from.

    Attributes
    ----------
    data
        Arrays by their names in the contract, `mask` among them.
    scan
        Geometry, echo times and field strength.
    affine
        Voxel-to-world matrix, mm.
    files
        Names of the images.
    metadata
        Sidecar of the phase; empty where the contract's names were read.
    stored
        How the phase was stored and what was repaired; empty where it came in radians.
    warnings
        Sentences.
    """

    data: Arrays
    scan: Scan
    affine: NDArray[Any]
    files: tuple[str, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    stored: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def as_stored(self) -> bool:
        """Whether the phase came as a scanner stores it, and so of a sign that is not certain."""
        return bool(self.stored)


def load_inputs(
    stage: str, folder: Path, *, chain: Sequence[Method] = (), mask: Path | None = None,
    scan: str | None = None,
) -> StageInput:  # fmt: skip
    """Images and parameters of a stage, checked against each other.

    Parameters
    ----------
    stage
        A key of `READS`.
    folder
        Holds images by the names of the contract, with `params.json` or JSON sidecars; or
        magnitude and phase of one gradient-echo run, as BIDS or dcm2niix name them.
    chain
        The methods that will run, which say whether echo times and field strength are needed;
        the stage's defaults where absent.
    mask
        File of the mask, where it is not in the folder.
    scan
        Name of the run, up to its echo and part, where the folder holds several.

    Raises
    ------
    InputError
        Something is missing, cannot be read or does not fit.
    """
    if not folder.is_dir():
        raise InputError(folder, 'is not a folder', 'give the folder that holds the images')
    named = any(_image_path(folder, name) for name in READS[stage] if name != 'mask')
    if 'magnitude' in READS[stage] and not named and not (folder / _PARAMS).exists():
        found = find_scan(folder, scan)
        if found is not None:
            return _from_scan(stage, found, mask or find_mask(folder, found))
    return _from_names(stage, folder, mask, chain or choose(stage))


def _from_scan(stage: str, run: Any, mask: Path) -> StageInput:
    """Magnitude and phase of a run, read as the participant level reads them."""
    read = load_scan(run)
    check_same_grid(run.phase[0], mask)
    inside = _shaped(mask, 'mask', load_data(mask), None)
    data = {'phase': read['phase'], 'magnitude': read['magnitude'], 'mask': inside}
    grid = Grid.from_affine(inside.shape, read['affine'])
    given = StageInput(
        _ready(stage, data, mask), Scan(grid, tuple(read['echo_times']), run.b0), read['affine'],
        tuple(path.name for path in (*run.phase, *run.magnitude, mask)), run.metadata,
        read['parameters'], (*run.warnings, *read['warnings']),
    )  # fmt: skip
    return given


def _from_names(
    stage: str, folder: Path, mask: Path | None, chain: Sequence[Method]
) -> StageInput:
    """Images by the names of the contract."""
    wanted = scan_values(chain)
    params = _read_params(folder, stage, wanted)
    echoes = len(params['TE']) if wanted.get('echo_times') else None
    data: Arrays = {}
    files: list[Path] = []
    names = READS[stage] + OPTIONAL.get(stage, ())
    for name in names:
        path = (mask if name == 'mask' else None) or _image_path(folder, name)
        if path is None:
            if name in OPTIONAL.get(stage, ()):
                continue
            raise InputError(folder / f'{name}.nii.gz', 'is missing', _reads(stage))
        files.append(path)
        check_same_grid(files[0], path)
        array = load_data(path, dtype=None if name == 'mask' else np.float32)
        data[name] = _shaped(path, name, array, echoes)
    affine = load_image(files[0]).affine
    grid = _grid(folder / _PARAMS, params, data['mask'].shape, affine)
    if 'phase' in data:
        there = data['mask'] & finite_mask(data['phase'])
        if there.any():
            _check_radians(files[0], data['phase'][there])
    for path, name in zip(files, data, strict=True):
        if name in ('totalfield', 'localfield'):
            _check_ppm(path, data[name][data['mask']])
        if name == 'magnitude':
            _check_sign(path, data[name][data['mask']])
    data = _ready(stage, data, mask or folder / 'mask.nii.gz')
    told, warnings = _both_or_neither(params, wanted)
    names = tuple(path.name for path in files)
    return StageInput(data, Scan(grid, *told), affine, names, warnings=warnings)


def _reads(stage: str) -> str:
    """What a stage needs and what it can use, in words."""
    able = OPTIONAL.get(stage)
    more = f' ({" and ".join(able)} if there)' if able else ''
    return f'stage {stage} reads {", ".join(READS[stage])}{more}, the mask also by --mask'


def told_params(scan: Scan) -> dict[str, Any]:
    """What params.json would hold of a scan, as a record tells it and the next stage reads it."""
    params: dict[str, Any] = {'TE': list(scan.echo_times)} if scan.echo_times else {}
    if np.isfinite(scan.b0):
        params['B0'] = scan.b0
    grid = scan.grid
    return params | {'B0_dir': list(grid.b0_dir), 'voxel_size': list(grid.voxel_size)}


def _ready(stage: str, data: Arrays, mask: Path) -> Arrays:
    """Images without broken voxels, which leave the mask.

    What is to be reconstructed from its phase keeps them, as NaN of the phase: the part of the
    mask that can be trusted is found with them, as the participant level finds it.
    """
    if not data['mask'].any():
        raise InputError(mask, 'is empty', 'give 1 in the brain, else 0')
    finite = finite_mask(*(array for name, array in data.items() if name != 'mask'))
    if not (data['mask'] & finite).any():
        raise InputError(
            mask, 'holds no voxel at which all images are finite', 'check the mask and the images'
        )
    if 'phase' in data:  # no phase, no magnitude; and none below zero, as interpolation leaves it
        data['magnitude'][~finite] = 0
        np.maximum(data['magnitude'], 0, out=data['magnitude'])
        data['phase'][~finite] = np.nan
    if stage == 'end-to-end':
        return data
    for name, array in data.items():
        if name != 'mask':
            np.nan_to_num(array, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    return {**data, 'mask': data['mask'] & finite}


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


def _check_sign(path: Path, magnitude: NDArray[Any]) -> None:
    """Refuse a phase in place of the magnitude; what a brain alone has around it says nothing."""
    below = np.mean(magnitude < 0) if magnitude.size else 0.0
    if below > MOST_BELOW:
        told = f'is below 0 in {100 * below:.0f} % of the voxels of the mask'
        raise InputError(path, told, 'give the magnitude, which is not')


def _check_ppm(path: Path, field: NDArray[Any]) -> None:
    """Refuse fields in Hz or rad/s: half of a brain is that far from its median in no magnet."""
    known = field[np.isfinite(field)].astype(np.float64)
    apart = float(np.median(np.abs(known - np.median(known)))) if known.size else 0.0
    if apart > WIDEST_PPM:
        raise InputError(
            path, f'spreads by {apart:.3g} about its median in the mask',
            'give the field in ppm of B0, which is Hz / (42.58 B0)',
        )  # fmt: skip


def _shaped(path: Path, name: str, array: NDArray[Any], echoes: int | None) -> NDArray[Any]:
    """Mask as booleans, fields in three axes, phase and magnitude in four."""
    if name == 'mask':
        if array.size != np.prod(array.shape[:3]):
            raise InputError(path, f'has shape {array.shape}', 'give a mask of three axes')
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
        if name == 'magnitude' and not (image > 0).any():
            raise InputError(path, 'has no value above 0', 'copy or convert it again')
        return image
    if image.ndim == 4 and image.shape[3] == 1:
        image = image[..., 0]
    if image.ndim != 3:
        raise InputError(path, f'has shape {array.shape}', 'give an image of three axes')
    return image


def _read_params(folder: Path, stage: str, wanted: Mapping[str, bool]) -> dict[str, Any]:
    """Echo times and field strength of params.json, or of the sidecars, with all that it holds.

    Only what `wanted` (see `scan_values`) needs has to be there: images tell their own geometry.
    """
    path = folder / _PARAMS
    if path.exists():
        content = read_json_object(path, 'write TE, B0, B0_dir and voxel_size there')
        return _checked(path, content, wanted)
    read = [_image_path(folder, name) for name in READS[stage]]
    beside = [sidecar_of(image) for image in read if image and sidecar_of(image).exists()]
    needed = [_KEYS[name] for name, must in wanted.items() if must]
    if needed and not beside:
        fix = f'write {" and ".join(needed)} there, or give JSON sidecars'
        raise InputError(path, 'is missing', fix)
    told: dict[str, Any] = {}
    for sidecar in reversed(beside):  # that of the first image counts
        told |= read_sidecar(sidecar)
    names = {'TE': ('EchoTimes', 'EchoTime'), 'B0': ('MagneticFieldStrength',)}
    own = told.get(RECORDED) if 'nigra_version' in told else None  # of the stage before
    params = dict(own) if isinstance(own, dict) else {}
    params |= {
        key: told[name] for key, choices in names.items() for name in choices if name in told
    }
    return _checked(beside[0] if beside else path, params, wanted)


def _checked(path: Path, params: Mapping[str, Any], wanted: Mapping[str, bool]) -> dict[str, Any]:
    """Parameters with `TE` and `B0` as numbers; without echoes and NaN where they are not told.

    What a method takes is refused where it is wrong, even if the method could do without it; what
    no method takes is as good as not told.
    """
    b0, times = params.get('B0'), params.get('TE')
    times = times if isinstance(times, list) else [] if times is None else [times]
    rising = all(is_number(t) and 0 < t <= 1 for t in times)
    rising = rising and all(a < b for a, b in itertools.pairwise(times))
    strength = is_number(b0) and 0 < b0 <= STRONGEST_T
    limits = f'give it in tesla, above 0 and up to {STRONGEST_T:g}'
    for name, told, right, problem, fix in (
        ('echo_times', bool(times), rising, f'TE {times}', 'give rising echo times in seconds'),
        ('b0', b0 is not None, strength, f'B0 {b0!r}', limits),
    ):
        key = _KEYS[name]
        if wanted.get(name) and not told:
            raise InputError(path, f'has no {key}', f'give {key} in {_UNITS[key]}')
        if name in wanted and told and not right:
            raise InputError(path, f'has {problem}', fix)
    return {
        **params,
        'TE': tuple(float(t) for t in times) if rising else (),
        'B0': float(b0) if is_number(b0) and strength else float('nan'),
    }


def _both_or_neither(
    params: Mapping[str, Any], wanted: Mapping[str, bool]
) -> tuple[tuple[tuple[float, ...], float], tuple[str, ...]]:
    """Echo times and field strength, of which one alone is no use unless it is needed itself.

    With a sentence where a method that can take them goes without.
    """
    times, b0 = params['TE'], params['B0']
    if not wanted.get('b0') and not times:
        b0 = float('nan')
    if not wanted.get('echo_times') and not np.isfinite(b0):
        times = ()
    missed = [_KEYS[n] for n, there in (('echo_times', times), ('b0', np.isfinite(b0)))
              if n in wanted and not there]  # fmt: skip
    told = f'The method went without {" and ".join(missed)}, which it uses where both are told.'
    return (times, b0), (told,) if missed else ()


def _grid(
    path: Path, params: Mapping[str, Any], shape: tuple[int, ...], affine: NDArray[Any]
) -> Grid:
    """Geometry of params.json; what it lacks comes from the affine."""
    default = Grid.from_affine(shape, affine)
    size = params.get('voxel_size', default.voxel_size)
    direction = params.get('B0_dir', default.b0_dir)
    try:
        grid = Grid(default.shape, tuple(size), tuple(direction))
    except (TypeError, ValueError, OverflowError) as error:
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
