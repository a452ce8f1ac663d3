"""What is refused before anything runs or is written."""

from __future__ import annotations

import importlib.util
import json
import logging
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..nodes.errors import InputError, how_to_install
from .settings import Settings

if TYPE_CHECKING:
    from ..interfaces.bids import Visit

LOGGER = logging.getLogger('nigra')


def check_folders(settings: Settings) -> None:
    """Refuse folders whose use would put users' data at risk.

    Raises
    ------
    InputError
        Input missing, or output or working folder would write into it or into another data set.
    """
    group_alone = settings.levels == ('group',)
    if not group_alone and not settings.bids_dir.is_dir():
        raise InputError(settings.bids_dir, 'is not a folder', 'give the root of a BIDS data set')
    for folder in filter(None, (settings.output_dir, settings.work_dir)):
        _check_can_be(folder)
    _check_output(settings, group_alone=group_alone)
    if settings.work_dir is not None:
        _check_work(settings)
    if settings.derivatives is not None and not settings.derivatives.is_dir():
        raise InputError(
            f'--derivatives {settings.derivatives}', 'is not a folder', 'check the path'
        )
    for option in ('bids_filter_file', 'use_plugin', 'participants_file'):
        path = getattr(settings, option)
        if path is not None and not path.is_file():
            flag = '--' + option.replace('_', '-')
            raise InputError(f'{flag} {path}', 'is not a file', 'check the path')
    if group_alone and settings.participant_label:
        raise InputError(
            '--participant-label',
            'does not apply to the group level alone, which takes everyone in OUTPUT_DIR',
            'leave it out, or choose people with --participants-file',
        )


def _check_can_be(folder: Path) -> None:
    """Refuse a path where no folder can be made, of which a dry run makes no trial."""
    fix = 'give another folder'
    for place in (folder, *folder.parents):
        try:
            if place.is_dir():
                return
            why = 'a link that leads nowhere' if place.is_symlink() else 'no folder'
            there = place.is_symlink() or place.exists()
        except OSError as error:  # longer than a name may be
            raise InputError(folder, f'cannot be created ({error.strerror})', fix) from error
        if there:
            raise InputError(folder, f'cannot be created ({place} is {why})', fix)


def _check_output(settings: Settings, *, group_alone: bool) -> None:
    bids_dir, output_dir = settings.bids_dir.resolve(), settings.output_dir.resolve()
    own = is_own_output(output_dir)
    if output_dir == bids_dir and not (group_alone and own):
        raise InputError(
            settings.output_dir, 'is also the input', 'give another folder for the derivatives'
        )
    inside = output_dir != bids_dir and output_dir.is_relative_to(bids_dir)
    if inside and output_dir.relative_to(bids_dir).parts[0] != 'derivatives':
        raise InputError(
            settings.output_dir,
            'lies inside the input',
            'put the derivatives elsewhere or below its folder derivatives',
        )
    if (output_dir / 'dataset_description.json').exists() and not own:
        raise InputError(
            settings.output_dir,
            'holds a data set that nigra did not make',
            'give a new or empty folder, or that of an earlier run (BIDS_DIR comes first)',
        )


def is_own_output(folder: Path) -> bool:
    """Tell whether nigra made the data set in a folder, by its description."""
    try:
        text = (folder / 'dataset_description.json').read_text(encoding='utf-8')
        return any(entry.get('Name') == 'nigra' for entry in json.loads(text)['GeneratedBy'])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def check_own_output(folder: Path) -> None:
    """Refuse what is no folder of results.

    Raises
    ------
    InputError
        nigra did not make it.
    """
    if not is_own_output(folder):
        raise InputError(folder, 'holds no results of nigra', 'give the OUTPUT_DIR of a run')


def _check_work(settings: Settings) -> None:
    work = settings.scratch.resolve()
    bids_dir, output_dir = settings.bids_dir.resolve(), settings.output_dir.resolve()
    if work.is_relative_to(bids_dir) and bids_dir != output_dir:
        raise InputError(
            settings.scratch, 'lies inside the input', 'put the working folder elsewhere'
        )
    for folder, name in ((bids_dir, 'input'), (output_dir, 'output')):
        if folder.is_relative_to(work):
            raise InputError(
                settings.scratch,
                f'holds the {name} folder',
                'give the working folder one of its own',
            )


def check_bids(settings: Settings) -> None:
    """Ask the BIDS validator, where it is installed and everybody is to be processed.

    Raises
    ------
    InputError
        The validator found errors.
    """
    command = shutil.which('bids-validator-deno')
    alone = bool(settings.participant_label)  # whose run reads nobody else's files
    if settings.skip_bids_validation or alone or command is None:
        return
    found = subprocess.run(
        [command, '--ignoreWarnings', str(settings.bids_dir)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if found.returncode != 0:
        lines = [
            line.strip() for line in (found.stdout + found.stderr).splitlines() if line.strip()
        ]
        first = next((line for line in lines if 'ERROR' in line), lines[0] if lines else 'errors')
        raise InputError(
            settings.bids_dir,
            f'is not valid BIDS ({first})',
            'correct it as `bids-validator-deno` says or give --skip-bids-validation',
        )


def check_reference_echoes(settings: Settings, visits: Sequence[Visit]) -> None:
    """Refuse scans whose echoes are too few for the reference, before hours are spent on them.

    Raises
    ------
    InputError
        The reference is the fluid, which R2* shows, and a scan has one echo.
    """
    for scan in (s for v in visits for s in v.scans):
        if settings.methods.reference == 'csf' and len(scan.echo_times) == 1:
            raise InputError(
                scan.magnitude[0],
                'is the only echo of its scan, and --reference csf needs R2* and so several',
                'use --reference brain or a region such as thalamus',
            )


def check_atlases(settings: Settings) -> None:
    """Read the user's atlases in template space before hours are spent on maps.

    Raises
    ------
    InputError
        One is missing, cannot serve, or has the name of another.
    """
    from ..interfaces.anatomy.user_atlas import (
        PARTICIPANT,
        atlas_sources,
        check_in_template,
        read_atlas,
        space_warnings,
    )

    for source in atlas_sources(settings.methods.atlases):
        if PARTICIPANT in str(source.image):
            continue
        check_in_template(source, read_atlas(source))
        for sentence in space_warnings(source):
            LOGGER.warning('%s', sentence)


def check_own_atlases(settings: Settings, participant_id: str) -> None:
    """Read the atlases that a participant has of their own, as `check_atlases` does."""
    from ..interfaces.anatomy.user_atlas import PARTICIPANT, atlas_source, read_atlas

    for path in settings.methods.atlases:
        if PARTICIPANT in str(path):
            read_atlas(atlas_source(path, participant_id))


def find_participants_file(settings: Settings) -> Path:
    """The table of participants: as given, beside the data, or kept with the derivatives.

    Raises
    ------
    InputError
        There is none.
    """
    if settings.participants_file is not None:
        return settings.participants_file
    for folder in (settings.bids_dir, settings.output_dir):
        if (folder / 'participants.tsv').is_file():
            return folder / 'participants.tsv'
    raise InputError(
        settings.bids_dir / 'participants.tsv',
        'is missing',
        f'add it with the columns participant_id and {settings.question.group_column}, '
        'or give --participants-file',
    )


def check_harmonise(settings: Settings) -> None:
    """Refuse `--harmonise` where what it needs is not installed.

    Raises
    ------
    InputError
        It is asked for and cannot be done.
    """
    column = settings.question.harmonise
    if column and importlib.util.find_spec('combatlearn') is None:
        raise InputError(
            f'--harmonise {column}',
            'needs the package combatlearn, which is not installed',
            how_to_install('combatlearn'),
        )


def check_ratings(settings: Settings) -> None:
    """Refuse tables of `--exclude-rated` that cannot be read, before hours are spent.

    Raises
    ------
    InputError
        One is missing, or no table of ratings.
    """
    from ..interfaces.ratings import read_ratings

    if settings.exclude_rated:
        read_ratings(settings.exclude_rated)
