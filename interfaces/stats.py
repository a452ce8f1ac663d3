"""The group comparison as a node: one table of region values in, tables of statistics out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd
from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)

from ..nodes.errors import InputError
from ..nodes.statistics.multiplicity import FAMILY
from ..nodes.statistics.question import Question
from ..nodes.statistics.values import BRAIN
from .anatomy.atlas import DGM, compared_regions
from .descriptions import describe_columns, save_described, tell
from .gather import EXCLUSIONS
from .tables import read_table

TABLES = ('models', 'contrasts', 'means', 'sides', 'interactions', 'correlations', 'exclusions',
          'values')  # fmt: skip
"""What the node makes, by the names of its outputs."""


def choose_regions(table: pd.DataFrame, asked: Sequence[str] | None) -> pd.DataFrame:
    """Rows of the regions to compare, and of the brain.

    Parameters
    ----------
    table
        Region tables of all participants.
    asked
        Regions by name; None for all but the fine parts of the built-in atlas, which would make
        the others pay for more tests.

    Raises
    ------
    InputError
        A region is not there.
    """
    known = [r for r in dict.fromkeys(table.region) if r != BRAIN]
    if asked is None:
        usual = set(compared_regions())
        wanted = (table.atlas != DGM) | table.region.isin(usual)
    else:
        for name in asked:
            if name not in known:
                raise InputError(
                    f'--regions {name}', 'is in no region table', f'use {", ".join(known)}'
                )
        wanted = table.region.isin(asked)
    return table[wanted | (table.region == BRAIN)]


def plain_question(question: Question) -> dict[str, Any]:
    """What differs from the default question, as plain values for a node's input."""
    usual = Question()
    values = {f.name: getattr(question, f.name) for f in fields(question)}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in values.items()
        if value != getattr(usual, name)
    }


def read_question(options: Mapping[str, Any]) -> Question:
    """The inverse of `plain_question`."""
    values: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in options.items()
    }
    return Question(**values)


class _GroupModelsInputSpec(BaseInterfaceInputSpec):
    regions_tsv = File(exists=True, mandatory=True, desc='from GatherRegions')
    exclusions_tsv = File(exists=True, desc='who is left out already')
    question = traits.Dict(desc='from plain_question')
    regions = traits.List(traits.Str, desc='regions to compare; the usual ones if absent')
    nthreads = traits.Int(1, usedefault=True, nohash=True, desc='threads')
    source = traits.Str('participants.tsv', usedefault=True, desc='for messages')


_GroupModelsOutputSpec = type(
    '_GroupModelsOutputSpec',
    (TraitedSpec,),
    {
        '__module__': __name__,
        **{f'{name}_tsv': File(desc=f'table of {name}') for name in TABLES},
        **{f'{name}_json': File(desc=f'data dictionary of {name}') for name in TABLES},
        'settings': traits.Dict(desc='what was decided, for the report'),
        'warnings': traits.List(traits.Str, desc='sentences'),
    },
)


class GroupModels(SimpleInterface):
    """Compare groups in every region."""

    input_spec = _GroupModelsInputSpec
    output_spec = _GroupModelsOutputSpec

    def _run_interface(self, runtime):
        from ..nodes.statistics.comparison import compare_groups

        inputs = self.inputs
        question = read_question(inputs.question if isdefined(inputs.question) else {})
        asked = list(inputs.regions) if isdefined(inputs.regions) else None
        regions = choose_regions(
            read_table(inputs.regions_tsv, text=(question.group_column,)), asked
        )
        result = compare_groups(regions, question, source=inputs.source, nthreads=inputs.nthreads)
        exclusions = result.exclusions
        if isdefined(inputs.exclusions_tsv):
            exclusions = pd.concat([read_table(inputs.exclusions_tsv), exclusions])
        decided = {
            'ReferenceGroup': result.settings['reference_group'],
            'Formulae': result.settings['formulae'],
            'Adjustment': FAMILY,
            'Warnings': list(result.warnings),
        }
        for name in TABLES:
            table = exclusions[EXCLUSIONS] if name == 'exclusions' else getattr(result, name)
            stem = name if name == 'exclusions' else f'group_{name}'
            extra = {} if name in ('exclusions', 'values') else decided
            tsv, sidecar = save_described(
                table,
                Path(runtime.cwd) / f'{stem}.tsv',
                {**describe_columns(name, list(table.columns)), **extra},
            )
            self._results.update({f'{name}_tsv': tsv, f'{name}_json': sidecar})
        self._results.update(settings=result.settings, warnings=tell(result.warnings))
        return runtime
