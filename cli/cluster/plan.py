"""What is submitted for a run: which tasks, with which command, time and memory."""

from __future__ import annotations

import logging
import math
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...interfaces.anatomy.user_atlas import PARTICIPANT
from ...interfaces.cluster.profile import Profile, read_profile
from ...interfaces.cluster.schedulers import SCHEDULERS, array_limit
from ...interfaces.cluster.scripts import Job, Shell, nigra_on_node, with_variables
from ...nodes.errors import InputError
from ..settings import Settings

if TYPE_CHECKING:
    from ...interfaces.bids import Visit

LOGGER = logging.getLogger('nigra')
VARIABLE = 'NIGRA_CLUSTER_PROFILE'
"""Of the environment: where the site's file is."""
_PROCESSORS = 2
_GROUP_HOURS = 4.0
_LEAST_HOURS = 1.0
_SAFETY = 4.0
"""Times the estimated hours that a task may take: nodes are slow, and their file systems busy."""
_PROGRAM_GB = 1.0
"""Memory of the program itself beside its steps."""

Tasks = Sequence[Sequence['Visit']]


def choose_profile(settings: Settings) -> Profile:
    """The site's profile with what the command line says otherwise.

    Raises
    ------
    InputError
        Several schedulers, or one that the profile is not for.
    """
    asked, path = settings.cluster.schedulers, settings.cluster.cluster_profile
    if path is None and os.environ.get(VARIABLE):
        path = Path(os.environ[VARIABLE]).expanduser()
    profile = read_profile(path) if path else Profile(scheduler=asked[0])
    if set(asked) - {profile.scheduler}:
        others = ' '.join(f'--{name}' for name in asked)
        raise InputError(
            others, f'and the scheduler {profile.scheduler} cannot both serve', 'choose one'
        )
    words = settings.cluster.slurm_args
    if words and profile.scheduler != 'slurm':
        raise InputError(
            f'--slurm-args {words}', f'is not for {SCHEDULERS[profile.scheduler].title}',
            'write the options into the profile as `extra`',
        )  # fmt: skip
    if not SCHEDULERS[profile.scheduler].tried:
        LOGGER.warning(
            '%s has not been tried on a real cluster; look at the scripts with --dry-run',
            SCHEDULERS[profile.scheduler].title,
        )
    try:
        extra = (*profile.extra, *shlex.split(words))
    except ValueError as error:
        raise InputError(
            f'--slurm-args {words}', f'cannot be read ({error})', 'close it'
        ) from error
    size = settings.cluster.array_size or profile.array_size or 1
    return replace(profile, extra=extra, array_size=size)


def make_tasks(visits: Sequence[Visit], profile: Profile) -> list[list[Visit]]:
    """Visits of each task: all of a participant in one, `array_size` participants in each."""
    people: dict[str, list[Visit]] = {}
    for visit in visits:
        people.setdefault(visit.participant_id, []).append(visit)
    slurm = array_limit() if profile.scheduler == 'slurm' else None
    limit = min(profile.max_tasks, slurm or profile.max_tasks)
    size, everybody = profile.array_size or 1, list(people.values())
    if len(everybody) > limit * size:
        size = math.ceil(len(everybody) / limit)
        LOGGER.info(
            'An array may have %d tasks here, so that each does %d participants', limit, size
        )
    return [
        [visit for person in everybody[start : start + size] for visit in person]
        for start in range(0, len(everybody), size)
    ]


def array_job(
    settings: Settings, profile: Profile, folder: Path, tasks: Tasks, after: Sequence[str] = ()
) -> Job:
    """The array of participants."""
    cpus = _cpus(settings, profile)
    memory = settings.mem_gb or profile.memory_gb or _memory_gb(settings, tasks, cpus)
    return Job(
        name='nigra', folder=folder, cpus=cpus, memory_gb=memory, after=tuple(after),
        time=profile.time or _hours_as_time(_hours(settings, tasks)), extra=profile.extra,
        tasks=tuple(tuple(dict.fromkeys(v.participant_id for v in task)) for task in tasks),
        command=(
            *_call(settings, profile, 'participant'), *settings.cluster.options,
            '--skip-bids-validation', '--participant-label', Shell('"${labels[@]}"'),
            *_share(cpus, memory), *_record(folder),
        ),
    )  # fmt: skip


def group_job(settings: Settings, profile: Profile, folder: Path, after: Sequence[str]) -> Job:
    """The group level, after the participants whether all went well or not, as on one machine."""
    cpus = _cpus(settings, profile)
    memory = settings.mem_gb or profile.memory_gb or _PROGRAM_GB + 2.0 * cpus
    return Job(
        name='nigra-group', folder=folder, cpus=cpus, memory_gb=memory, after=tuple(after),
        time=profile.time or _hours_as_time(_GROUP_HOURS), extra=profile.extra,
        command=(
            *_call(settings, profile, 'group'), *settings.cluster.options,
            *_share(cpus, memory), *_record(folder),
        ),
    )  # fmt: skip


def _cpus(settings: Settings, profile: Profile) -> int:
    return settings.cluster.nprocs or profile.cpus or _PROCESSORS


def _share(cpus: int, memory_gb: float) -> list[str]:
    """Options that keep a run to what its job was given."""
    return [f'--nprocs={cpus}', f'--mem-gb={max(memory_gb - _PROGRAM_GB, memory_gb / 2):g}']


def _record(folder: Path) -> list[str]:
    return ['--task-record', Shell(shlex.quote(f'{folder}/') + '"$name.json"')]


def _call(settings: Settings, profile: Profile, level: str) -> list[str]:
    """The command on the node up to the options that are handed on."""
    work = None if settings.work_dir else profile.work_dir
    command = profile.command or (sys.executable, '-m', 'nigra')
    words = nigra_on_node(profile, command, _folders(settings), work)
    words += [str(settings.bids_dir), str(settings.output_dir), level]
    if settings.work_dir:
        words += ['--work-dir', str(settings.work_dir)]
    elif work:
        words += ['--work-dir', with_variables(work)]
    return words


def _folders(settings: Settings) -> dict[Path, str]:
    """What a run reads and writes, without what is inside another of the same kind."""
    read = [settings.bids_dir] if settings.bids_dir.is_dir() else []
    read += [settings.derivatives] if settings.derivatives else []
    files = [settings.bids_filter_file, settings.participants_file, settings.use_plugin]
    atlases = [Path(str(a).split(PARTICIPANT)[0] + 'x') for a in settings.methods.atlases]
    read += [path.parent for path in (*files, *atlases) if path is not None]
    written = [settings.output_dir, *([settings.work_dir] if settings.work_dir else [])]
    found: dict[Path, str] = {}
    for mode, folders in (('ro', read), ('rw', written)):
        alike = set(folders)
        found |= {folder: mode for folder in sorted(alike) if alike.isdisjoint(folder.parents)}
    return found


def _hours(settings: Settings, tasks: Tasks) -> float:
    """Hours that the longest task may take."""
    from ...interfaces.survey import hours_of

    preset = settings.methods.registration
    longest = max((sum(hours_of(v, preset) for v in task) for task in tasks), default=0.0)
    return max(_LEAST_HOURS, _SAFETY * longest)


def _memory_gb(settings: Settings, tasks: Tasks, cpus: int) -> float:
    """Memory of the largest task, where as many steps run at once as there are processors."""
    from ...interfaces.sidecars import scan_memory_gb
    from ...workflows.graph import ANTS_MEMORY

    scans = [
        scan_memory_gb(scan, settings.methods)
        for task in tasks for visit in task for scan in visit.scans
    ]  # fmt: skip
    return math.ceil(_PROGRAM_GB + cpus * max([ANTS_MEMORY['mem_gb'], *scans]))


def _hours_as_time(hours: float) -> str:
    """Time as schedulers read it.

    Examples
    --------
    >>> _hours_as_time(30.51)
    '30:31:00'
    """
    minutes = math.ceil(60 * hours - 1e-9)
    return f'{minutes // 60}:{minutes % 60:02d}:00'
