"""Gradient-echo scans: the files of a run put together and checked against each other."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..nodes.errors import InputError
from .headers import check_same_grid, position_warnings, read_header
from .metadata import field_strength, load_metadata, times_of
from .queries import BidsFile

UNEVEN_SPACING = 1.5
"""A warning says where the largest echo spacing is more than this times the smallest (by eye)."""


LEAST_ECHO_S = 5e-4
"""Longest echo, seconds, below which sidecars are taken to be wrong: .1 ppm turn the phase at 3 T
by 2 degrees then."""

LITTLE_IRON = 0.03
"""Longest echo time, s, times field strength, T, below which iron hardly shows beside the noise:
10 ms at 3 T, where .1 ppm turn the phase by 46 degrees."""

SAME_FIELD = 0.01
"""Two images of a run may give field strengths that differ by this fraction, as rounding does."""

PAIRS = (('mag', 'phase'), ('real', 'imag'))
"""Parts of a complex image that make up a run; the first pair goes before the second."""


@dataclass(frozen=True)
class GreScan:
    """One gradient-echo acquisition: all echoes of one run.

    Attributes
    ----------
    prefix
        File name up to the entities that name an echo or a part: `sub-01_ses-1_run-1`.
    session_id, run_id
        With their keys (`ses-1`, `run-1`), or None.
    magnitude, phase
        One file per echo, in the order of `echo_times`; the real and the imaginary part where
        `complex_parts` says so.
    echo_times
        Seconds, rising.
    b0
        Field strength, tesla.
    metadata
        The first phase file's sidecar, inherited as BIDS says.
    warnings
        Sentences for the report.
    complex_parts
        Whether the run is stored as real and imaginary parts.
    """

    prefix: str
    session_id: str | None
    run_id: str | None
    magnitude: tuple[Path, ...]
    phase: tuple[Path, ...]
    echo_times: tuple[float, ...]
    b0: float
    metadata: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    complex_parts: bool = False


def group_runs(files: Sequence[BidsFile]) -> list[list[BidsFile]]:
    """Files by run: those that share a prefix and a suffix."""
    runs: dict[tuple[str, str | None], list[BidsFile]] = {}
    for file in files:
        runs.setdefault((file.run_prefix, file.get('suffix')), []).append(file)
    return list(runs.values())


def leave_out_halves(
    runs: list[list[BidsFile]],
) -> tuple[list[list[BidsFile]], list[list[BidsFile]]]:
    """Runs to use, and those left out because they lack phase or magnitude.

    All runs are used where none is complete, so that building them says what is missing.
    """
    used: list[list[BidsFile]] = []
    left_out: list[list[BidsFile]] = []
    any_complete = False
    for run in runs:
        parts = {f.get('part') for f in run}
        complete = any(parts >= set(pair) for pair in PAIRS)
        any_complete |= complete
        # An image of the same name without a part entity is neither magnitude nor phase.
        plain = [f for f in run if complete and f.get('part') is None]
        if plain:
            left_out.append(plain)
        target = used if complete or _half_complex(parts) else left_out
        target.append([f for f in run if f not in plain])
    return (used, left_out) if any_complete else (runs, [])


def _half_complex(parts: set[str | None]) -> bool:
    """Whether a run has one of two parts that mean nothing alone, which is no leftover."""
    return bool(parts & {'real', 'imag'})


def what_is_missing(files: Sequence[BidsFile]) -> str | None:
    """The part that a run lacks, as its `part` entity; None where it lacks none."""
    parts = {f.get('part') for f in files}
    return next((part for part in reversed(_pair(parts)) if part not in parts), None)


def find_other_half(files: Sequence[BidsFile], everything: Sequence[BidsFile]) -> BidsFile | None:
    """An image of the part that a run lacks, under another name and without a run of its own.

    Parameters
    ----------
    files
        The run.
    everything
        All images of the participant.
    """
    part = what_is_missing(files)
    for run in group_runs(everything):
        lonely = what_is_missing(run) in {f.get('part') for f in files}
        session = run[0].get('ses') == files[0].get('ses')
        for file in run:
            if lonely and session and file.get('part') == part:
                return file
    return None


def build_scan(
    bids_dir: Path, files: Sequence[BidsFile], *, everything: Sequence[BidsFile] = ()
) -> GreScan:
    """Check the files of a run and put them in the order of their echo times.

    Parameters
    ----------
    bids_dir
        Root of the data set; metadata are inherited from there down.
    files
        All files of the run.
    everything
        All gradient-echo images of the participant, for messages.

    Raises
    ------
    InputError
        A part or an echo is missing, metadata are wrong, or images differ in shape or position.
    """
    _check_halves(files, everything)
    magnitude, phase = _parts(files)
    sidecars = {f.path: load_metadata(bids_dir, f.path) for f in (*magnitude, *phase)}
    times = _shared_echo_times(sidecars, magnitude, phase)
    order = sorted(range(len(phase)), key=lambda i: times[i])
    _check_images([*magnitude, *phase])
    first_phase = phase[order[0]].path
    metadata = sidecars[first_phase]
    rising = tuple(times[i] for i in order)
    b0 = _shared_field_strength(sidecars, first_phase)
    return GreScan(
        prefix=files[0].run_prefix,
        session_id=files[0].labelled('ses'),
        run_id=files[0].labelled('run'),
        magnitude=tuple(magnitude[i].path for i in order),
        phase=tuple(phase[i].path for i in order),
        echo_times=rising,
        b0=b0,
        metadata=metadata,
        warnings=(
            *_missing_echo_warnings(phase),
            *_spacing_warnings(rising),
            *_little_iron_warnings(rising[-1], b0),
            *contrast_warnings(first_phase, metadata, 'which changes susceptibility'),
            *position_warnings(first_phase),
        ),
        complex_parts=phase[0].get('part') == 'imag',
    )


def _check_halves(files: Sequence[BidsFile], everything: Sequence[BidsFile]) -> None:
    """Refuse a run that lacks a part, and name the file that looks like it."""
    part = what_is_missing(files)
    if part is None:
        return
    known = {None, *itertools.chain.from_iterable(PAIRS)}
    for file in files:
        if file.get('part') not in known:
            raise InputError(
                file.path,
                f'has part-{file.get("part")} in its name',
                'write part-mag, part-phase, part-real or part-imag',
            )
    other = find_other_half(files, everything)
    if other is not None:
        raise InputError(
            files[0].path,
            f'has no part-{part} image of the same name, but there is {other.path.name}, which '
            f'has no part-{files[0].get("part") or "mag"} image',
            'if both are one scan, give them the same entities but for part',
        )
    plain = next((f.path for f in files if f.get('part') is None), None)
    if part == 'mag' and plain is not None:
        raise InputError(
            plain, 'stands beside phase but has no part entity', 'call the magnitude part-mag'
        )
    several = len(group_runs(everything)) > 1
    raise InputError(
        _pattern(files[0]),
        f'has no part-{part} image',
        f'add the part-{part} files; susceptibility needs magnitude and phase, or real and '
        'imaginary parts'
        + (' (choose among several runs with --bids-filter-file)' if several else ''),
    )


def contrast_warnings(path: Path, metadata: Mapping[str, Any], why: str) -> list[str]:
    """Tell of an image that was measured after contrast agent, by its name or its sidecar."""
    agent = metadata.get('ContrastBolusIngredient') or metadata.get('ContrastBolusAgent')
    if not (agent or '_ce-' in path.name):
        return []
    return [f'{path.name} was measured with contrast agent, {why}.']


def little_iron(longest: float, b0: float) -> str:
    """What is to be said of echoes too short for iron; nothing where they are long enough.

    Parameters
    ----------
    longest
        Echo time, s.
    b0
        Field strength, T.

    Examples
    --------
    >>> little_iron(0.0046, 3.0), little_iron(0.02, 3.0)
    ('echoes up to 4.6 ms show little iron at 3 T', '')
    """
    if round(longest * b0, 6) >= LITTLE_IRON:
        return ''
    return f'echoes up to {1e3 * longest:.3g} ms show little iron at {b0:g} T'


def _little_iron_warnings(longest: float, b0: float) -> list[str]:
    told = little_iron(longest, b0)
    rest = 'so that nuclei hardly stand out of the noise; a scan with longer ones serves better'
    return [f'{told[0].upper()}{told[1:]}, {rest}.'] if told else []


def _parts(files: Sequence[BidsFile]) -> tuple[list[BidsFile], list[BidsFile]]:
    """Magnitude and phase files of a run, or its real and imaginary ones, in order of echoes."""
    by_echo = sorted(files, key=lambda f: int(f.get('echo') or 0))
    names = _pair({f.get('part') for f in files})
    first, second = ([f for f in by_echo if f.get('part') == name] for name in names)
    where = _pattern(files[0])
    _check_once(first)
    _check_once(second)
    numbers = [[f.get('echo') for f in part] for part in (first, second)]
    words = {'mag': 'magnitude', 'imag': 'imaginary'}
    if numbers[0] != numbers[1]:
        one, two = (words.get(name, name) for name in names)
        raise InputError(
            where,
            f'has {one} echoes {numbers[0]} but {two} echoes {numbers[1]}',
            f'provide {one} and {two} part of every echo'
            if 'imag' in names
            else 'provide magnitude and phase of every echo',
        )
    return first, second


def _check_once(files: Sequence[BidsFile]) -> None:
    """Refuse two files of one echo, such as `.nii` beside `.nii.gz`, or `echo-1` and `echo-01`."""
    for one, other in itertools.pairwise(files):
        if int(one.get('echo') or 0) == int(other.get('echo') or 0):
            raise InputError(
                other.path, f'is of the same echo as {one.path.name}', 'keep one of the two'
            )


def _pair(parts: set[str | None]) -> tuple[str, str]:
    """The pair of parts that a run has, else the one that it has a part of."""
    complete = [pair for pair in PAIRS if parts >= set(pair)]
    begun = [pair for pair in reversed(PAIRS) if parts & set(pair) and 'phase' not in parts]
    return (complete or begun or list(PAIRS))[0]


def _pattern(file: BidsFile) -> Path:
    """What all files of a run are called."""
    return file.path.parent / f'{file.run_prefix}_*_{file.get("suffix")}.nii.gz'


def _shared_field_strength(sidecars: Mapping[Path, Mapping[str, Any]], first: Path) -> float:
    """Field strength, T, that the sidecar of one image gives and no other contradicts."""
    b0 = field_strength(first, sidecars[first])
    for path, metadata in sidecars.items():
        if 'MagneticFieldStrength' not in metadata:
            continue
        if abs(field_strength(path, metadata) / b0 - 1) > SAME_FIELD:
            raise InputError(
                path,
                f'has MagneticFieldStrength {metadata["MagneticFieldStrength"]:g} where '
                f'{first.name} has {b0:g}',
                'write the same into the sidecars of both',
            )
    return b0


def _shared_echo_times(
    sidecars: Mapping[Path, Mapping[str, Any]],
    magnitude: Sequence[BidsFile], phase: Sequence[BidsFile],
) -> list[float]:  # fmt: skip
    """Echo times, s, in the order of the files; refused where the two parts differ."""
    of_magnitude, of_phase = (
        times_of([(f.path, sidecars[f.path]) for f in part]) for part in (magnitude, phase)
    )
    if of_magnitude != of_phase:
        raise InputError(
            phase[0].path,
            f'has echo times {of_phase} s where the magnitude has {of_magnitude} s',
            'write the same EchoTime into the sidecars of both',
        )
    if max(of_phase) < LEAST_ECHO_S:
        raise InputError(
            phase[of_phase.index(max(of_phase))].path,
            f'has EchoTime {max(of_phase):g}, too short for iron to show in the phase',
            'give the true echo time in seconds',
        )
    return of_phase


def _check_images(files: Sequence[BidsFile]) -> None:
    for file in files:
        shape = read_header(file.path).shape
        if len(shape) != 3:
            raise InputError(
                file.path,
                f'has shape {shape} where one 3D image per echo is needed',
                'split it into one file per echo',
            )
        if min(shape) < 2:
            fix = 'give the whole scan; susceptibility needs a volume'
            raise InputError(file.path, f'has shape {shape}, a single slice', fix)
        check_same_grid(files[0].path, file.path)


def _missing_echo_warnings(files: Sequence[BidsFile]) -> list[str]:
    numbers = {int(f.get('echo') or 1) for f in files}
    missing = sorted(set(range(1, max(numbers) + 1)) - numbers)
    if not missing:
        return []
    name, verb = ('Echo', 'is') if len(missing) == 1 else ('Echoes', 'are')
    listed = ', '.join(map(str, missing))
    return [f'{name} {listed} {verb} missing between 1 and {max(numbers)}.']


def _spacing_warnings(times: Sequence[float]) -> list[str]:
    # Rounding to microseconds keeps 0.02 - 0.01 equal to 0.03 - 0.02.
    steps = [round(b - a, 6) for a, b in itertools.pairwise(times)]
    if len(steps) > 1 and max(steps) > UNEVEN_SPACING * min(steps):
        return [f'Echo times are unevenly spaced ({", ".join(f"{t * 1e3:g}" for t in times)} ms).']
    return []
