"""Volumes to NIfTI by dcm2niix, one volume a call, and nothing in them that names a person."""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...nodes.errors import InputError, how_to_install
from ...nodes.grid import GAMMA_BAR_MHZ_PER_T
from ..files import atomic_path
from ..headers import read_header
from .series import Header, Series, Volume, words
from .split import read_pixels, split_frames, write_plain

_TEXT_FIELDS = ('descrip', 'aux_file', 'db_name', 'intent_name')
"""Fields of NIfTI headers in which converters leave times and comments."""
_FREE_TEXTS = ('SeriesDescription', 'ProtocolName')
"""Entries of sidecars that people type."""
_LEAST_TOKEN = 3
"""Letters from which a part of a name is looked for in descriptions; of signs for syllables 2."""
_FIRST_SIGN = '\u2e80'
"""Where Unicode's letters end, and signs that stand for syllables and words begin."""


def find_converter() -> Path:
    """The program dcm2niix: of this Python's own folder, else of the search path.

    Raises
    ------
    InputError
        It, or pydicom, is not installed.
    """
    own = str(Path(sys.executable).parent)
    found = shutil.which('dcm2niix', path=os.pathsep.join([own, os.environ.get('PATH', '')]))
    absent = [name for name, there in (
        ('dcm2niix', found), ('pydicom', importlib.util.find_spec('pydicom'))
    ) if not there]  # fmt: skip
    if absent or found is None:
        raise InputError(
            'nigra-bidsify',
            f'needs {" and ".join(absent)}, which is not installed',
            how_to_install(*absent),
        )
    return Path(found)


def convert(
    converter: Path, series: Series, volume: Volume, part: str, scratch: Path
) -> tuple[Path, dict[str, Any]]:
    """Uncompressed NIfTI file of a volume and its sidecar, as dcm2niix writes them.

    Parameters
    ----------
    converter
        The program.
    series, volume, part
        What to convert; `part` may be said by hand.
    scratch
        Folder for the files.

    Raises
    ------
    InputError
        dcm2niix makes no such image of it.
    """
    folder = Path(tempfile.mkdtemp(dir=scratch))
    inputs, outputs = folder / 'in', folder / 'out'
    inputs.mkdir()
    outputs.mkdir()
    _gather_inputs(volume, inputs, plain=series.header.foreign)
    command = [str(converter), '-b', 'y', '-ba', 'n', '-z', 'n', '-m', 'n', '-i', 'n', '-x', 'n',
               '-g', 'i', '-f', 'image', '-o', str(outputs), str(inputs)]  # fmt: skip
    # it prints texts of headers as they are, in whatever letters
    done = subprocess.run(command, capture_output=True, text=True, errors='replace', check=False)
    found = [path for path in sorted(outputs.glob('*.nii')) if path.with_suffix('.json').is_file()]
    if len(found) != 1 or '_Eq' in found[0].name:
        for source in volume.sources:  # one may be cut short, or compressed as nobody reads it
            read_pixels(source)
        last = (done.stdout + done.stderr).strip().splitlines()[-1:]
        raise InputError(
            f'series {series.header.number} ({series.header.description})',
            f'dcm2niix makes {len(found)} images of its {part} at {volume.echo_time:g} ms '
            f'({" ".join(last)})',
            'look at the series, or leave it out with --map',
        )
    _check_shape(found[0], series, volume)
    return found[0], _read_sidecar(found[0].with_suffix('.json'), series)


def _read_sidecar(path: Path, series: Series) -> dict[str, Any]:
    """What dcm2niix writes of an image; control characters of headers stand there as they are."""
    try:
        text = path.read_text(encoding='utf-8', errors='replace')
        content: dict[str, Any] = json.loads(text, strict=False)
    except ValueError as error:
        raise InputError(
            f'series {series.header.number} ({series.header.description})',
            f'has a sidecar by dcm2niix that is no JSON ({error})',
            'look at the texts of its headers, or leave it out with --map',
        ) from error
    return content


def _gather_inputs(volume: Volume, folder: Path, *, plain: bool = False) -> None:
    """The files of a volume and nothing else: links, plain copies, or frames of shared files."""
    first = 1
    for source, frames in volume.sources.items():
        path = folder / f'{first:06d}.dcm'
        if volume.alone and plain:
            write_plain(source, path)
        elif volume.alone:
            path.symlink_to(source.resolve())
        else:
            split_frames(source, frames, folder, first)
        first += len(frames)


def _check_shape(path: Path, series: Series, volume: Volume) -> None:
    shape = read_header(path).shape
    wanted = sorted([*series.geometry[:2], volume.slices])
    if len(shape) != 3 or sorted(shape) != wanted:
        raise InputError(
            f'series {series.header.number} ({series.header.description})',
            f'was converted to shape {shape} where {volume.slices} slices of '
            f'{series.geometry[0]} x {series.geometry[1]} are needed',
            'look at the series, or leave it out with --map',
        )


def save_anonymous(source: Path, path: Path) -> Path:
    """Compress an image to its final name, voxels as they are, without texts in its header."""
    import nibabel as nib

    content = source.read_bytes()
    with source.open('rb') as stream:
        header = nib.Nifti1Header.from_fileobj(stream, check=False)
    for name in _TEXT_FIELDS:
        header[name] = b''
    block = header.binaryblock
    with atomic_path(path) as temporary:
        temporary.write_bytes(gzip.compress(block + content[len(block) :], 6, mtime=0))
    return path


def clean_sidecar(
    metadata: Mapping[str, Any], header: Header, *, private: bool = False
) -> dict[str, Any]:
    """Sidecar with what describes the measurement, and nothing that tells of whom or when.

    Parameters
    ----------
    metadata
        As dcm2niix writes them.
    header
        Of the series, whose texts go before dcm2niix's, which garbles UTF-8; those that hold a
        part of the person's name or ID are left out.
    private
        Keep everything.
    """
    own = zip(_FREE_TEXTS, (header.description, header.protocol), strict=True)
    kept = {**metadata, **{k: text for k, text in own if text and k in metadata}}
    if not private:
        known = words()['sidecar']
        told = {k for k in _FREE_TEXTS if _tells(kept.get(k), header)}
        kept = {k: v for k, v in kept.items() if k in known and k not in told}
    frequency = kept.get('ImagingFrequency')
    if 'MagneticFieldStrength' not in kept and header.b0:
        kept['MagneticFieldStrength'] = header.b0
    elif 'MagneticFieldStrength' not in kept and isinstance(frequency, int | float):
        kept['MagneticFieldStrength'] = round(frequency / GAMMA_BAR_MHZ_PER_T, 1)
    return kept


def _tells(value: Any, header: Header) -> bool:
    """Whether a text holds a part of the person's name, or their ID."""
    known = [*re.split(r'[\W_]+', header.patient_name), header.patient_id]
    tokens = {t.casefold() for t in known if len(t) >= _LEAST_TOKEN - (t[:1] >= _FIRST_SIGN)}
    texts = value if isinstance(value, list) else [value]
    return any(t in text.casefold() for text in texts if isinstance(text, str) for t in tokens)
