"""All participant-level sinks: which result goes to disk, under which name, with which unit."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from nipype.interfaces.utility import IdentityInterface, Merge
from nipype.pipeline.engine import Node, Workflow

from ..interfaces.names import Output, images, output_path, outputs
from ..interfaces.outputs import Discard, SaveFile, SaveImage
from .graph import light


def init_anat_outputs_wf(
    *, folder: Path, prefix: str, metadata: Mapping[str, Any], name: str = 'anat_outputs_wf'
) -> Workflow:
    """Save the anatomical results of a visit.

    Parameters
    ----------
    folder
        Where the files go.
    prefix
        Entities of the T1w image: `sub-01` or `sub-01_ses-1`.
    metadata
        Sidecar entries by field.

    Inputs
    ------
    (fields of `outputs('anat')`)
        Images and transforms of the T1w image.
    parameters
        What the steps report of themselves.

    Outputs
    -------
    files
        Everything saved.
    """
    return _sinks_wf('anat', images('anat'), folder, prefix, metadata, name=name)


def init_scan_outputs_wf(
    *,
    folder: Path,
    prefix: str,
    metadata: Mapping[str, Any],
    hz_per_ppm: float,
    there: Collection[str],
    name: str = 'scan_outputs_wf',
) -> Workflow:
    """Save the maps, labels and transforms of one gradient-echo run.

    Parameters
    ----------
    folder
        Where the files go.
    prefix
        Entities of the run.
    metadata
        Sidecar entries by field.
    hz_per_ppm
        Factor from working to stored unit of field maps.
    there
        What this run has of `Output.needs`. Images that need more, which an earlier run with
        other options has left, are removed.

    Inputs
    ------
    (fields of `outputs('scan')`)
        Images in acquisition space, and files copied as they are.
    parameters, label_parameters
        What every step of the reconstruction, and the registration, report of themselves.

    Outputs
    -------
    files
        Everything saved.
    """
    made = images('scan', there)
    workflow = _sinks_wf('scan', made, folder, prefix, metadata, hz_per_ppm=hz_per_ppm, name=name)
    stale = [output_path(f, folder, prefix) for f in sorted(set(images('scan')) - set(made))]
    if stale:
        workflow.add_nodes([light(Discard(files=stale), 'discard')])
    return workflow


def _sinks_wf(
    level: str,
    made: Mapping[str, Output],
    folder: Path,
    prefix: str,
    metadata: Mapping[str, Any],
    *,
    name: str,
    hz_per_ppm: float = 1.0,
) -> Workflow:
    """A sink for every image made and every file copied; `files` are all that they save."""
    workflow = Workflow(name=name)
    copied = [field for field, output in outputs(level).items() if output.copied]
    settings = dict.fromkeys(o.parameters for o in outputs(level).values() if o.parameters)
    inputnode = Node(IdentityInterface([*images(level), *copied, *settings]), name='inputnode')
    outputnode = Node(IdentityInterface(['files']), name='outputnode')
    gather = light(Merge(2 * len(made) + len(copied)), 'gather')
    saved = []
    for field, output in made.items():
        sink = Node(
            SaveImage(
                out_file=output_path(field, folder, prefix),
                metadata=dict(metadata.get(field, {})),
                scale=hz_per_ppm if output.in_hz else 1.0,
                dtype=output.dtype,
            ),
            name=f'save_{field}',
        )
        workflow.connect(inputnode, field, sink, 'in_file')
        if output.parameters:
            workflow.connect(inputnode, output.parameters, sink, 'parameters')
        saved += [(sink, 'out_file'), (sink, 'sidecar')]
    for field in copied:
        sink = Node(SaveFile(out_file=output_path(field, folder, prefix)), name=f'save_{field}')
        workflow.connect(inputnode, field, sink, 'in_file')
        saved.append((sink, 'out_file'))
    for slot, (sink, output_field) in enumerate(saved, start=1):
        workflow.connect(sink, output_field, gather, f'in{slot}')
    workflow.connect(gather, 'out', outputnode, 'files')
    return workflow
