"""nigra from Python: `reconstruct`, `measure` and `compare`, as the command line does them.

The functions take arrays, paths or images of nibabel, and give arrays and tables. They run what
the pipeline runs, with its defaults, so that the numbers are the same. More in `docs/python.md`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from .interfaces.given import Given, check_together, four_axes, geometry, take, take_mask
from .interfaces.given_values import (
    in_python,
    take_count,
    take_field_strength,
    take_metadata,
    take_times,
    texts,
)
from .interfaces.gre import prepare_gre
from .interfaces.measured import measure_maps, named_regions, people_and_regions
from .interfaces.methods import Methods
from .interfaces.reconstruction import (
    Made,
    Recipe,
    Told,
    fit_decay,
    recipe_of,
    run_chain,
    set_reference,
    trust,
)
from .interfaces.result import Reconstruction, describe
from .interfaces.stats import compare_tables
from .nodes.errors import InputError, NigraError
from .nodes.grid import Grid
from .nodes.stages import Scan, setting_text
from .nodes.statistics.comparison import GroupComparison
from .nodes.statistics.measures import DEFAULT_MEASURES
from .nodes.statistics.question import BOOTSTRAPS, MOST_DRAWS, PERMUTATIONS, Question

__all__ = ['GroupComparison', 'NigraError', 'Reconstruction', 'compare', 'measure', 'reconstruct']


def reconstruct(
    phase: Any, magnitude: Any, mask: Any, echo_times: ArrayLike, b0: float,
    affine: ArrayLike | None = None, *, field: str = 'romeo', background: str = 'pdf',
    inversion: str = 'dual', reference: Any = 'brain', phase_sign: str = 'auto',
    settings: Mapping[str, Any] | None = None, units: str | None = None,
    metadata: Mapping[str, Any] | None = None, nthreads: int = 1, progress: Told | None = None,
) -> Reconstruction:  # fmt: skip
    """Susceptibility from the phase of one gradient-echo scan.

    Phase and magnitude are read, checked and repaired as `nigra` does with files, and go through
    the same steps with the same defaults: what comes out is what `nigra` writes, to the bit. Where
    the phase is in radians and of the right sign, it is also what `nigra-stage end-to-end` writes.

    Parameters
    ----------
    phase, magnitude
        (x, y, z, echo), or (x, y, z) of one echo: array, path, or image of nibabel; or a list of
        these, one an echo. Phase in radians, or as scanners store it.
    mask
        Brain, (x, y, z), 0 and 1: array, path or image.
    echo_times
        s, rising, one an echo.
    b0
        Main field, T.
    affine
        Voxel-to-world matrix, 4 x 4, mm; that of the images where they are files.
    field, background, inversion
        Methods by name, as `nigra-stage --list-methods` shows them; `inversion='tgv'` takes the
        phase in one step.
    reference
        What the map is relative to: `brain` (the mask), `csf`, `none`, or a mask of a region.
    phase_sign
        `auto` turns the phase where the field of the head itself speaks against it; `keep`,
        `invert`.
    settings
        What differs from the defaults, such as `{'inversion.iterations': 50}`.
    units
        `rad`, `deg` or `arbitrary`, the phase's `Units`; found from its values by default.
    metadata
        Sidecar of the phase: `Manufacturer`, `MRAcquisitionType` and descriptions are hints.
    nthreads
        Threads; the result does not depend on them.
    progress
        Called with the name of a step and the fraction of the whole that is done, 0 to 1.

    Returns
    -------
    Reconstruction
        Maps, mask, methods text and parameters.

    Raises
    ------
    NigraError
        An image, a value or a setting is missing, wrong or does not fit the others; the message
        names it and says what to do.

    Examples
    --------
    A ball of 0.1 ppm, 8 mm wide, at 3 T:

    >>> import numpy as np, nigra
    >>> from nigra.nodes.grid import Grid, hz_per_ppm
    >>> from nigra.nodes.numerics.kernels import forward_field
    >>> x, y, z = np.indices((32, 32, 32)) - 16
    >>> chi, brain = 0.1 * (x**2 + y**2 + z**2 < 16), x**2 + y**2 + z**2 < 196
    >>> field = forward_field(chi, Grid(chi.shape)) * hz_per_ppm(3.0)
    >>> times = [0.01, 0.02]
    >>> turns = np.stack([0.1 * x + field * t for t in times], axis=-1)
    >>> phase = np.angle(np.exp(2j * np.pi * turns))
    >>> result = nigra.reconstruct(
    ...     phase, np.ones_like(phase), brain, times, 3.0, np.eye(4), inversion='tkd',
    ...     phase_sign='keep',
    ... )
    >>> result.chimap.shape, round(float(result.chimap[16, 16, 16]), 2)
    ((32, 32, 32), 0.06)
    >>> list(result.parameters)
    ['phase', 'field', 'background', 'inversion', 'r2star', 'reference']
    """
    methods = _methods(field, background, inversion, reference, phase_sign, settings)
    images = [four_axes(take('phase', phase)), four_axes(take('magnitude', magnitude))]
    brain = take_mask('mask', mask)
    told = take_metadata(metadata)
    made, scan, matrix = _start(images, brain, echo_times, b0, affine, units, told)
    recipe = recipe_of(methods, metadata=told, nthreads=take_count('nthreads', nthreads, 0))
    region = _region(reference, brain)
    _run(made, scan, recipe, region, progress)
    text = describe(methods, scan, drawn=region is not None)
    return Reconstruction.of(made, brain.data, matrix, scan, text)


def _methods(
    field: str, background: str, inversion: str, reference: Any, phase_sign: str,
    settings: Mapping[str, Any] | None,
) -> Methods:  # fmt: skip
    """Methods that were chosen, checked before any image is read."""
    known = 'brain' if _is_drawn(reference) else reference
    if known not in ('brain', 'csf', 'none'):
        raise InputError(
            f'reference={known!r}', 'is no reference', "use 'brain', 'csf', 'none', or give a mask"
        )
    chosen = Methods(
        field=field, background=background, inversion=inversion, reference=known,
        phase_sign=phase_sign,
    )  # fmt: skip
    try:
        return chosen.with_settings([setting_text(*item) for item in (settings or {}).items()])
    except InputError as error:  # its places are options of the command
        where = error.where.removeprefix('--set ').removeprefix('--')
        raise InputError(where, error.problem, error.fix) from error


def _start(
    images: Sequence[Given], brain: Given, echo_times: ArrayLike, b0: float,
    affine: ArrayLike | None, units: str | None, metadata: Mapping[str, Any],
) -> tuple[Made, Scan, NDArray[np.float64]]:  # fmt: skip
    """Checked images as the first step takes them, and their geometry."""
    phase, magnitude = images
    if phase.data.shape[1:] == brain.data.shape:
        raise InputError(
            phase.name, 'has its echoes on the first axis', 'give numpy.moveaxis(phase, 0, -1)'
        )
    for image in (magnitude, brain):
        check_together(phase, image)
    matrix = geometry(affine, phase, magnitude, brain)
    if matrix is None:
        raise InputError(
            'affine', 'is not given, and no image has one', 'give the voxel-to-world matrix, mm'
        )
    times, strength = take_times(echo_times), take_field_strength(b0)
    if phase.data.shape != magnitude.data.shape or times.shape != phase.data.shape[3:]:
        raise InputError(
            'phase',
            f'has shape {phase.data.shape}, magnitude {magnitude.data.shape}, and there are '
            f'{times.size} echo times',
            'give one volume and one time (s) for each echo',
        )
    read = prepare_gre(
        magnitude.data, phase.data, [(Path(magnitude.name), Path(phase.name))] * times.size,
        units=units or metadata.get('Units') or None,
        acquisition=str(metadata.get('MRAcquisitionType', '')),
    )  # fmt: skip
    data = {'phase': read['phase'], 'magnitude': read['magnitude'], 'mask': brain.data}
    made = Made(data, {'phase': read['parameters']}, list(read['warnings']))
    made.data['combined_magnitude'] = read['combined_magnitude']
    grid = Grid.from_affine(brain.data.shape, matrix)
    return made, Scan(grid, tuple(times.tolist()), strength), matrix


def _is_drawn(reference: Any) -> bool:
    """Whether a reference is an image, or the path of one, and not the name of a region."""
    return not isinstance(reference, str) or reference.endswith(('.nii', '.nii.gz'))


def _region(reference: Any, brain: Given) -> NDArray[np.bool_] | None:
    """Mask of the reference region, where one was given."""
    if not _is_drawn(reference):
        return None
    region = take_mask('reference', reference)
    check_together(brain, region)
    return region.data


def _run(
    made: Made, scan: Scan, recipe: Recipe, region: NDArray[np.bool_] | None,
    progress: Told | None,
) -> None:  # fmt: skip
    """The steps of the graph in their order."""
    trusted = trust(made.data, scan, recipe.nthreads)
    made.data = trusted.data
    made.parameters['phase'] |= trusted.parameters['phase']
    made.warnings += trusted.warnings
    inside = made.data['mask']
    run_chain(made, scan, recipe, progress)
    if len(scan.echo_times) > 1:
        fit_decay(made, scan, inside, recipe)
    name = recipe.reference if region is None else 'region given'
    set_reference(made, scan, name, region)


def measure(
    chimap: Any, labels: Any, names: Any = None, *, mask: Any = None, affine: Any = None,
    r2star: Any = None, magnitude: Any = None, brain: Any = None, participant_id: str = 'n/a',
    session_id: str = 'n/a', run_id: str = 'n/a', atlas: str | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Susceptibility, volume and more of labelled regions: one row per region and side.

    Parameters
    ----------
    chimap
        Susceptibility, ppm, (x, y, z): array, path or image of nibabel, of any program; or what
        `reconstruct` returned, which brings mask, R2*, magnitude, brain and geometry along.
    labels
        Whole numbers, (x, y, z), on the grid of the map: array, path or image.
    names
        Name of each label: mapping such as `{1: 'Left Caudate'}`, data frame or path of a
        `dseg.tsv` with the columns `index` and `name`. The built-in atlas by default.
    mask
        Where the map is known; where it is not zero by default.
    affine
        Voxel-to-world matrix, mm; that of the images where they have one. Without, volumes are
        missing.
    r2star, magnitude
        R2* in 1/s; echoes combined, for signal-to-noise ratios.
    brain
        Brain, which gets a row of its own, by which volumes are normalised in comparisons.
    participant_id, session_id, run_id, atlas
        What the columns of these names say.

    Returns
    -------
    DataFrame
        The columns of the pipeline's region tables (`docs/outputs.md`): susceptibility in ppb,
        volumes in mm^3, R2* in 1/s.

    Raises
    ------
    NigraError
        Images differ in shape or place, or names and labels do not fit.

    Examples
    --------
    >>> import numpy as np, nigra
    >>> chimap, labels = np.full((4, 4, 4), 0.05), np.repeat([1, 2], 32).reshape(4, 4, 4)
    >>> names = {1: 'Left Putamen', 2: 'Right Putamen'}
    >>> table = nigra.measure(chimap, labels, names, affine=np.diag([2, 2, 2, 1]))
    >>> table[['hemisphere', 'volume_mm3', 'chi_mean']].round(3).values.tolist()
    [['L', 256.0, 50.0], ['R', 256.0, 50.0], ['both', 512.0, 50.0]]
    """
    given = {'mask': mask, 'r2star': r2star, 'magnitude': magnitude, 'brain': brain}
    referenced = True
    if isinstance(chimap, Reconstruction):
        own = {'mask': chimap.mask, 'r2star': chimap.r2star, 'magnitude': chimap.magnitude,
               'brain': chimap.brain}  # fmt: skip
        given = {name: own[name] if value is None else value for name, value in given.items()}
        referenced = chimap.parameters['reference']['method'] != 'none'
        chimap = chimap.nifti()
    name, regions = named_regions(names)
    keys = (participant_id, session_id, run_id, atlas or name)
    return measure_maps(chimap, labels, regions, keys, given, affine, referenced=referenced)


def compare(
    table: Any, participants: Any, *, groups: str = 'group',
    covariates: Sequence[str] | None = None, levels: Sequence[str] | None = None,
    reference_group: str | None = None, contrasts: Sequence[str] | None = None,
    interactions: Sequence[str] = (), scores: Sequence[str] | None = None,
    measures: Sequence[str] = DEFAULT_MEASURES, regions: Sequence[str] | None = None,
    harmonise: str | None = None, permutations: int = PERMUTATIONS, bootstraps: int = BOOTSTRAPS,
    seed: int = Question.seed, nthreads: int = 1,
) -> GroupComparison:  # fmt: skip
    """Compare groups in every region, as the group level of `nigra` does.

    Parameters
    ----------
    table
        Region tables: a data frame of `measure` with everybody's `participant_id`, or a list of
        such frames; or paths of `*_regions.tsv`, or the folder of derivatives that holds them.
    participants
        Data frame with `participant_id`, group and covariates, or path of `participants.tsv`.
    groups
        Column of groups.
    covariates
        Columns to adjust for; age and sex where they are present and vary by default.
    levels, reference_group, contrasts
        Groups to compare; the one that others are compared with; contrasts such as `NMO - HC`.
    interactions, scores
        Covariates whose effect may differ between groups; clinical scores to correlate.
    measures, regions
        What to compare, and where; all regions but the fine parts of nuclei by default.
    harmonise
        Column of scanners whose differences are taken out.
    permutations, bootstraps, seed
        Drawn for permutation tests and intervals, 0 for none.
    nthreads
        Threads; the result does not depend on them.

    Returns
    -------
    GroupComparison
        Data frames `models`, `contrasts`, `means`, `covariates`, `sides`, `interactions`,
        `correlations`, `values` and `exclusions` (`docs/outputs.md`), `warnings` and `settings`.

    Raises
    ------
    NigraError
        A column is missing, somebody is not in the participants' table, or the question cannot be
        answered.

    Examples
    --------
    >>> import numpy as np, pandas as pd, nigra
    >>> people = pd.DataFrame({
    ...     'participant_id': [f'sub-{i}' for i in range(12)], 'group': ['A', 'B'] * 6,
    ... })
    >>> labels = np.repeat([0, 1], 32).reshape(4, 4, 4)
    >>> tables = [
    ...     nigra.measure(labels * 0.04 + 0.001 * i, labels, {1: 'Putamen'}, participant_id=who)
    ...     for i, who in enumerate(people.participant_id)
    ... ]
    >>> study = nigra.compare(tables, people, measures=['chi_mean'], permutations=0, bootstraps=0)
    >>> study.contrasts[['region', 'contrast']].values.tolist()
    [['putamen', 'B - A']]
    """
    with in_python():
        question = Question(
            group_column=groups, groups=texts(levels), reference_group=reference_group,
            contrasts=texts(contrasts), covariates=texts(covariates),
            interactions=texts(interactions) or (), scores=texts(scores),
            measures=texts(measures) or (), regions=texts(regions), harmonise=harmonise,
            permutations=take_count('permutations', permutations, 0, MOST_DRAWS),
            bootstraps=take_count('bootstraps', bootstraps, 0, MOST_DRAWS),
            seed=take_count('seed', seed, 0),
        )  # fmt: skip
        joined, absent, warnings, source = people_and_regions(table, participants, groups)
        result = compare_tables(
            joined, question, before=absent, source=source,
            nthreads=take_count('nthreads', nthreads, 0),
        )  # fmt: skip
    return result.with_warnings(warnings)
