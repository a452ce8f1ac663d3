"""Quality of a run as numbers beside its results, and of a study as one table."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)

from ..nodes.anatomy.quality import (
    LEAST_RUNS,
    STANDS_APART,
    asymmetries,
    iron_contrast,
    modified_z,
    standing_apart,
    tissue_agreement,
)
from ..nodes.errors import InputError
from ..nodes.field.echoes import magnitude_noise
from ..nodes.statistics.values import VISIT, name_some
from .completion import find_outputs
from .files import data_text, save_json
from .group_tables import GROUP_TABLES
from .headers import load_data
from .phase_told import phase_warnings, runs_that
from .regions import DESCRIPTIONS
from .reports.checks import PROBLEMS, problems_of
from .tables import read_table, save_table
from .unchanged import UntilChanged

PATTERN = 'sub-*/**/*_quality.json'


@functools.cache
def quality_measures() -> dict[str, dict[str, str]]:
    """Description, unit, short title and bad direction of each measure, `data/quality.json`."""
    return json.loads(data_text('quality.json'))


class _TissueAgreementInputSpec(BaseInterfaceInputSpec):
    t1w = File(exists=True, mandatory=True, desc='T1w image, bias field removed')
    template = File(exists=True, mandatory=True, desc='template on its grid')
    brain_mask = File(exists=True, mandatory=True, desc='brain on its grid')
    labels = File(exists=True, mandatory=True, desc='deep grey labels on its grid')


class _TissueAgreementOutputSpec(TraitedSpec):
    quality = traits.Dict(desc='overlap of tissues, and fraction of the nuclei in fluid')


class TissueAgreement(SimpleInterface):
    """Compare the tissues of a T1w image with those of the registered template."""

    input_spec = _TissueAgreementInputSpec
    output_spec = _TissueAgreementOutputSpec

    def _run_interface(self, runtime):
        inputs = self.inputs
        image, template, brain, labels = (
            load_data(path) for path in (inputs.t1w, inputs.template, inputs.brain_mask,
                                         inputs.labels)
        )  # fmt: skip
        self._results['quality'] = tissue_agreement(image, template, brain > 0, labels)
        return runtime


class _RunQualityInputSpec(BaseInterfaceInputSpec):
    entities = traits.Dict(mandatory=True, desc='participant_id, session_id, run_id')
    anatomy = traits.Dict(desc='what the anatomical steps report')
    tissues = traits.Dict(desc='from TissueAgreement')
    registration = traits.Dict(desc='what the steps between the two scans report')
    labels = traits.Dict(desc='what the step that refines labels reports')
    phase = traits.Dict(desc='what loading the phase and testing its sign report')
    magnitude = File(exists=True, mandatory=True, desc='echoes combined')
    brain_mask = File(exists=True, mandatory=True, desc='brain in acquisition space')
    chimap = File(exists=True, mandatory=True, desc='susceptibility, ppm')
    mask = File(exists=True, mandatory=True, desc='QSM mask')
    regions_tsv = File(exists=True, mandatory=True, desc='region table')
    out_file = traits.Str(mandatory=True, desc='final path')


class _RunQualityOutputSpec(TraitedSpec):
    out_file = File(desc='the numbers')
    quality = traits.Dict(desc='those that are known, rounded')


class RunQuality(SimpleInterface):
    """Write what can be said about the quality of a run in numbers."""

    input_spec = _RunQualityInputSpec
    output_spec = _RunQualityOutputSpec
    _always_run = True  # it writes a final name, which the user may have deleted

    def _run_interface(self, runtime):
        inputs = self.inputs
        brain, mask = load_data(inputs.brain_mask) > 0, load_data(inputs.mask) > 0
        magnitude = load_data(inputs.magnitude, dtype=np.float32)
        chimap = load_data(inputs.chimap, dtype=np.float32)
        noise = magnitude_noise(magnitude, brain)
        reported = (inputs.anatomy, inputs.tissues, inputs.registration, inputs.labels,
                    inputs.phase)  # fmt: skip
        found = _leaves(*filter(isdefined, reported))
        regions = read_table(inputs.regions_tsv)
        found |= {
            'mask_kept': np.count_nonzero(mask & brain) / max(1, np.count_nonzero(brain)),
            'snr': float(np.median(magnitude[brain])) / noise if noise > 0 else math.nan,
            'chi_sd': 1000 * float(chimap[mask].std(dtype=np.float64)),
            **asymmetries(regions),
            'iron_contrast_ppb': iron_contrast(regions),
        }
        numbers = {name: _plain(found.get(name, math.nan)) for name in quality_measures()}
        content = {**inputs.entities, **numbers, 'problems': problems_of(regions, numbers)}
        self._results.update(
            out_file=str(save_json(content, Path(inputs.out_file))),
            quality={k: _rounded(v) for k, v in numbers.items() if v is not None},
        )
        return runtime


def _rounded(value: float) -> float:
    """A number with three digits, and with all that stand before the point.

    Examples
    --------
    >>> _rounded(1767.69), _rounded(0.96651)
    (1768.0, 0.967)
    """
    return float(f'{value:.3g}' if abs(value) < 1000 else round(value))


def _leaves(*nested: Mapping[str, Any]) -> dict[str, float]:
    """Numbers of nested mappings by their own names."""
    out: dict[str, float] = {}
    for mapping in nested:
        for key, value in mapping.items():
            if isinstance(value, Mapping):
                out |= _leaves(value)
            elif isinstance(value, int | float):
                out[key] = float(value)
    return out


def _plain(value: float) -> float | None:
    """Number for JSON, which knows no NaN."""
    return float(f'{value:.6g}') if math.isfinite(value) else None


def gather_quality(paths: Sequence[Path]) -> pd.DataFrame:
    """Quality of all runs, and what is worse than in the others.

    Parameters
    ----------
    paths
        Files of `RunQuality`.

    Returns
    -------
    DataFrame
        `VISIT`, the measures, `problems`: names of what the pages of runs call problems, of
        `PROBLEMS`, and `flags`: measures' names with their modified z; both joined by `; `.

    Raises
    ------
    InputError
        A file is no JSON object or names no participant.
    """
    names = list(quality_measures())
    contents = [_read(path) for path in paths]
    table = pd.DataFrame(contents, columns=[*VISIT, *names])
    problems = ['; '.join(content.get('problems') or ()) or None for content in contents]
    numbers = table[names].apply(pd.to_numeric, errors='coerce')
    worse = {name: measure['worse'] for name, measure in quality_measures().items()}
    apart = standing_apart(numbers, worse)
    flags = np.full(len(table), '', dtype=object)
    for name in names:
        far = apart[name].to_numpy(bool)
        if far.any():
            z = modified_z(numbers[name].to_numpy(float))[far]
            flags[far] += [f'; {name} ({value:+.1f})' for value in z]
    keys = table[list(VISIT)].astype(object).where(table[list(VISIT)].notna(), None)
    return pd.concat([keys, numbers], axis=1).assign(
        problems=pd.Series(problems, dtype=object), flags=[text[2:] or None for text in flags]
    )


def _load(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise InputError(
            path, f'cannot be read as JSON ({error})', 'run the participant level again'
        ) from error
    if not isinstance(content, dict) or not content.get('participant_id'):
        raise InputError(path, 'names no participant', 'run the participant level again')
    return content


_read = UntilChanged(_load, 1 << 15)


def quality_dictionary() -> dict[str, dict[str, Any]]:
    """Data dictionary of the study's table."""
    measures = {
        name: {k: v for k, v in m.items() if k in ('Description', 'Units')}
        for name, m in quality_measures().items()
    }
    return {
        **{key: DESCRIPTIONS[key] for key in VISIT},
        **measures,
        'problems': {
            'Description': 'What the page of the run calls a problem',
            'Levels': {name: f'Runs that {words}' for name, words in PROBLEMS.items()},
        },
        'flags': {
            'Description': 'Measures whose modified z (0.6745 times the distance from the median '
            f'over the median absolute deviation) is {STANDS_APART:g} or more to the bad side; '
            f'only from {LEAST_RUNS} runs on'
        },
    }


class _GatherQualityInputSpec(BaseInterfaceInputSpec):
    derivatives_dir = traits.Directory(exists=True, mandatory=True, desc='root of derivatives')


class _GatherQualityOutputSpec(TraitedSpec):
    quality_tsv = File(desc='one row per run')
    quality_json = File(desc='data dictionary')
    warnings = traits.List(traits.Str, desc='who stands apart')


class GatherQuality(SimpleInterface):
    """Collect the quality of a study's runs and tell who stands apart."""

    input_spec = _GatherQualityInputSpec
    output_spec = _GatherQualityOutputSpec
    _always_run = True  # a folder's name does not tell that its files have changed

    def _run_interface(self, runtime):
        paths = find_outputs(Path(self.inputs.derivatives_dir), PATTERN)
        table = gather_quality(paths)
        folder, stem = Path(runtime.cwd), GROUP_TABLES['quality'].stem
        self._results.update(
            quality_tsv=str(save_table(table, folder / f'{stem}.tsv')),
            quality_json=str(save_json(quality_dictionary(), folder / f'{stem}.json')),
            warnings=[*problem_warnings(table), *quality_warnings(table)],
        )
        return runtime


def problem_warnings(table: pd.DataFrame) -> list[str]:
    """Sentences on all that the pages of runs call problems or that was done to their phase.

    Parameters
    ----------
    table
        As `gather_quality` gives it.
    """
    if table.empty:
        return []
    named = table['problems'].fillna('').str.split('; ')
    told = [
        runs_that(table, named.map(lambda names, own=name: own in names), PROBLEMS[name])
        for name in ('region_missing', 'coverage', 'registration', 'other_head', 'open_fringes')
    ]
    return [*(sentence for sentence in told if sentence), *phase_warnings(table)]


def quality_warnings(table: pd.DataFrame) -> list[str]:
    """Sentences on the runs that stand apart."""
    flagged = table[table['flags'].notna()]
    if flagged.empty:
        return []
    who = name_some(
        '_'.join(str(v) for v in row if not pd.isna(v))
        for row in flagged[list(VISIT)].itertuples(index=False)
    )
    count = len(flagged)
    return [
        f'{count} of {len(table)} runs stand{"s" if count == 1 else ""} apart from the others in '
        f'quality ({who}); look at the section Quality before you rely on them.'
    ]
