"""Scans of a visit under their BIDS names, with sidecars; nothing is written over."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...nodes.errors import InputError, NigraError
from ...nodes.field.masks import signal_mask
from ...nodes.field.phase import to_radians
from ..files import cannot_write, save_json, sidecar_of
from ..headers import load_data
from .convert import clean_sidecar, convert, save_anonymous
from .people import Visit
from .scans import Image, Scan

WITHOUT_T1W = 'nigra draws its labels on one, and leaves out who has none in any session'
"""What a missing T1w image means for what comes after."""


def write_visit(
    visit: Visit,
    scans: Sequence[Scan],
    bids_dir: Path,
    *,
    converter: Path,
    private: bool,
    scratch: Path,
    warnings: list[str],
    problems: list[str],
) -> list[Path]:
    """Convert and write all scans of a visit, or nothing; but a broken T1w image stays behind.

    Parameters
    ----------
    visit
        Named.
    scans
        Of the visit.
    bids_dir
        Root of the data set.
    converter
        dcm2niix.
    private
        Keep everything in sidecars.
    scratch
        Folder for files on the way.
    warnings
        Gets what to know.
    problems
        Gets a sentence for each T1w image that cannot be converted.

    Returns
    -------
    list of Path
        Images written; none where all are there already.

    Raises
    ------
    InputError
        The visit's folder holds other files, a gradient echo cannot be converted, or nothing can.
    """
    folder = bids_dir / visit.participant_id / visit.session_id / 'anat'
    names = {(n, i): image_name(visit, scan, image)
             for n, scan in enumerate(scans) for i, image in enumerate(scan.images)}  # fmt: skip
    if _is_there(folder, list(names.values())):
        warnings.append(f'{visit.prefix} is there already and was left as it is.')
        return []
    stage, lost = _stage(visit, scans, names, converter, private, scratch, warnings)
    try:  # all at once: a folder of half a visit would pass for a whole one
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = folder.with_name('.anat-unfinished')
        shutil.copytree(stage, unfinished, dirs_exist_ok=True)
        unfinished.rename(folder)
    except OSError as error:
        raise cannot_write(folder, error) from error
    left = [scan for n, scan in enumerate(scans) if n not in lost]
    problems += _tell_lost(visit, lost.values(), left, folder)
    return [folder / name for (n, _), name in names.items() if n not in lost]


def _tell_lost(
    visit: Visit, lost: Iterable[InputError], left: Sequence[Scan], folder: Path
) -> list[str]:
    """Sentences on T1w images that could not be converted, where the rest is written."""
    again = f'Once it is whole, move {folder} away and give the same command again.'
    if all(scan.suffix != 'T1w' for scan in left):
        again = f'The gradient echo is written without a T1w image: {WITHOUT_T1W}. {again}'
    return [f'{visit.prefix}: {error} {again}' for error in lost]


def _stage(
    visit: Visit,
    scans: Sequence[Scan],
    names: Mapping[tuple[int, int], str],
    converter: Path,
    private: bool,
    scratch: Path,
    warnings: list[str],
) -> tuple[Path, dict[int, InputError]]:
    """Folder with the images and sidecars of a visit under their final names, and what it lacks.

    Without its gradient echo a visit is of no use, without its T1w image it waits for another.
    """
    stage = Path(tempfile.mkdtemp(dir=scratch))
    lost: dict[int, InputError] = {}
    for n, scan in enumerate(scans):
        try:
            loaded = [convert(converter, i.series, i.volume, i.part, scratch) for i in scan.images]
        except InputError as error:
            if scan.suffix != 'T1w' or all(other.suffix == 'T1w' for other in scans):
                raise
            lost[n] = error
            continue
        units, told = _phase_units(scan, [path for path, _ in loaded])
        if told:
            warnings.append(f'{visit.prefix}: {told}')
        for i, (image, (path, metadata)) in enumerate(zip(scan.images, loaded, strict=True)):
            final = save_anonymous(path, stage / names[n, i])
            save_json(_sidecar(image, metadata, units, private), sidecar_of(final))
            shutil.rmtree(path.parent.parent)
    return stage, lost


def image_name(visit: Visit, scan: Scan, image: Image) -> str:
    """Name of an image as BIDS has it."""
    entities = [
        visit.prefix,
        f'acq-{scan.acquisition}' if scan.acquisition else '',
        'ce-agent' if scan.contrast else '',
        f'echo-{image.echo}' if image.echo else '',
        '' if scan.suffix == 'T1w' else f'part-{image.part}',
        scan.suffix,
    ]
    return '_'.join(filter(None, entities)) + '.nii.gz'


def _is_there(folder: Path, names: Sequence[str]) -> bool:
    """Whether all images are there; refuses a folder that holds others."""
    present = {p.name for p in folder.glob('*.nii*')} if folder.is_dir() else set()
    if present >= set(names):
        return True
    if folder.is_dir() and any(folder.iterdir()):
        lacking = sorted(set(names) - present)[0]
        raise InputError(
            folder,
            f'is there already, but without {lacking}, and nothing is written over',
            'move the folder away, or give another BIDS_DIR',
        )
    return False


def _phase_units(scan: Scan, paths: Sequence[Path]) -> tuple[str, str]:
    """`Units` of the phase images of a scan, and a warning where nigra could not read them.

    dcm2niix writes none. Philips phase comes in radians, others on scales of the scanner.
    """
    data = {
        (image.part, image.echo): load_data(path, dtype=np.float32)
        for image, path in zip(scan.images, paths, strict=True)
        if image.part in ('mag', 'phase') and scan.suffix != 'T1w'
    }
    first = next((key for key in data if key[0] == 'phase'), None)
    if first is None:
        return 'arbitrary', ''
    try:
        scale = to_radians(data[first], signal=signal_mask(data['mag', first[1]]))[1]
    except NigraError as error:
        return 'arbitrary', f'the phase of series {scan.number} is on no known scale ({error}).'
    told = scale.sentence if scale.is_doubtful else ''
    return 'rad' if scale.rule == 'radians' else 'arbitrary', told


def _sidecar(image: Image, metadata: dict[str, Any], units: str, private: bool) -> dict[str, Any]:
    content = clean_sidecar(metadata, image.series.header, private=private)
    content['EchoTime'] = round(image.volume.echo_time / 1000, 8)
    if image.part in ('phase', 'real', 'imag'):
        content['Units'] = units if image.part == 'phase' else 'arbitrary'
    return content
