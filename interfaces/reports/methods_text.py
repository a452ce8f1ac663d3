"""The methods text as files, and as a node that tells of the comparison that was made."""

from __future__ import annotations

from pathlib import Path

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    SimpleInterface,
    TraitedSpec,
    traits,
)

from ..files import save_text
from ..methods import Methods
from .boilerplate import describe_methods
from .references import Boilerplate


def save_methods_text(text: Boilerplate, folder: Path) -> None:
    """Save the methods text and its references as `CITATION.md` and `CITATION.bib`."""
    save_text(text.markdown, folder / 'CITATION.md')
    save_text(text.bib, folder / 'CITATION.bib')


class _GroupMethodsInputSpec(BaseInterfaceInputSpec):
    methods = traits.Dict(mandatory=True, desc='fields of `Methods`: what made the derivatives')
    echo_times = traits.List(traits.Float, mandatory=True, desc='of the fullest run, s')
    settings = traits.Dict(mandatory=True, desc='what the comparison decided, from GroupModels')
    version = traits.Str(mandatory=True, desc='of nigra')
    out_dir = traits.Str(mandatory=True, desc='where the text goes')


class _GroupMethodsOutputSpec(TraitedSpec):
    html = traits.Str(desc='the text, for the report')


class GroupMethods(SimpleInterface):
    """Write the methods text of a study from what its comparison really used."""

    input_spec = _GroupMethodsInputSpec
    output_spec = _GroupMethodsOutputSpec
    _always_run = True  # it writes final names, which the user may have deleted

    def _run_interface(self, runtime):
        inputs = self.inputs
        text = describe_methods(
            Methods(**inputs.methods), inputs.echo_times, version=inputs.version,
            group=inputs.settings,
        )  # fmt: skip
        save_methods_text(text, Path(inputs.out_dir))
        self._results['html'] = text.html
        return runtime
