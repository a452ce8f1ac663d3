"""What a site's cluster wants, from a file that the site keeps."""

from __future__ import annotations

import re
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ...nodes.errors import InputError
from .schedulers import SCHEDULERS

_WORD = re.compile(r'[\w.,:@+/=-]+')
"""What a name in a scheduler's directive may be made of: some schedulers know no quotes there."""
_TIME = re.compile(r'\d+:[0-5]\d:[0-5]\d')
_PLAIN = ('partition', 'account', 'parallel_environment', 'memory_resource')


@dataclass(frozen=True)
class Profile:
    """How jobs are submitted at a site; what is None is estimated, or left to the scheduler.

    Attributes
    ----------
    scheduler
        `slurm`, `pbs` or `sge`.
    partition, account
        Partition (queue in PBS and SGE) and account.
    time
        Limit of a task, `HOURS:MM:SS`.
    memory_gb, cpus
        Of a task.
    container
        Image in which nigra runs on the node.
    container_command
        What runs an image; the image and nigra's arguments follow.
    binds
        Folders that the container sees besides those of the command line.
    modules, setup
        Loaded, and run as they stand, in the shell of the task before nigra.
    command
        How nigra is called on the node, without a container; None for this Python.
    work_dir
        Working folder; may hold variables of the node, such as `$TMPDIR`.
    array_size
        Participants that a task does one after the other.
    max_tasks, max_running
        Tasks that an array may have, and that may run at once.
    parallel_environment, memory_resource
        Of SGE, whose sites name them.
    extra
        Further options of the scheduler, as they stand.
    """

    scheduler: str = 'slurm'
    partition: str | None = None
    account: str | None = None
    time: str | None = None
    memory_gb: float | None = None
    cpus: int | None = None
    container: Path | None = None
    container_command: tuple[str, ...] = ('apptainer', 'run', '--cleanenv')
    binds: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    command: tuple[str, ...] | None = None
    work_dir: str | None = None
    array_size: int | None = None
    max_tasks: int = 1000
    max_running: int | None = None
    parallel_environment: str = 'smp'
    memory_resource: str = 'h_vmem'
    extra: tuple[str, ...] = ()


def read_profile(path: Path) -> Profile:
    """A site's file.

    Parameters
    ----------
    path
        TOML with fields of `Profile`.

    Raises
    ------
    InputError
        It cannot be read, or has an entry that is unknown or cannot serve.
    """
    try:
        content = tomllib.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise InputError(path, f'cannot be read as TOML ({error})', 'correct the file') from error
    kinds = typing.get_type_hints(Profile)
    known = {field.name for field in fields(Profile)}
    values = {}
    for key, value in content.items():
        name = key.replace('-', '_')
        if name not in known:
            raise InputError(
                path, f'has the unknown entry {key!r}', f'use one of {", ".join(sorted(known))}'
            )
        try:
            values[name] = _converted(value, kinds[name], path.parent)
        except (TypeError, ValueError) as error:
            raise InputError(path, f'has {key} = {value!r}', str(error)) from error
    _check(path, values)
    return Profile(**values)


def _converted(value: Any, kind: Any, folder: Path) -> Any:
    """A value of the file as its field wants it; a path is beside the file."""
    wanted = [k for k in typing.get_args(kind) if k is not type(None)] or [kind]
    if kind == tuple[str, ...] or tuple[str, ...] in wanted:
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise TypeError('write a list of texts')
        return tuple(value)
    if Path in wanted or str in wanted:
        if not isinstance(value, str) or not value:
            raise TypeError('write a text')
        return folder.absolute() / Path(value).expanduser() if Path in wanted else value
    if isinstance(value, bool) or not isinstance(value, int if int in wanted else (int, float)):
        raise TypeError('write a number')
    if value <= 0:
        raise ValueError('write a number above 0')
    return value


def _check(path: Path, values: Mapping[str, Any]) -> None:
    scheduler = values.get('scheduler', 'slurm')
    if scheduler not in SCHEDULERS:
        raise InputError(
            path, f'has scheduler = {scheduler!r}', f'use one of {", ".join(SCHEDULERS)}'
        )
    if 'time' in values and not _TIME.fullmatch(values['time']):
        raise InputError(path, f'has time = {values["time"]!r}', 'write it as "HOURS:MM:SS"')
    for name in _PLAIN:
        if name in values and not _WORD.fullmatch(values[name]):
            raise InputError(
                path, f'has {name} = {values[name]!r}', 'write a name without spaces or quotes'
            )
    for name in ('command', 'container_command'):
        if name in values and not values[name]:
            raise InputError(path, f'has {name} = []', 'name the program')
    if 'container' in values and 'command' in values:
        raise InputError(
            path, 'has both container and command', 'keep one: the image calls nigra itself'
        )
