"""What the Nipype interfaces of the anatomy have in common."""

from __future__ import annotations

from typing import Any

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    traits,
)

from .itk import Engine, load_preset


class EngineInputSpec(BaseInterfaceInputSpec):
    """How ANTs is run."""

    preset = traits.Str('fast', usedefault=True, desc='entry of data/registration.json')
    nthreads = traits.Int(1, usedefault=True, desc='threads of costly stages')
    random_seed = traits.Int(1, usedefault=True, desc='of random sampling')


class T1wInputSpec(EngineInputSpec):
    """And on which T1w image."""

    t1w = File(exists=True, mandatory=True, desc='T1w image, bias field removed')


class BrainInputSpec(T1wInputSpec):
    """And on which part of it."""

    brain_mask = File(exists=True, mandatory=True, desc='brain on the T1w grid')


class JudgedOutputSpec(TraitedSpec):
    """A step that reports how well it came out."""

    quality = traits.Dict(desc='how well it came out, in numbers')
    warnings = traits.List(traits.Str, desc='what looks wrong')


class RecordedOutputSpec(TraitedSpec):
    """A step that reports what it did."""

    parameters = traits.Dict(desc='what was done')


class EngineStep(SimpleInterface):
    """A step that runs ANTs with an `EngineInputSpec`."""

    @property
    def _engine(self) -> Engine:
        return Engine(nthreads=self.inputs.nthreads, seed=self.inputs.random_seed)

    @property
    def _preset(self) -> dict[str, Any]:
        return load_preset(self.inputs.preset)

    def _parameters(self, entry: str) -> dict[str, Any]:
        """What a step did, for sidecars; `entry` names its settings in the preset."""
        import importlib.metadata

        return {
            'software': f'antspyx {importlib.metadata.version("antspyx")}',
            'preset': self.inputs.preset,
            'settings': self._preset[entry],
            'threads': self.inputs.nthreads,
            'random_seed': self.inputs.random_seed,
        }
