"""Scripts of jobs, from one template for all schedulers."""

from __future__ import annotations

import math
import re
import shlex
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...nodes.errors import InputError
from .profile import Profile
from .schedulers import SCHEDULERS

_VARIABLE = re.compile(r'\$(?:(\w+)|\{(\w+)\})')
_NOT_TO_BIND = ':,'
"""What a path that a container shall see may not have: it separates the parts of a bind."""


class Shell(str):
    """A word of a command line that the shell shall read as it stands; others are quoted."""


@dataclass(frozen=True)
class Job:
    """What is submitted at once.

    Attributes
    ----------
    name
        That the scheduler shows.
    folder
        Of scripts, logs and records.
    command
        Words of the command line.
    time
        Limit, `HOURS:MM:SS`.
    memory_gb, cpus
        Of each task.
    tasks
        Participants of each task of an array; empty for a single job.
    after
        Jobs that must have ended, well or not.
    extra
        Further options of the scheduler.
    """

    name: str
    folder: Path
    command: tuple[str, ...]
    time: str
    memory_gb: float
    cpus: int
    tasks: tuple[tuple[str, ...], ...] = ()
    after: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()


def make_script(job: Job, profile: Profile) -> str:
    """Text of the script that does a job."""
    import jinja2

    scheduler = SCHEDULERS[profile.scheduler]
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader('nigra', 'data'),
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined, autoescape=False,
    )  # fmt: skip
    environment.filters['quote'] = shlex.quote
    return environment.get_template('job.sh.j2').render(
        directive=scheduler.directive,
        options=[*_options(job, profile), *([shlex.join(job.extra)] if job.extra else [])],
        folder=str(job.folder),
        tasks=job.tasks,
        task_variable=scheduler.task,
        modules=profile.modules,
        setup=profile.setup,
        command=command_line(job.command),
    )


def command_line(words: Sequence[str]) -> str:
    r"""Words as a shell reads them.

    Examples
    --------
    >>> command_line(['nigra', 'my data', Shell('"${labels[@]}"')])
    'nigra \'my data\' "${labels[@]}"'
    """
    return ' '.join(word if isinstance(word, Shell) else shlex.quote(word) for word in words)


def with_variables(text: str) -> Shell:
    r"""A path in which variables of the node count, and nothing else does.

    Examples
    --------
    >>> with_variables('$TMPDIR/my work')
    '"${TMPDIR}"\'/my work\''
    """
    words, end = '', 0
    for found in _VARIABLE.finditer(text):
        words += _quoted(text[end : found.start()]) + f'"${{{found[1] or found[2]}}}"'
        end = found.end()
    return Shell(words + _quoted(text[end:]))


def _quoted(text: str) -> str:
    return shlex.quote(text) if text else ''


def nigra_on_node(
    profile: Profile, command: Sequence[str], folders: Mapping[Path, str], work: str | None
) -> list[str]:
    """How nigra is called on a node: words before its own arguments.

    Parameters
    ----------
    profile
        Of the site.
    command
        That calls nigra where no container does.
    folders
        What it reads (`ro`) or writes (`rw`), which a container has to see.
    work
        Working folder that the node knows.

    Raises
    ------
    InputError
        A folder cannot be shown to a container.
    """
    if profile.container is None:
        return list(command)
    words = list(profile.container_command)
    for folder, mode in folders.items():
        if set(_NOT_TO_BIND) & set(str(folder)):
            raise InputError(
                folder, 'has : or , in its path, which containers cannot be shown',
                'move it, or give a path without (a symbolic link serves)',
            )  # fmt: skip
        words += ['--bind', f'{folder}:{folder}:{mode}']
    for bind in (*profile.binds, *([work] if work else [])):
        words += ['--bind', with_variables(bind)]
    return [*words, str(profile.container)]


def _options(job: Job, profile: Profile) -> list[str]:
    """Options of the scheduler whose values are known."""
    scheduler = SCHEDULERS[profile.scheduler]
    count = len(job.tasks) or None
    numbers = f'1-{count}' + (f'%{profile.max_running}' if profile.max_running else '')
    megabytes = math.ceil(1024 * job.memory_gb)
    log = 'group.log' if count is None else 'task-1.log' if count == 1 else scheduler.log
    values: dict[str, Any] = {
        'name': job.name, 'log': log, 'count': count,
        'range': numbers if count else None, 'several': numbers if (count or 0) > 1 else None,
        'max_running': profile.max_running if count else None,
        'after': scheduler.joint.join(job.after) or None, 'partition': profile.partition,
        'account': profile.account, 'time': job.time, 'memory_mb': megabytes,
        'memory_mb_per_cpu': math.ceil(megabytes / job.cpus), 'cpus': job.cpus,
        'cpus_if_several': job.cpus if job.cpus > 1 else None,
        'parallel_environment': profile.parallel_environment,
        'memory_resource': profile.memory_resource,
    }  # fmt: skip
    return [
        option.format(**values)
        for option in scheduler.options
        if all(values[name] is not None for name in _names(option))
    ]


def _names(option: str) -> list[str]:
    return [name for _, name, _, _ in string.Formatter().parse(option) if name]
