"""Names of results; type, unit and sidecar of the participant level's (`data/io_spec.json`)."""

from __future__ import annotations

import functools
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from .files import data_text


@dataclass(frozen=True)
class Output:
    """One result of a visit or of a gradient-echo run.

    Attributes
    ----------
    name
        What follows the entities of the T1w image or of the run.
    dtype
        Type on disk, of images.
    copied
        Whether a finished file is copied under this name; what is neither an image nor copied is
        written there by its own step.
    referenced
        Whether its values are relative to the reference region.
    in_hz
        Field maps are stored in Hz, as BIDS says; nigra works in ppm.
    needs
        What it is made of beyond one echo: `echoes` (several), `separation`, `background` (a
        step of its own).
    parameters
        Input of the sinks that brings the settings of the steps; None for none.
    metadata
        Sidecar entries that are the same for everybody.
    """

    name: str
    dtype: str | None = None
    copied: bool = False
    referenced: bool = False
    in_hz: bool = False
    needs: tuple[str, ...] = ()
    parameters: str | None = 'parameters'
    metadata: Mapping[str, Any] = field(default_factory=dict)


T_STATISTIC, P_STATISTIC = 't', 'pfwe'
"""Maps of a voxel-wise test: Student's t, and its family-wise p."""


def stat_map(statistic: str) -> str:
    """How the name of a map of the voxel-wise comparison ends, but for its suffix.

    Examples
    --------
    >>> stat_map(T_STATISTIC)
    '_stat-t_statmap'
    """
    return f'_stat-{statistic}_statmap'


def atlas_of(path: str | Path) -> str:
    """Name of the atlas that a result of labels is of, from its entity `seg`.

    Examples
    --------
    >>> atlas_of('sub-01_run-2_seg-dgm_dseg.tsv')
    'dgm'
    """
    return Path(path).name.split('_seg-')[-1].split('_')[0]


@functools.cache
def io_spec() -> dict[str, Any]:
    """Input queries and output names, from `data/io_spec.json`."""
    return json.loads(data_text('io_spec.json'))


@functools.cache
def outputs(level: str) -> Mapping[str, Output]:
    """Results by field.

    Parameters
    ----------
    level
        `anat` for those of a T1w image, `scan` for those of a gradient-echo run.

    Examples
    --------
    >>> outputs('scan')['chimap'].name
    '_Chimap.nii.gz'
    """
    entries = io_spec()['outputs'][level]
    return MappingProxyType(
        {name: Output(**{**e, 'needs': tuple(e.get('needs', ()))}) for name, e in entries.items()}
    )


def images(level: str, there: Collection[str] | None = None) -> dict[str, Output]:
    """Those that are images; with `there`, those whose `needs` it meets."""
    return {
        name: output
        for name, output in outputs(level).items()
        if output.dtype and (there is None or set(output.needs) <= set(there))
    }


def output_name(field: str) -> str:
    """What follows the entities in the name of a result of either level.

    Examples
    --------
    >>> output_name('brain_mask')
    '_desc-brain_mask.nii.gz'
    """
    return {**outputs('anat'), **outputs('scan')}[field].name


def output_path(field: str, folder: Path, prefix: str) -> str:
    """Final path of a result whose name begins with `prefix`."""
    return str(folder / f'{prefix}{output_name(field)}')
