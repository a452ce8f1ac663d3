"""The methods text of a study: of what sidecars and comparison tell, as files and as a node."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)

from ..agreement import Told
from ..files import save_json, save_text
from ..methods import Methods
from .boilerplate import describe_methods
from .references import Boilerplate, code_span

COMPARISON = 'logs/comparison.json'
"""What the comparison decided, for the methods text of a later run that has nothing to do."""


def describe_told(
    told: Told, *, version: str, group: Mapping[str, Any] | None = None
) -> Boilerplate:
    """Methods text of results that were made as told.

    Parameters
    ----------
    told
        How the participants' results were made.
    version, group
        As in `boilerplate.describe_methods`.
    """
    return describe_methods(
        told.methods,
        told.echo_times,
        version=version,
        group=group,
        notes=told.notes(code_span),
        single=told.single,
        masks=told.masks,
    )


def save_methods_text(text: Boilerplate, output_dir: Path) -> None:
    """Save the methods text and its references as `logs/CITATION.md` and `.bib`."""
    save_text(text.markdown, output_dir / 'logs' / 'CITATION.md')
    save_text(text.bib, output_dir / 'logs' / 'CITATION.bib')


class _GroupMethodsInputSpec(BaseInterfaceInputSpec):
    methods = traits.Dict(desc='fields of `Methods` that made the derivatives, where known')
    echo_times = traits.List(traits.Float, mandatory=True, desc='of the fullest run, s')
    notes = traits.List(traits.Str, desc='sentences on participants who were processed otherwise')
    single = traits.List(traits.Str, desc='runs of one echo, where others have several')
    masks = traits.Dict(desc='runs by where their brain mask came from, where known')
    settings = traits.Dict(mandatory=True, desc='what the comparison decided, from GroupModels')
    version = traits.Str(mandatory=True, desc='of nigra')
    out_dir = traits.Str(mandatory=True, desc='output folder')


class _GroupMethodsOutputSpec(TraitedSpec):
    html = traits.Str(desc='the text, for the report')


class GroupMethods(SimpleInterface):
    """Write the methods text of a study from what its comparison really used."""

    input_spec = _GroupMethodsInputSpec
    output_spec = _GroupMethodsOutputSpec
    _always_run = True  # it writes final names, which the user may have deleted

    def _run_interface(self, runtime):
        inputs, output_dir = self.inputs, Path(self.inputs.out_dir)
        text = describe_methods(
            Methods(**inputs.methods) if isdefined(inputs.methods) else None,
            inputs.echo_times,
            version=inputs.version,
            group=inputs.settings,
            notes=inputs.notes if isdefined(inputs.notes) else (),
            single=inputs.single if isdefined(inputs.single) else (),
            masks=inputs.masks if isdefined(inputs.masks) else {},
        )
        save_methods_text(text, output_dir)
        save_json(inputs.settings, output_dir / COMPARISON)
        self._results['html'] = text.html
        return runtime
