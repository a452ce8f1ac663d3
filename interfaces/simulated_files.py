"""Files of a simulated study: names, sidecars, tables, and what describes the data set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .. import __version__
from ..nodes.grid import hz_per_ppm
from ..nodes.simulation.cohort import Person
from ..nodes.simulation.scan import GreProtocol, SimulatedScan, T1wProtocol, T1wScan
from ..nodes.simulation.truth import RegionValues
from ..nodes.statistics.values import REGION_COLUMNS
from .anatomy.atlas import DGM, load_whole_atlas
from .files import save_image, save_json, save_text
from .study import Study
from .tables import save_table

PERSON_COLUMNS = ('participant_id', 'group', 'age', 'sex', 'disease_duration', 'edss')
TRUTH_FOLDER = Path('derivatives', 'truth')

_TRUE_VALUES = {'regions': 'seg-dgm_regions', 'desc-tissue_regions': 'seg-dgm_desc-tissue_regions'}
"""Tables of true values: name in the group's file, and in a participant's."""
_GROUPS_IN_WORDS = {
    'NMO': 'neuromyelitis optica',
    'RRMS': 'relapsing-remitting multiple sclerosis',
    'HC': 'healthy control',
}
_GENERATED_BY = [{'Name': 'nigra-simulate', 'Version': __version__}]


def _save_image(
    data: NDArray,
    affine: NDArray[np.float64],
    orientation: str,
    path: Path,
    sidecar: dict[str, Any],
) -> None:
    """An image as it was made, in few bytes, and its sidecar."""
    save_image(
        data, affine, path.with_name(f'{path.name}.nii.gz'), dtype=data.dtype,
        orientation=orientation, units=('mm', 'sec'), compression=9,
    )  # fmt: skip
    save_json(sidecar, path.with_name(f'{path.name}.json'))


def _save_table(table: pd.DataFrame, path: Path) -> None:
    # susceptibility to a thousandth of a ppb, which no scan can tell
    save_table(table, path, digits=6)


# -- scans ----------------------------------------------------------------------------------


def _scanner(b0: float) -> dict[str, Any]:
    return {
        'Modality': 'MR',
        'Manufacturer': 'simulated',
        'ManufacturersModelName': 'nigra-simulate',
        'SoftwareVersions': __version__,
        'MagneticFieldStrength': b0,
        'NonlinearGradientCorrection': False,
        'ImagingFrequency': round(hz_per_ppm(b0), 4),
    }


def write_t1w(root: Path, participant: str, scan: T1wScan, protocol: T1wProtocol) -> None:
    """Write a T1-weighted image into the data set at `root`; `participant` begins with `sub-`."""
    sidecar = _scanner(protocol.b0) | {
        'MRAcquisitionType': '3D',
        'PulseSequenceType': 'MPRAGE',
        'ScanningSequence': ['GR', 'IR'],
        'SequenceVariant': ['SP', 'MP'],
        'RepetitionTime': protocol.repetition_time,
        'EchoTime': protocol.echo_time,
        'InversionTime': protocol.inversion_time,
        'FlipAngle': protocol.flip_angle,
    }
    path = root / participant / 'anat' / f'{participant}_T1w'
    _save_image(scan.image, scan.affine, protocol.orientation, path, sidecar)


def write_gre(root: Path, participant: str, scan: SimulatedScan, protocol: GreProtocol) -> None:
    """Write magnitude and phase of every echo; a single echo is a `T2starw`, as in BIDS."""
    several = len(protocol.echo_times) > 1
    for echo, time in enumerate(protocol.echo_times):
        entity = f'_echo-{echo + 1}' if several else ''
        suffix = 'MEGRE' if several else 'T2starw'
        sidecar = _scanner(protocol.b0) | {
            'MRAcquisitionType': '3D',
            'PulseSequenceType': 'spoiled gradient echo',
            'ScanningSequence': 'GR',
            'SequenceVariant': 'SP',
            'RepetitionTime': protocol.repetition_time,
            'EchoTime': time,
            'FlipAngle': protocol.flip_angle,
        }
        units = {'Units': 'rad' if protocol.phase == 'rad' else 'arbitrary'}
        for part, images, own in (('mag', scan.magnitude, {}), ('phase', scan.phase, units)):
            name = f'{participant}{entity}_part-{part}_{suffix}'
            _save_image(
                images[..., echo], scan.slab.affine, protocol.orientation,
                root / participant / 'anat' / name, sidecar | own,
            )  # fmt: skip


# -- truth ----------------------------------------------------------------------------------


def write_true_values(
    root: Path, participant: str, scan: SimulatedScan
) -> dict[str, pd.DataFrame]:
    """Write a participant's tables of true values; returns them by their name in the group."""
    folder = root / TRUTH_FOLDER / participant / 'anat'
    tables = {}
    for (name, file), values in zip(
        _TRUE_VALUES.items(), (scan.regions, scan.tissue), strict=True
    ):
        tables[name] = _region_rows(participant, values)
        _save_table(tables[name], folder / f'{participant}_{file}.tsv')
    return tables


def _region_rows(participant: str, values: RegionValues) -> pd.DataFrame:
    rows = [
        {'participant_id': participant, 'session_id': np.nan, 'run_id': np.nan, 'atlas': DGM,
         'region': region, 'hemisphere': hemisphere, **row}
        for (region, hemisphere), row in values.items()
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(REGION_COLUMNS))


def write_group_values(
    root: Path, tables: Iterable[dict[str, pd.DataFrame]], people: Sequence[Person]
) -> None:
    """Write the true values of all participants, each row with what is known of the person."""
    tables = list(tables)
    for name in _TRUE_VALUES:
        rows = pd.concat([own[name] for own in tables])
        group = rows.merge(_person_table(people), on='participant_id')
        _save_table(group, root / TRUTH_FOLDER / f'group_{name}.tsv')


@dataclass(frozen=True)
class _Place:
    """Where a scan's images lie, and how they are stored."""

    affine: NDArray[np.float64]
    orientation: str
    reference: str


def write_truth_images(
    root: Path, participant: str, t1w: tuple[T1wScan, T1wProtocol],
    gre: tuple[SimulatedScan, GreProtocol],
) -> None:  # fmt: skip
    """Write labels and masks and, if the scan has them, true susceptibility and fields."""
    (image, image_protocol), (scan, protocol) = t1w, gre
    in_t1w = _Place(image.affine, image_protocol.orientation, 'the raw T1w image')
    in_gre = _Place(scan.slab.affine, protocol.orientation, 'the raw GRE images')
    brain = {'Type': 'Brain'}
    images: list[tuple[str, NDArray, _Place, dict[str, str]]] = [
        ('seg-dgm_dseg', scan.labels, in_gre, {}),
        ('space-T1w_seg-dgm_dseg', image.labels, in_t1w, {}),
        ('space-GRE_desc-brain_mask', scan.brain.astype(np.uint8), in_gre, brain),
        ('desc-brain_mask', image.brain.astype(np.uint8), in_t1w, brain),
    ]
    images += [(name, data, in_gre, words) for name, data, words in _true_maps(scan, protocol.b0)]
    folder = root / TRUTH_FOLDER / participant / 'anat'
    for name, data, place, words in images:
        sidecar = {'SkullStripped': False, 'SpatialReference': place.reference} | words
        path = folder / f'{participant}_{name}'
        _save_image(data, place.affine, place.orientation, path, sidecar)


def _true_maps(scan: SimulatedScan, b0: float) -> list[tuple[str, NDArray, dict[str, str]]]:
    """Susceptibility and fields with their sidecars; none if the scan was made without."""
    if scan.total_field is None or scan.local_field is None:
        return []
    hz = np.float32(hz_per_ppm(b0))
    chi = {'Units': 'ppm', 'Description': 'Susceptibility of the brain minus its mean'}
    total = {'Units': 'Hz', 'Description': 'Field after shimming'}
    local = {'Units': 'Hz', 'Description': 'Field of the sources in the brain'}
    return [
        ('Chimap', scan.chi, chi),
        ('desc-total_fieldmap', scan.total_field * hz, total),
        ('desc-local_fieldmap', scan.local_field * hz, local),
    ]


# -- files of the data set ------------------------------------------------------------------


def _person_table(people: Sequence[Person]) -> pd.DataFrame:
    rows = [
        (f'sub-{p.label}', p.group, int(p.age), p.sex, p.disease_duration, p.edss) for p in people
    ]
    return pd.DataFrame(rows, columns=list(PERSON_COLUMNS))


def write_dataset_files(study: Study, people: Sequence[Person], root: Path) -> None:
    """Write description, README, licence and participants of the data set and of its truth."""
    save_json(
        {
            'Name': study.name,
            'BIDSVersion': '1.10.0',
            'DatasetType': 'raw',
            'License': 'CC0',
            'Authors': list(_AUTHORS),
            'HowToAcknowledge': 'Say that the data are simulated with nigra-simulate.',
            'GeneratedBy': _GENERATED_BY,
        },
        root / 'dataset_description.json',
    )
    changes = f'1.0.0 2024-01-01\n  - Simulated with nigra {__version__}, seed {study.seed}.\n'
    save_text(_readme(study, len(people)), root / 'README')
    save_text(changes, root / 'CHANGES')
    save_text(_LICENSE, root / 'LICENSE')
    _save_table(_person_table(people), root / 'participants.tsv')
    save_json(_participants_dictionary(study), root / 'participants.json')
    _write_truth_files(study, root / TRUTH_FOLDER)


def _write_truth_files(study: Study, truth: Path) -> None:
    """Description of the derivative that holds the truth, and the names of its labels."""
    save_json(
        {
            'Name': f'{study.name}: truth',
            'BIDSVersion': '1.10.0',
            'DatasetType': 'derivative',
            'License': 'CC0',
            'GeneratedBy': _GENERATED_BY,
        },
        truth / 'dataset_description.json',
    )
    save_text('*_regions.tsv\n*_fieldmap.*\n', truth / '.bidsignore')
    regions = load_whole_atlas().regions
    simple = regions[regions.parts.map(len) == 1]
    names = simple.region + '_' + simple.hemisphere
    lookup = pd.DataFrame({'index': simple['index'].astype(int), 'name': names})
    _save_table(lookup, truth / 'seg-dgm_dseg.tsv')


_AUTHORS = ('The nigra developers', 'McConnell Brain Imaging Centre (ICBM 2009c template)')
"""Who made the images, and whose template they derive from (see the licence)."""
_LICENSE = """These images are simulated and show no person. To the extent possible under law, the
nigra developers have waived all copyright and related rights to them (CC0 1.0,
https://creativecommons.org/publicdomain/zero/1.0/).

The anatomy derives from the ICBM 2009c nonlinear asymmetric template: Copyright (C) 1993-2009
Louis Collins, McConnell Brain Imaging Centre, Montreal Neurological Institute, McGill University.
Permission to use, copy, modify, and distribute it for any purpose and without fee is granted,
provided that this notice appears in all copies; the authors and McGill University make no
representations about its suitability, it is provided "as is" without express or implied warranty.
"""


def _readme(study: Study, count: int) -> str:
    groups = '\n'.join(f'* {name}: {group.n} participants' for name, group in study.groups.items())
    return f"""# {study.name}

**These data are simulated.** No person was scanned; nothing here says anything about a disease.

{study.description.strip()}

{count} participants were written:

{groups}

`nigra-simulate` deforms a template brain, builds a head around it, and computes the signal of a
T1-weighted and a gradient-echo scan: dipole field, shim, decay, receiver phase, noise.

`derivatives/truth` holds what a perfect analysis would find. `group_regions.tsv` has each
deep-grey-matter region's volume and its susceptibility (ppb, relative to the brain's mean) as a
perfect map of this scan and perfect labels would show it; `group_desc-tissue_regions.tsv` has the
susceptibility of the tissue itself, which partial volume takes away from in small regions. The
folders beside them hold the labels and masks. Seed: {study.seed}.
"""


def _participants_dictionary(study: Study) -> dict[str, Any]:
    levels = {name: _GROUPS_IN_WORDS.get(name, name) for name in study.groups}
    return {
        'participant_id': {'Description': 'Participant label'},
        'group': {'Description': 'Study group', 'Levels': levels},
        'age': {'Description': 'Age at the scan', 'Units': 'year'},
        'sex': {'Description': 'Sex', 'Levels': {'F': 'female', 'M': 'male'}},
        'disease_duration': {
            'Description': 'Time since the first symptoms; n/a for healthy participants',
            'Units': 'year',
        },
        'edss': {'Description': 'Expanded Disability Status Scale, 0 to 10; n/a for the healthy'},
    }
