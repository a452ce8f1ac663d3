"""The group comparison as a node: one table of region values in, tables of statistics out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
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

from ..nodes.anatomy.regions import BRAIN
from ..nodes.errors import InputError
from ..nodes.statistics.comparison import GroupComparison, compare_groups
from ..nodes.statistics.multiplicity import FAMILY
from ..nodes.statistics.question import Question
from .anatomy.atlas import DGM, compared_regions
from .descriptions import save_described, tell
from .group_tables import KINDS, tables_of
from .tables import read_table

TABLES = tables_of('models')
"""What the node makes; each is an output `NAME_tsv` and one `NAME_json`."""


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


def compare_tables(
    regions: pd.DataFrame, question: Question, *, before: pd.DataFrame | None = None,
    source: str = 'participants.tsv', nthreads: int = 1,
) -> GroupComparison:  # fmt: skip
    """Compare groups in the regions that the question is about.

    Parameters
    ----------
    regions
        Region tables of all participants, with the participants' columns.
    question, source, nthreads
        As in `compare_groups`.
    before
        Who is left out already.

    Raises
    ------
    InputError
        As `choose_regions` and `compare_groups`.
    """
    chosen = choose_regions(regions, question.regions)
    result = compare_groups(chosen, question, source=source, nthreads=nthreads)
    if before is None:
        return result
    return replace(result, exclusions=pd.concat([before, result.exclusions]))


class _GroupModelsInputSpec(BaseInterfaceInputSpec):
    regions_tsv = File(exists=True, mandatory=True, desc='from GatherRegions')
    exclusions_tsv = File(exists=True, desc='who is left out already')
    question = traits.Dict(desc='from plain_question')
    nthreads = traits.Int(1, usedefault=True, nohash=True, desc='threads')
    source = traits.Str('participants.tsv', usedefault=True, desc='for messages')


_GroupModelsOutputSpec = type(
    '_GroupModelsOutputSpec',
    (TraitedSpec,),
    {
        '__module__': __name__,
        **{f'{t.name}_{kind}': File(desc=f'of {t.name}') for t in TABLES for kind in KINDS},
        'settings': traits.Dict(desc='what was decided, for the report'),
        'warnings': traits.List(traits.Str, desc='sentences'),
    },
)


class GroupModels(SimpleInterface):
    """Compare groups in every region."""

    input_spec = _GroupModelsInputSpec
    output_spec = _GroupModelsOutputSpec

    def _run_interface(self, runtime):
        inputs = self.inputs
        question = read_question(inputs.question if isdefined(inputs.question) else {})
        before = inputs.exclusions_tsv
        result = compare_tables(
            read_table(inputs.regions_tsv, text=(question.group_column,)), question,
            before=read_table(before) if isdefined(before) else None,
            source=inputs.source, nthreads=inputs.nthreads,
        )  # fmt: skip
        self._results.update(save_tables(result, Path(runtime.cwd)))
        self._results.update(settings=result.settings, warnings=tell(result.warnings))
        return runtime


def save_tables(result: GroupComparison, folder: Path) -> dict[str, str]:
    """Save all tables with their dictionaries; returns the paths by the names of the outputs."""
    decided = {
        'ReferenceGroup': result.settings['reference_group'] or 'none',
        'Formulae': result.settings['formulae'],
        'Adjustment': FAMILY,
        'Warnings': list(result.warnings),
    }
    paths: dict[str, str] = {}
    for table in TABLES:
        frame: pd.DataFrame = getattr(result, table.name)
        dictionary = table.dictionary(list(frame.columns))
        tsv, sidecar = save_described(
            frame,
            folder / f'{table.stem}.tsv',
            {**dictionary, **(decided if table.settings else {})},
        )
        paths |= {f'{table.name}_tsv': tsv, f'{table.name}_json': sidecar}
    return paths
