"""Write a simulated study as a BIDS data set, with its truth as a derivative."""

from __future__ import annotations

import functools
import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .. import __version__
from ..nodes.errors import InputError
from ..nodes.grid import hz_per_ppm
from ..nodes.simulation.body import make_body, move
from ..nodes.simulation.cohort import Person, draw_cohort
from ..nodes.simulation.head import HeadModel, build_head
from ..nodes.simulation.scan import (
    GreProtocol,
    SimulatedScan,
    T1wProtocol,
    T1wScan,
    simulate_gre,
    simulate_t1w,
)
from ..nodes.simulation.truth import Parts, RegionValues
from .anatomy.atlas import load_template, load_whole_atlas
from .study import TRUTH, Study

TRUTH_COLUMNS = (
    'participant_id', 'session_id', 'run_id', 'atlas', 'region', 'hemisphere', 'n_voxels',
    'volume_mm3', 'coverage', 'chi_mean', 'chi_median', 'chi_sd', 'r2star_mean',
)  # fmt: skip
PERSON_COLUMNS = ('participant_id', 'group', 'age', 'sex', 'disease_duration', 'edss')


@dataclass(frozen=True)
class Job:
    """One participant to be written."""

    study: Study
    person: Person
    number: int
    folder: Path


def simulate_study(
    study: Study, folder: str | Path, *, participants: Sequence[str] | None = None,
    nprocs: int = 1, progress: Callable[[str], None] | None = None,
) -> Path:  # fmt: skip
    """Simulate a study and write it.

    Parameters
    ----------
    study
        What to simulate.
    folder
        New or empty folder of the BIDS data set.
    participants
        Labels to write (`01` or `sub-01`); all if absent.
    nprocs
        Participants at a time; the result does not depend on it.
    progress
        Told in words what is done.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputError
        The folder is not empty, a participant is unknown, or `study.truth` is none of `TRUTH`.
    """
    root = Path(folder)
    tell = progress or (lambda text: None)
    if study.truth not in TRUTH:
        raise InputError('truth', f'is {study.truth!r}', f'give one of {", ".join(TRUTH)}')
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise InputError(root, 'is not an empty folder', 'name a new one')
    people = draw_cohort(
        list(study.groups.values()), study.regions, study.seed, reference_age=study.reference_age
    )
    chosen = _select(people, participants)
    write_dataset_files(study, chosen, root)
    jobs = [
        Job(study, person, number, root)
        for number, person in enumerate(people)
        if person in chosen
    ]
    tables: dict[str, list[pd.DataFrame]] = {name: [] for name in _TABLES}
    for count, (label, own) in enumerate(_run(jobs, nprocs), start=1):
        for name, table in own.items():
            tables[name].append(table)
        tell(f'sub-{label} done ({count} of {len(jobs)})')
    for name, parts in tables.items():
        group = pd.concat(parts).merge(_person_table(chosen), on='participant_id')
        _write_table(group, root / 'derivatives' / 'truth' / f'group_{name}.tsv')
    return root


def _select(people: list[Person], wanted: Sequence[str] | None) -> list[Person]:
    if not wanted:
        return people
    labels = [label.removeprefix('sub-') for label in wanted]
    known = {person.label for person in people}
    for label in labels:
        if label not in known:
            fix = f'known are {min(known)} to {max(known)}'
            raise InputError(f'participant {label}', 'is not in the study', fix)
    return [person for person in people if person.label in labels]


def _run(jobs: list[Job], nprocs: int) -> Iterator[tuple[str, dict[str, pd.DataFrame]]]:
    if nprocs <= 1 or len(jobs) <= 1:
        yield from map(write_participant, jobs)
        return
    with ProcessPoolExecutor(min(nprocs, len(jobs))) as pool:
        yield from pool.map(write_participant, jobs)


@functools.cache
def template_head() -> HeadModel:
    """The head that every participant is made from."""
    template = load_template()
    labels = np.asarray(load_whole_atlas().image.dataobj)
    return build_head(np.asarray(template.dataobj, dtype=np.float32), labels, template.affine)


def region_parts() -> Parts:
    """Labels of every region, hemisphere and composite, and of the whole brain."""
    parts: dict[tuple[str, str], tuple[int, ...]] = {('brain', 'both'): ()}
    regions = load_whole_atlas().regions
    for row in regions.itertuples():
        parts[row.region, row.hemisphere] = row.parts
    for region in regions.region.unique():
        parts[region, 'both'] = parts[region, 'L'] + parts[region, 'R']
    return parts


def label_values(person: Person) -> tuple[dict[int, float], dict[int, float]]:
    """A person's susceptibility (ppb) and volume factor by label."""
    label_of = {key: parts[0] for key, parts in region_parts().items() if len(parts) == 1}
    values = {label_of[key]: chi for key, chi in person.chi_ppb.items()}
    return values, {label: person.volume_factor[key[0]] for key, label in label_of.items()}


def write_participant(job: Job) -> tuple[str, dict[str, pd.DataFrame]]:
    """Simulate and write one participant; returns the label and the tables of true values."""
    study, person = job.study, job.person
    values, factors = label_values(person)

    def rng(stream: int) -> np.random.Generator:
        return np.random.default_rng([study.seed, 3, job.number, stream])

    body = make_body(template_head(), rng(0), study.anatomy, factors)
    t1w = simulate_t1w(body, study.t1w, rng(1))
    _write_t1w(job, t1w)
    protocol = study.protocols[person.protocol]
    scan = simulate_gre(
        move(body, rng(2), study.anatomy), protocol, study.tissue, values, rng(3),
        parts=region_parts(), maps=job.study.truth == 'all',
    )  # fmt: skip
    _write_gre(job, scan, protocol)
    return person.label, _write_truth(job, t1w, scan, protocol)


# -- images ---------------------------------------------------------------------------------


def save_image(
    path: Path, data: NDArray, affine: NDArray[np.float64], orientation: str = 'RAS'
) -> None:
    """Write a NIfTI image whose bytes depend on its content alone.

    Parameters
    ----------
    path
        File to write, `.nii.gz`.
    data, affine
        Array and its voxel-to-world matrix, axes close to right-anterior-superior.
    orientation
        Axis codes in which the array is stored.
    """
    image = nib.Nifti1Image(data, affine)
    if orientation != 'RAS':
        target = nib.orientations.axcodes2ornt(orientation)
        image = image.as_reoriented(
            nib.orientations.ornt_transform(nib.io_orientation(affine), target)
        )
    image.header.set_xyzt_units('mm', 'sec')
    image.set_sform(image.affine, 1)
    image.set_qform(image.affine, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        path.open('wb') as stream,
        gzip.GzipFile('', 'wb', compresslevel=9, fileobj=stream, mtime=0) as packed,
    ):
        packed.write(image.to_bytes())


def _write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + '\n', encoding='utf-8')


def _write_table(table: pd.DataFrame, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, sep='\t', index=False, na_rep='n/a', float_format='%.6g')


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


def _write_t1w(job: Job, scan: T1wScan) -> None:
    protocol: T1wProtocol = job.study.t1w
    label = f'sub-{job.person.label}'
    stem = job.folder / label / 'anat' / f'{label}_T1w'
    save_image(
        stem.with_name(f'{stem.name}.nii.gz'), scan.image, scan.affine, protocol.orientation
    )
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
    _write_json(stem.with_name(f'{stem.name}.json'), sidecar)


def _write_gre(job: Job, scan: SimulatedScan, protocol: GreProtocol) -> None:
    label = f'sub-{job.person.label}'
    folder = job.folder / label / 'anat'
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
        for part, data in (('mag', scan.magnitude), ('phase', scan.phase)):
            name = f'{label}{entity}_part-{part}_{suffix}'
            save_image(
                folder / f'{name}.nii.gz', data[..., echo], scan.slab.affine, protocol.orientation
            )
            units = {'Units': 'rad' if protocol.phase == 'rad' else 'arbitrary'}
            _write_json(folder / f'{name}.json', sidecar | (units if part == 'phase' else {}))


_TABLES = {'regions': 'seg-dgm_regions', 'desc-tissue_regions': 'seg-dgm_desc-tissue_regions'}
"""Tables of true values: name in the group's file, and in a participant's."""


def _write_truth(
    job: Job, t1w: T1wScan, scan: SimulatedScan, protocol: GreProtocol
) -> dict[str, pd.DataFrame]:
    label = f'sub-{job.person.label}'
    folder = job.folder / 'derivatives' / 'truth' / label / 'anat'
    tables = {}
    for (name, file), values in zip(_TABLES.items(), (scan.regions, scan.tissue), strict=True):
        tables[name] = _region_rows(label, values)
        _write_table(tables[name], folder / f'{label}_{file}.tsv')
    if job.study.truth != 'tables':
        _write_truth_images(job, folder, t1w, scan, protocol)
    return tables


def _region_rows(participant: str, values: RegionValues) -> pd.DataFrame:
    rows = [
        {'participant_id': participant, 'session_id': np.nan, 'run_id': np.nan, 'atlas': 'dgm',
         'region': region, 'hemisphere': hemisphere, **row}
        for (region, hemisphere), row in values.items()
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(TRUTH_COLUMNS))


def _write_truth_images(
    job: Job, folder: Path, t1w: T1wScan, scan: SimulatedScan, protocol: GreProtocol
) -> None:
    """Labels and masks; with `truth` being `all`, susceptibility and fields too."""
    label = f'sub-{job.person.label}'
    in_t1w = (t1w.affine, job.study.t1w.orientation, {'SpatialReference': 'the raw T1w image'})
    in_gre = (scan.slab.affine, protocol.orientation, {'SpatialReference': 'the raw GRE images'})
    brain = {'Type': 'Brain'}
    images: list[tuple[str, NDArray, tuple[NDArray, str, dict[str, str]], dict[str, str]]] = [
        ('seg-dgm_dseg', scan.labels, in_gre, {}),
        ('space-T1w_seg-dgm_dseg', t1w.labels, in_t1w, {}),
        ('space-GRE_desc-brain_mask', scan.brain.astype(np.uint8), in_gre, brain),
        ('desc-brain_mask', t1w.brain.astype(np.uint8), in_t1w, brain),
    ]
    if scan.total_field is not None and scan.local_field is not None:
        hz = np.float32(hz_per_ppm(protocol.b0))
        text = 'Susceptibility of the brain minus its mean'
        images.append(('Chimap', scan.chi, in_gre, {'Units': 'ppm', 'Description': text}))
        for name, field, text in (
            ('total', scan.total_field, 'Field after shimming'),
            ('local', scan.local_field, 'Field of the sources in the brain'),
        ):
            words = {'Units': 'Hz', 'Description': text}
            images.append((f'desc-{name}_fieldmap', field * hz, in_gre, words))
    for name, data, (affine, codes, place), words in images:
        save_image(folder / f'{label}_{name}.nii.gz', data, affine, codes)
        _write_json(folder / f'{label}_{name}.json', {'SkullStripped': False} | place | words)


# -- files of the data set ------------------------------------------------------------------


def _person_table(people: Sequence[Person]) -> pd.DataFrame:
    rows = [
        (f'sub-{p.label}', p.group, int(p.age), p.sex, p.disease_duration, p.edss) for p in people
    ]
    return pd.DataFrame(rows, columns=list(PERSON_COLUMNS))


def write_dataset_files(study: Study, people: Sequence[Person], root: Path) -> None:
    """Description, README, licence and participants of the data set and of its truth."""
    root.mkdir(parents=True, exist_ok=True)
    _write_json(
        root / 'dataset_description.json',
        {
            'Name': study.name,
            'BIDSVersion': '1.10.0',
            'DatasetType': 'raw',
            'License': 'CC0',
            'Authors': ['The nigra developers'],
            'HowToAcknowledge': 'Say that the data are simulated with nigra-simulate.',
            'GeneratedBy': [{'Name': 'nigra-simulate', 'Version': __version__}],
        },
    )
    (root / 'README').write_text(_readme(study, len(people)), encoding='utf-8')
    (root / 'CHANGES').write_text(
        f'1.0.0 2024-01-01\n  - Simulated with nigra {__version__}, seed {study.seed}.\n',
        encoding='utf-8',
    )
    (root / 'LICENSE').write_text(_LICENSE, encoding='utf-8')
    _write_table(_person_table(people), root / 'participants.tsv')
    _write_json(root / 'participants.json', _participants_dictionary(study))
    truth = root / 'derivatives' / 'truth'
    _write_json(
        truth / 'dataset_description.json',
        {
            'Name': f'{study.name}: truth',
            'BIDSVersion': '1.10.0',
            'DatasetType': 'derivative',
            'License': 'CC0',
            'GeneratedBy': [{'Name': 'nigra-simulate', 'Version': __version__}],
        },
    )
    (truth / '.bidsignore').write_text('*_regions.tsv\n*_fieldmap.*\n', encoding='utf-8')
    regions = load_whole_atlas().regions
    simple = regions[regions.parts.map(len) == 1]
    names = simple.region + '_' + simple.hemisphere
    lookup = pd.DataFrame({'index': simple['index'].astype(int), 'name': names})
    _write_table(lookup, truth / 'seg-dgm_dseg.tsv')


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
    return {
        'participant_id': {'Description': 'Participant label'},
        'group': {
            'Description': 'Study group',
            'Levels': {name: _LEVELS.get(name, name) for name in study.groups},
        },
        'age': {'Description': 'Age at the scan', 'Units': 'year'},
        'sex': {'Description': 'Sex', 'Levels': {'F': 'female', 'M': 'male'}},
        'disease_duration': {
            'Description': 'Time since the first symptoms; n/a for healthy participants',
            'Units': 'year',
        },
        'edss': {'Description': 'Expanded Disability Status Scale, 0 to 10; n/a for the healthy'},
    }


_LEVELS = {
    'NMO': 'neuromyelitis optica',
    'RRMS': 'relapsing-remitting multiple sclerosis',
    'HC': 'healthy control',
}


def with_size(study: Study, per_group: int) -> Study:
    """The same study with another number of participants in every group."""
    if per_group < 1:
        raise InputError('participants per group', f'is {per_group}', 'give at least 1')
    groups = {name: replace(group, n=per_group) for name, group in study.groups.items()}
    return replace(study, groups=groups)
