"""What stands beside every result: units, reference, acquisition, methods, versions, sources."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..nodes.grid import Grid
from .anatomy.user_atlas import AtlasSource
from .bids import Visit
from .completion import marker_folder
from .headers import read_header
from .methods import Methods
from .names import outputs
from .protocol import protocol_of
from .scans import GreScan

_REFERENCES = {
    'brain': 'mean over the QSM mask (whole brain)',
    'csf': 'mean over the fluid of the lateral ventricles',
    'none': 'none: the mean over the image is undetermined',
}


def reference_text(reference: str) -> str:
    """What susceptibility is relative to, as sidecars and tables name it.

    Examples
    --------
    >>> reference_text('thalamus')
    'mean over the region thalamus, both sides'
    """
    return _REFERENCES.get(reference, f'mean over the region {reference}, both sides')


@dataclass(frozen=True)
class Plan:
    """What every visit of a run has in common.

    Attributes
    ----------
    bids_dir, output_dir
        Roots of the data set and of the derivatives.
    methods
        What decides the results.
    nthreads
        Of the registration and the kernels.
    version
        Of nigra.
    versions
        Of the libraries that compute.
    methods_html
        Methods text for the report, by number of echoes.
    study
        Of which data set, from `reports.provenance.describe_study`.
    """

    bids_dir: Path
    output_dir: Path
    methods: Methods
    nthreads: int
    version: str
    versions: Mapping[str, str] = field(default_factory=dict)
    methods_html: Mapping[int, str] = field(default_factory=dict)
    study: Mapping[str, Any] = field(default_factory=dict)


def anat_folder(output_dir: Path, participant_id: str, session_id: str | None) -> Path:
    """Where the results of a session lie."""
    return output_dir.joinpath(*filter(None, (participant_id, session_id)), 'anat')


def marker_path(output_dir: Path, visit: Visit) -> Path:
    """The file that says that a visit is complete."""
    return marker_folder(output_dir) / f'{visit.prefix}.json'


def scan_grid(scan: GreScan) -> Grid:
    """Geometry of a run, with the main field along the world's z axis."""
    header = read_header(scan.phase[0])
    return Grid.from_affine(header.shape, header.affine)


def scan_voxels(scan: GreScan) -> int:
    """Voxels of one image of a run."""
    return math.prod(scan_grid(scan).shape)


def scan_memory_gb(scan: GreScan, methods: Methods) -> float:
    """Memory that the largest step of a run may take, GB."""
    from .gre import LOADING

    voxels, echoes = scan_voxels(scan), len(scan.echo_times)
    steps = methods.steps()
    if echoes == 1:
        steps = {k: v for k, v in steps.items() if k not in ('relaxometry', 'separation')}
    return max(m.gb(voxels, echoes) for m in (LOADING, *(s.memory for s in steps.values())))


def scan_facts(scan: GreScan) -> dict[str, Any]:
    """What a reader of the report wants to know of the acquisition."""
    grid = scan_grid(scan)
    return {
        'MagneticFieldStrength': scan.b0,
        'EchoTimes': list(scan.echo_times),
        'VoxelSize': [round(v, 4) for v in grid.voxel_size],
        'B0Direction': [round(c, 5) for c in grid.b0_dir],
        'Shape': list(grid.shape),
    }


def sources(plan: Plan, files: Sequence[Path]) -> list[str]:
    """BIDS URIs of raw files."""
    return [f'bids:raw:{path.relative_to(plan.bids_dir).as_posix()}' for path in files]


def shared_metadata(plan: Plan, raw: Sequence[Path]) -> dict[str, Any]:
    """What stands in every sidecar: methods, threads, versions, raw files."""
    return {
        'Methods': plan.methods.record(),
        'Threads': plan.nthreads,
        'LibraryVersions': dict(plan.versions),
        'Sources': sources(plan, raw),
    }


def aligned_to(plan: Plan, raw: Path) -> dict[str, str]:
    """The raw image whose voxels a result's are."""
    return {'SpatialReference': sources(plan, [raw])[0]}


def label_columns() -> dict[str, Any]:
    """Columns of the table of labels, which shares its sidecar with the image."""
    return dict(outputs('scan')['dseg_tsv'].metadata)


def anat_metadata(visit: Visit, plan: Plan) -> dict[str, dict[str, Any]]:
    """Sidecars of the anatomical results, by field of `data/io_spec.json`."""
    shared = {**aligned_to(plan, visit.t1w), **shared_metadata(plan, [visit.t1w])}
    found = {field: {**output.metadata, **shared} for field, output in outputs('anat').items()}
    if visit.brain_mask:
        found['brain_mask']['Description'] = f'Brain, from {visit.brain_mask.name}'
    return found


def scan_metadata(scan: GreScan, visit: Visit, plan: Plan) -> dict[str, dict[str, Any]]:
    """Sidecars of a run's results: units, reference, acquisition, methods, versions, sources."""
    maps = {
        **scan_facts(scan),
        'SkullStripped': True,
        **shared_metadata(plan, [*scan.magnitude, *scan.phase]),
    }
    labels = {**label_columns(), **shared_metadata(plan, [visit.t1w])}
    aligned = aligned_to(plan, scan.magnitude[0])
    reference = {'ReferenceRegion': reference_text(plan.methods.reference)}
    return {
        field: {
            **output.metadata,
            **aligned,
            **(reference if output.referenced else {}),
            **(labels if field == 'dseg' else maps),
        }
        for field, output in outputs('scan').items()
    }


def atlas_metadata(source: AtlasSource, plan: Plan) -> dict[str, Any]:
    """Sidecar entries of labels by a user's atlas; its file by name, for its place is private."""
    return {
        **label_columns(),
        'Atlas': source.name,
        'AtlasFile': source.image.name,
        'AtlasSpace': source.space,
        'Methods': plan.methods.record(),
        'SkullStripped': True,
        'LibraryVersions': dict(plan.versions),
    }


def region_provenance(scan: GreScan, visit: Visit, plan: Plan) -> dict[str, Any]:
    """What the group level must know to tell how results were made, and whether they compare."""
    return {
        'ReferenceRegion': reference_text(plan.methods.reference),
        'Units': 'ppb',
        **protocol_of(scan),
        'BrainMask': 'given' if visit.brain_mask else 'made',
        'NigraVersion': plan.version,
        'Methods': plan.methods.record(),
    }
