"""What stands beside every result: units, reference, acquisition, methods, versions, sources."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..nodes.grid import Grid
from ..nodes.methods import ONE_STEP
from .anatomy.user_atlas import AtlasSource
from .bids import GreScan, Visit
from .completion import marker_folder
from .headers import read_header

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
    registration, background, inversion
        Methods by name.
    reference
        `none`, `brain`, `csf` or a region.
    separation
        Whether the map is separated into para- and diamagnetic parts where echoes allow it.
    atlases
        Label images of the user; see `user_atlas.atlas_source`.
    label_contrast
        `t1w`, or `hybrid` for that of the susceptibility map, too.
    nthreads, random_seed
        Of the registration and the kernels.
    version
        Of nigra.
    versions
        Of the libraries that compute.
    methods_html
        Methods text for the report, by number of echoes.
    """

    bids_dir: Path
    output_dir: Path
    registration: str
    background: str
    inversion: str
    nthreads: int
    random_seed: int
    version: str
    reference: str = 'brain'
    separation: bool = False
    atlases: tuple[Path, ...] = ()
    label_contrast: str = 't1w'
    versions: Mapping[str, str] = field(default_factory=dict)
    methods_html: Mapping[int, str] = field(default_factory=dict)


def background_of(plan: Plan) -> str:
    """Background method, or `none` where the inversion starts from the phase."""
    return 'none' if plan.inversion in ONE_STEP['end-to-end'] else plan.background


def anat_folder(output_dir: Path, participant_id: str, session_id: str | None) -> Path:
    """Where the results of a session lie."""
    return output_dir.joinpath(*filter(None, (participant_id, session_id)), 'anat')


def marker_path(output_dir: Path, visit: Visit) -> Path:
    """The file that says that a visit is whole."""
    return marker_folder(output_dir) / f'{visit.prefix}.json'


def scan_grid(scan: GreScan) -> Grid:
    """Geometry of a run, with the main field along the world's z axis."""
    header = read_header(scan.phase[0])
    return Grid.from_affine(header.shape, header.affine)


def scan_memory_gb(scan: GreScan) -> float:
    """Memory that the largest step of a run may take, GB."""
    voxels = math.prod(scan_grid(scan).shape)
    return 0.5 + voxels * (60 + 16 * len(scan.echo_times)) / 1e9


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


def anat_metadata(visit: Visit, plan: Plan) -> dict[str, dict[str, Any]]:
    """Sidecars of the anatomical results."""
    shared = {'Sources': sources(plan, [visit.t1w]), 'RandomSeed': plan.random_seed,
              'Threads': plan.nthreads, 'LibraryVersions': dict(plan.versions)}  # fmt: skip
    return {
        't1w_preproc': {
            'Description': 'T1w image with the intensity bias removed', 'SkullStripped': False,
            **shared},
        'brain_mask': {
            'Description': f'Brain, from {visit.brain_mask.name}' if visit.brain_mask else 'Brain',
            'Type': 'Brain', **shared},
    }  # fmt: skip


def scan_metadata(scan: GreScan, visit: Visit, plan: Plan) -> dict[str, dict[str, Any]]:
    """Sidecars of a run's results: units, reference, acquisition, methods, versions, sources."""
    shared = {
        **scan_facts(scan),
        'SkullStripped': True,
        'LibraryVersions': dict(plan.versions),
        'Sources': sources(plan, [*scan.magnitude, *scan.phase]),
    }
    methods = {'BackgroundRemoval': background_of(plan), 'Inversion': plan.inversion}
    reference = {'ReferenceRegion': reference_text(plan.reference)}
    labels = {'Sources': sources(plan, [visit.t1w]), 'LibraryVersions': dict(plan.versions)}
    return {
        'chimap': {'Description': 'Magnetic susceptibility', 'Units': 'ppm', **reference,
                   **methods, **shared},
        'totalfield': {'Description': 'Total field, offset from the scanner frequency',
                       'Units': 'Hz', **shared},
        'localfield': {'Description': 'Field of the sources inside the mask', 'Units': 'Hz',
                       'BackgroundRemoval': plan.background, **shared},
        'r2star': {'Description': 'Effective transverse relaxation rate', 'Units': '1/s',
                   **shared},
        't2star': {'Description': 'Effective transverse relaxation time', 'Units': 's', **shared},
        's0': {'Description': 'Signal at echo time zero', 'Units': 'arbitrary', **shared},
        'paramagnetic': {'Description': 'Susceptibility of paramagnetic sources (iron)',
                         'Units': 'ppm', **reference, **shared},
        'diamagnetic': {'Description': 'Susceptibility of diamagnetic sources (myelin, calcium)',
                        'Units': 'ppm', **reference, **shared},
        'qsm_mask': {'Description': 'Voxels where the susceptibility map holds', 'Type': 'ROI',
                     **shared},
        'dseg': {'Description': 'Deep grey matter in acquisition space, by one composed '
                                'transform from the template', 'Registration': plan.registration,
                 'RandomSeed': plan.random_seed, 'Threads': plan.nthreads, **labels},
    }  # fmt: skip


def atlas_metadata(source: AtlasSource, plan: Plan) -> dict[str, Any]:
    """Sidecar entries of labels by a user's atlas; its file by name, for its place is private."""
    return {
        'Atlas': source.name,
        'AtlasFile': source.image.name,
        'AtlasSpace': source.space,
        'Registration': plan.registration,
        'SkullStripped': True,
        'LibraryVersions': dict(plan.versions),
    }


def region_provenance(scan: GreScan, plan: Plan) -> dict[str, Any]:
    """What the group level must know to tell whether participants may be compared."""
    return {
        'ReferenceRegion': reference_text(plan.reference),
        'Reference': plan.reference,
        'Units': 'ppb',
        'MagneticFieldStrength': scan.b0,
        'EchoTimes': list(scan.echo_times),
        'NigraVersion': plan.version,
        'BackgroundRemoval': background_of(plan),
        'Inversion': plan.inversion,
        'SourceSeparation': plan.separation and len(scan.echo_times) > 1,
        'Registration': plan.registration,
        'LabelContrast': plan.label_contrast,
    }
