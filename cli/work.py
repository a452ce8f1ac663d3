"""The folders that runs share: which is whose, what is left of earlier runs, what is removed."""

from __future__ import annotations

import contextlib
import functools
import logging
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from .citation import library_versions
from .settings import Settings

LOGGER = logging.getLogger('nigra')


@functools.cache
def software() -> dict[str, Any]:
    """What decides results beside inputs and options: versions and presets."""
    from ..interfaces.anatomy.itk import presets

    return {'versions': library_versions(), 'presets': presets()}


def work_folder(settings: Settings) -> Path:
    """Working folder of this software: Nipype's cache does not know when code has changed."""
    from ..interfaces.completion import fingerprint

    return settings.scratch / f'nigra-{fingerprint([], software())[:12]}'


def clean_work(settings: Settings) -> None:
    """Remove what runs put into the working folder, and the folder if nothing is left."""
    from ..interfaces.claims import anybody_else

    if anybody_else(work_folder(settings)):
        LOGGER.warning('%s is left for another run that uses it', work_folder(settings))
        return
    shutil.rmtree(work_folder(settings), ignore_errors=True)
    if settings.scratch.is_dir() and not any(settings.scratch.iterdir()):
        settings.scratch.rmdir()


@contextlib.contextmanager
def claimed(
    settings: Settings, names: Collection[str]
) -> Iterator[tuple[frozenset[str], dict[str, list[str]]]]:
    """Take visits (or the group level) that no other run works on, in both folders.

    Yields
    ------
    tuple
        Names that are this run's until the block ends, and sentences by the names that are not.
    """
    from ..interfaces.claims import claim

    work = work_folder(settings)
    with (
        claim(settings.output_dir / 'logs', names) as results,
        claim(work, results.taken) as scratch,
    ):
        busy = {
            name: [f'another run is processing {name} ({who}); wait until it has ended, or end it']
            for name, who in results.busy.items()
        }
        for name, who in scratch.busy.items():
            busy[name] = [
                f'another run is processing a {name} in the same working folder {work} ({who}); '
                'give this one another --work-dir'
            ]
        for name, (sentence,) in busy.items():
            LOGGER.error('%s is left out: %s', name, sentence)
        yield scratch.taken, busy
