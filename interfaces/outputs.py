"""Nipype interfaces that give results their final names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    DynamicTraitedSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)
from nipype.interfaces.io import IOBase, add_traits

from .completion import mark_complete
from .files import copy_file, save_image, save_json, sidecar_of


class _SaveImageInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc='image to save')
    out_file = traits.Str(mandatory=True, desc='final path')
    metadata = traits.Dict(desc='sidecar entries known when the graph is built')
    parameters = traits.Dict(desc='sidecar entry Parameters, known when the step has run')
    scale = traits.Float(1.0, usedefault=True, desc='factor from working unit to stored unit')
    dtype = traits.Enum('float32', 'uint8', 'int16', 'int32', usedefault=True, desc='type on disk')


class _SaveImageOutputSpec(TraitedSpec):
    out_file = File(desc='saved image')
    sidecar = File(desc='its JSON sidecar')


class SaveImage(SimpleInterface):
    """Save an image under its final name, with its JSON sidecar."""

    input_spec = _SaveImageInputSpec
    output_spec = _SaveImageOutputSpec
    _always_run = True  # a deleted result comes back even where the working folder remembers it

    def _run_interface(self, runtime):
        import nibabel as nib

        image = nib.load(self.inputs.in_file)
        data = np.asanyarray(image.dataobj)
        if self.inputs.scale != 1:
            data = data * np.float32(self.inputs.scale)
        out_file = Path(self.inputs.out_file)
        save_image(data, image.affine, out_file, dtype=np.dtype(self.inputs.dtype))
        sidecar = sidecar_of(out_file)
        content = dict(self.inputs.metadata) if isdefined(self.inputs.metadata) else {}
        if isdefined(self.inputs.parameters):
            content['Parameters'] = self.inputs.parameters
        save_json(content, sidecar)
        self._results.update(out_file=str(out_file), sidecar=str(sidecar))
        return runtime


class _SaveFileInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc='file to copy')
    out_file = traits.Str(mandatory=True, desc='final path')


class _SaveFileOutputSpec(TraitedSpec):
    out_file = File(desc='saved file')


class SaveFile(SimpleInterface):
    """Copy a finished file to its final name."""

    input_spec = _SaveFileInputSpec
    output_spec = _SaveFileOutputSpec
    _always_run = True

    def _run_interface(self, runtime):
        copy_file(self.inputs.in_file, self.inputs.out_file)
        self._results['out_file'] = self.inputs.out_file
        return runtime


class _SaveFolderInputSpec(BaseInterfaceInputSpec):
    in_files = traits.List(File(exists=True), mandatory=True, desc='files to save')
    out_dir = traits.Str(mandatory=True, desc='where they go, under their own names')
    pattern = traits.Str(mandatory=True, desc='older files of this pattern are removed')


class _SaveFolderOutputSpec(TraitedSpec):
    out_files = traits.List(File, desc='saved files')


class SaveFolder(SimpleInterface):
    """Save files whose number is known only when they are made; remove those of earlier runs."""

    input_spec = _SaveFolderInputSpec
    output_spec = _SaveFolderOutputSpec
    _always_run = True

    def _run_interface(self, runtime):
        folder = Path(self.inputs.out_dir)
        saved = [copy_file(f, folder / Path(f).name) for f in self.inputs.in_files]
        for stale in set(folder.glob(self.inputs.pattern)) - set(saved):
            stale.unlink()
        self._results['out_files'] = [str(path) for path in saved]
        return runtime


class _DiscardInputSpec(BaseInterfaceInputSpec):
    files = traits.List(traits.Str, mandatory=True, desc='final paths that this run leaves out')


class _DiscardOutputSpec(TraitedSpec):
    removed = traits.List(traits.Str, desc='files that were there')


class Discard(SimpleInterface):
    """Remove results that an earlier run with other options left and this one does not make."""

    input_spec = _DiscardInputSpec
    output_spec = _DiscardOutputSpec
    _always_run = True

    def _run_interface(self, runtime):
        removed = []
        for name in self.inputs.files:
            image = Path(name)
            for path in (image, sidecar_of(image)):
                if path.is_file():
                    path.unlink()
                    removed.append(str(path))
        self._results['removed'] = removed
        return runtime


class _GatherInputSpec(DynamicTraitedSpec, BaseInterfaceInputSpec):
    pass


class _GatherOutputSpec(TraitedSpec):
    out = traits.Dict(desc='the fields by name; those that are not connected are None')


class Gather(IOBase):
    """Collect named fields of several nodes in one dictionary.

    Parameters
    ----------
    fields
        Names of the inputs; all optional.
    """

    input_spec = _GatherInputSpec
    output_spec = _GatherOutputSpec
    _always_run = False

    def __init__(self, fields=(), **inputs):
        super().__init__(**inputs)
        self._fields = list(fields)
        add_traits(self.inputs, self._fields)

    def _list_outputs(self):
        values = {name: getattr(self.inputs, name) for name in self._fields}
        return {'out': {k: v if isdefined(v) else None for k, v in values.items()}}


class _MarkCompleteInputSpec(BaseInterfaceInputSpec):
    files = traits.List(traits.Str, mandatory=True, desc='results that must be complete')
    root = traits.Str(mandatory=True, desc='output folder')
    key = traits.Str(mandatory=True, desc='fingerprint of inputs and options')
    marker = traits.Str(mandatory=True, desc='file that says so')


class _MarkCompleteOutputSpec(TraitedSpec):
    marker = File(desc='written marker')


class MarkComplete(SimpleInterface):
    """Write the marker that lets the next run pass over this visit."""

    input_spec = _MarkCompleteInputSpec
    output_spec = _MarkCompleteOutputSpec
    _always_run = True

    def _run_interface(self, runtime):
        root = Path(self.inputs.root)
        files = [Path(f) for f in self.inputs.files]
        mark_complete(Path(self.inputs.marker), self.inputs.key, files, root)
        self._results['marker'] = self.inputs.marker
        return runtime
