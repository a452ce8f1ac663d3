"""Simulate a study: who takes part, what is made of each, and the data set that it becomes."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from ..nodes.errors import InputError
from ..nodes.simulation.body import make_body, move
from ..nodes.simulation.cohort import Person, draw_cohort
from ..nodes.simulation.head import HeadModel, build_head
from ..nodes.simulation.scan import simulate_gre, simulate_t1w
from ..nodes.simulation.truth import WantedRegions
from .anatomy.atlas import load_template, load_whole_atlas
from .processes import end_workers, leave_signals_to
from .simulated_files import (
    write_dataset_files,
    write_gre,
    write_group_values,
    write_t1w,
    write_true_values,
    write_truth_images,
)
from .study import TRUTH, Study


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
    tables = []
    for count, (label, own) in enumerate(_run(jobs, nprocs), start=1):
        tables.append(own)
        tell(f'sub-{label} done ({count} of {len(jobs)})')
    write_group_values(root, tables, chosen)
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
    workers = min(nprocs, len(jobs))
    if workers <= 1:
        yield from map(write_participant, jobs)
        return
    with ProcessPoolExecutor(
        workers, initializer=leave_signals_to, initargs=(os.getpid(),)
    ) as pool:
        try:
            yield from pool.map(write_participant, jobs)
        except BaseException:
            end_workers(pool)
            raise


@functools.cache
def template_head() -> HeadModel:
    """The head that every participant is made from."""
    template = load_template()
    labels = np.asarray(load_whole_atlas().image.dataobj)
    return build_head(np.asarray(template.dataobj, dtype=np.float32), labels, template.affine)


def region_parts() -> WantedRegions:
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
    participant, protocol = f'sub-{person.label}', study.protocols[person.protocol]
    t1w = simulate_t1w(body, study.t1w, rng(1))
    write_t1w(job.folder, participant, t1w, study.t1w)
    scan = simulate_gre(
        move(body, rng(2), study.anatomy), protocol, study.tissue, values, rng(3),
        parts=region_parts(), maps=study.truth == 'all',
    )  # fmt: skip
    write_gre(job.folder, participant, scan, protocol)
    if study.truth != 'tables':
        write_truth_images(job.folder, participant, (t1w, study.t1w), (scan, protocol))
    return person.label, write_true_values(job.folder, participant, scan)


def with_size(study: Study, per_group: int) -> Study:
    """The same study with another number of participants in every group."""
    if per_group < 1:
        raise InputError('participants per group', f'is {per_group}', 'give at least 1')
    groups = {name: replace(group, n=per_group) for name, group in study.groups.items()}
    return replace(study, groups=groups)
