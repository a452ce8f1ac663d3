"""Hand a run to the scheduler of a cluster: an array of participants, the group level after it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...interfaces.cluster.local import ACTIVE
from ...interfaces.cluster.profile import Profile
from ...interfaces.cluster.records import (
    GROUP,
    Submission,
    cluster_folder,
    new_folder,
    save_submission,
)
from ...interfaces.cluster.schedulers import SCHEDULERS, submit
from ...interfaces.cluster.scripts import Job, make_script
from ...interfaces.cluster.states import Study, study_states
from ...interfaces.files import save_text
from ...nodes.errors import NigraError
from ..app import check_run, look_at_participants
from ..group import group_is_complete, group_look
from ..settings import Settings
from ..work import Failures
from .plan import array_job, choose_profile, group_job, make_tasks
from .tell import study_lines

if TYPE_CHECKING:
    from ...interfaces.bids import Visit

LOGGER = logging.getLogger('nigra')
_SCRIPT = {'array': 'participants.sh', GROUP: 'group.sh'}


def submit_levels(settings: Settings) -> int:
    """Submit what is missing and not submitted already, or print the scripts.

    Returns
    -------
    int
        0 where everything asked for is complete or has been submitted, else 1.

    Raises
    ------
    NigraError
        Nothing could be submitted.
    """
    profile = choose_profile(settings)
    check_run(settings)
    visits: list[Visit] = []
    failed: Failures = {}
    if 'participant' in settings.levels:
        _, todo, failed = look_at_participants(settings)
        visits = [visit for visit, _ in todo.values()]
    elif settings.dry_run:
        failed = group_look(settings)
    if settings.dry_run:
        _print_scripts(settings, profile, visits)
        return 1 if failed else 0
    with _alone(settings):
        study = study_states(settings.output_dir)
        ids = _submit_missing(settings, profile, visits, failed, study)
    for line in study_lines(study_states(settings.output_dir)):
        LOGGER.info('%s', line)
    if ids:
        print(*ids)
    return 1 if failed else 0


@contextlib.contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Keep two commands at once from submitting the same."""
    from ...interfaces.claims import claim

    with claim(cluster_folder(settings.output_dir), ['submission']) as own:
        if own.busy:
            raise NigraError(
                f'{settings.output_dir}: another command submits its tasks '
                f'({own.busy["submission"]}); wait until it has ended'
            )
        yield


def _submit_missing(
    settings: Settings, profile: Profile, visits: Sequence[Visit], failed: Failures, study: Study
) -> list[str]:
    """Submit visits that no task has, and the group level after all of them; return the ids."""
    busy = {name for name, state in study.states.items() if state.state in ACTIVE}
    missing = [visit for visit in visits if visit.prefix not in busy]
    if len(missing) < len(visits):
        LOGGER.info(
            'Waiting or running already: %d of %d', len(visits) - len(missing), len(visits)
        )
    folder = new_folder(settings.output_dir)
    left_out = {who: why for who, why in failed.items() if who not in (GROUP, 'study')}
    made = Submission(profile.scheduler, left_out=left_out, analysis=settings.analysis_name,
                      folder=folder)  # fmt: skip
    if missing:
        tasks = make_tasks(missing, profile)
        array = _submit(array_job(settings, profile, folder, tasks), profile, _SCRIPT['array'])
        LOGGER.info('Job %s: %d participants in %d tasks',
                    array, len({v.participant_id for v in missing}), len(tasks))  # fmt: skip
        prefixes = tuple(tuple(visit.prefix for visit in task) for task in tasks)
        made = replace(made, tasks=prefixes, array=array)
        save_submission(made)
    if _group_is_due(settings, made, failed, study):
        after = [*made.jobs, *study.jobs]
        group = _submit(group_job(settings, profile, folder, after), profile, _SCRIPT[GROUP])
        LOGGER.info('Job %s: the group level%s', group, f', after {" ".join(after)}' * bool(after))
        made = replace(made, group=group)
    if made.jobs or left_out:
        save_submission(made)
    _tell_how_to_go_on(settings, profile, made)
    return made.jobs


def _group_is_due(settings: Settings, made: Submission, failed: Failures, study: Study) -> bool:
    if GROUP not in settings.levels or GROUP in failed:
        return False
    state = study.states.get(made.comparison)
    if made.jobs or study.jobs:
        return bool(made.jobs) or not (state and state.state in ACTIVE)
    try:
        return not group_is_complete(settings)
    except NigraError as error:  # nobody is finished, or the tables do not serve
        failed[GROUP] = [str(error)]
        LOGGER.error('%s', error)
        return False


def _submit(job: Job, profile: Profile, name: str) -> str:
    script = save_text(make_script(job, profile), job.folder / name)
    return submit(profile.scheduler, Path(script))


def _tell_how_to_go_on(settings: Settings, profile: Profile, made: Submission) -> None:
    if not made.jobs:
        LOGGER.info('Nothing to submit')
        return
    LOGGER.info('Scripts and logs: %s', made.folder)
    LOGGER.info('How it goes: nigra-status %s', settings.output_dir)
    LOGGER.info('To end it: %s %s', SCHEDULERS[profile.scheduler].cancel, ' '.join(made.jobs))


def _print_scripts(settings: Settings, profile: Profile, visits: Sequence[Visit]) -> None:
    """Print what would be submitted."""
    folder = new_folder(settings.output_dir)
    jobs: list[tuple[str, Job]] = []
    if visits:
        tasks = make_tasks(visits, profile)
        jobs.append((_SCRIPT['array'], array_job(settings, profile, folder, tasks)))
    if GROUP in settings.levels:
        after = ['ARRAY'] if jobs else []
        jobs.append((_SCRIPT[GROUP], group_job(settings, profile, folder, after)))
    for name, job in jobs:
        print(f'##### {name}\n{make_script(job, profile)}')
