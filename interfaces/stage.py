"""One stage of the reconstruction over a folder of files, as benchmarks exchange them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..nodes.errors import InputError
from ..nodes.field.masks import finite_mask
from ..nodes.stages import (
    by_step,
    check_values,
    choose,
    makes,
    parameters,
    read_settings,
    setting_text,
)
from .files import read_json_object, save_image, save_json
from .reconstruction import Made, Recipe, conductivity, run_chain, set_reference, trust
from .stage_input import RECORDED, StageInput, load_inputs, told_params

UNITS = {'relaxometry': '1/s'}
REFERENCES = ('brain', 'none')
"""What a map may be relative to here: the mean over its mask, or nothing."""
_BESIDE = ('mask', 'noise', 'curvature', 'alternation')
"""What a step makes beside its result: the mask is written where it has changed."""
_OVERRIDES = 'config.json'
"""Settings that benchmark platforms leave in the input folder, by name."""


def run_stage(
    stage: str, input_dir: str | Path, output_dir: str | Path, *, method: str | None = None,
    settings: Sequence[str] = (), mask: str | Path | None = None, scan: str | None = None,
    phase_sign: str | None = None, reference: str = 'brain', nthreads: int = 1, version: str = '',
    warn: Callable[[str], None] | None = None,
) -> list[Path]:  # fmt: skip
    """Run a stage on the files of a folder.

    Parameters
    ----------
    stage
        A key of `nodes.stages.STAGES`.
    input_dir
        Holds what the stage reads; see `stage_input.load_inputs`. Settings in a file
        `config.json` there, by name, count before `settings`.
    output_dir
        Gets the stage's result, with a JSON file of the same name that says how it was made.
    method
        Name of the method; the stage's default where absent.
    settings
        Texts such as `name=value`, as `--set` takes them; the last of a name counts.
    mask, scan
        As in `stage_input.load_inputs`.
    phase_sign
        One of `methods.PHASE_SIGNS`; by default `keep` where the phase comes in radians by the
        contract, `auto` where it comes as a scanner stores it.
    reference
        `brain` makes the mean of the map over its mask zero; `none` leaves it.
    nthreads
        Threads; the result does not depend on them.
    version
        Of nigra, for the record.
    warn
        Told of every sentence that the record holds as a warning.

    Returns
    -------
    list
        Files written.

    Raises
    ------
    NigraError
        Input, method or setting is wrong, or both folders are one; nothing is written then.
    """
    chain = choose(stage, method)
    overrides = _read_overrides(Path(input_dir) / _OVERRIDES)
    chosen = read_settings(by_step(chain), [*overrides, *settings])
    for step in chain:
        check_values(step, chosen[step.step])
    source, target = _apart(Path(input_dir), Path(output_dir))
    given = load_inputs(stage, source, chain=chain, mask=Path(mask) if mask else None, scan=scan)
    sign = phase_sign or ('auto' if given.as_stored else 'keep')
    recipe = Recipe(chain, chosen, sign, reference, given.metadata, nthreads)
    made = _make(stage, given, recipe)
    results = [n for n in makes(chain[-1].step) if n in made.data and n not in _BESIDE]
    if stage == 'field-mapping':
        results.append('noise')  # it weights the steps that follow
    record = _record(stage, given, made, recipe) | {'nigra_version': version}
    if warn:
        for sentence in record.get('warnings', ()):
            warn(sentence)
    return _save(stage, given, made, results, target, record)


def _make(stage: str, given: StageInput, recipe: Recipe) -> Made:
    """Everything that the stage makes."""
    made = Made(dict(given.data))
    if stage == 'end-to-end':
        made = trust(made.data, given.scan, recipe.nthreads)
    if given.stored:
        made.parameters['phase'] = dict(given.stored) | made.parameters.get('phase', {})
    run_chain(made, given.scan, recipe)
    if 'chimap' in makes(recipe.chain[-1].step):
        set_reference(made, given.scan, recipe.reference)
    return made


def _save(
    stage: str, given: StageInput, made: Made, results: Sequence[str], target: Path,
    record: Mapping[str, Any],
) -> list[Path]:  # fmt: skip
    """Write results, the mask where it has shrunk, and how they were made."""
    affine, mask = given.affine, made.data['mask']
    written = [save_image(made.data[n], affine, target / f'{n}.nii.gz') for n in results]
    if stage != 'field-mapping' and not np.array_equal(mask, _given_mask(given)):
        written.append(save_image(mask, affine, target / 'mask.nii.gz', dtype=np.uint8))
    return [*written, save_json(record, target / f'{results[0]}.json')]


def _given_mask(given: StageInput) -> np.ndarray:
    """The mask as given, without voxels that are not finite."""
    images = [array for name, array in given.data.items() if name != 'mask']
    return np.asarray(given.data['mask'] & finite_mask(*images))


def _record(stage: str, given: StageInput, made: Made, recipe: Recipe) -> dict[str, Any]:
    """How a result was made, for the file beside it."""
    data = made.data
    counts = {'given': int(_given_mask(given).sum()), 'used': int(data['mask'].sum())}
    record: dict[str, Any] = {
        'stage': stage,
        'inputs': list(given.files),
        RECORDED: told_params(given.scan),
        'steps': {m.step: parameters(m, recipe.settings[m.step]) for m in recipe.chain},
        'units': UNITS.get(stage, 'ppm'),
        'voxels_in_mask': counts,
    }
    found = made.parameters
    record |= {key: found[key] for key in ('phase', 'reference') if key in found}
    if 'phase' in given.data:
        record['phase_sign'] = recipe.phase_sign
    if 'curvature' in data:  # of the head, by the phase at time zero that was taken off
        record['conductivity'] = conductivity(data['curvature'], given.scan.b0)
    warnings = [*given.warnings, *made.warnings]
    return record | ({'warnings': warnings} if warnings else {})


def _read_overrides(path: Path) -> list[str]:
    """Settings of a file as texts; none where there is no file."""
    if not path.is_file():
        return []
    content = read_json_object(path, 'write settings by name')
    return [setting_text(*item) for item in content.items()]


def _apart(source: Path, target: Path) -> tuple[Path, Path]:
    """Both folders, which must not be one."""
    if target.exists() and not target.is_dir():
        raise InputError(target, 'is no folder', 'give a folder, which is made if it is not there')
    if source.resolve() == target.resolve():
        raise InputError(
            target, 'is the input folder, whose mask would be lost', 'give another output folder'
        )
    return source, target
