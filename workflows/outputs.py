"""All participant-level sinks: which result goes to disk, under which name, with which unit."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from nipype.interfaces.utility import IdentityInterface, Merge
from nipype.pipeline.engine import Node, Workflow

from ..interfaces.bids import io_spec
from ..interfaces.outputs import Discard, SaveFile, SaveImage

ANAT_IMAGES = {'t1w_preproc': 'float32', 'brain_mask': 'uint8'}
ANAT_FILES = ('t1w_to_template_xfm', 'template_to_t1w_xfm')
SCAN_IMAGES = {
    'chimap': 'float32',
    'totalfield': 'float32',
    'localfield': 'float32',
    'r2star': 'float32',
    't2star': 'float32',
    's0': 'float32',
    'paramagnetic': 'float32',
    'diamagnetic': 'float32',
    'qsm_mask': 'uint8',
    'dseg': 'uint8',
}
SCAN_FILES = ('gre_to_t1w_xfm', 'dseg_tsv')
_FIELDS_IN_HZ = ('totalfield', 'localfield')


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
        Sidecar entries by field (see `ANAT_IMAGES`).

    Inputs
    ------
    t1w_preproc, brain_mask
        Images in T1w space.
    t1w_to_template_xfm, template_to_t1w_xfm
        Composite ITK transforms.
    parameters
        What the steps report of themselves.

    Outputs
    -------
    files
        Everything saved.
    """
    workflow = Workflow(name=name)
    inputnode = Node(
        IdentityInterface([*ANAT_IMAGES, *ANAT_FILES, 'parameters']), name='inputnode'
    )
    sinks = _image_sinks(ANAT_IMAGES, folder, prefix, metadata, scale={})
    sinks |= _file_sinks(ANAT_FILES, folder, prefix)
    _connect_sinks(workflow, inputnode, sinks, images=ANAT_IMAGES)
    for field in ANAT_IMAGES:
        workflow.connect(inputnode, 'parameters', sinks[field], 'parameters')
    return workflow


def init_scan_outputs_wf(
    *,
    folder: Path,
    prefix: str,
    metadata: Mapping[str, Any],
    hz_per_ppm: float,
    left_out: Collection[str] = (),
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
        Sidecar entries by field (see `SCAN_IMAGES`).
    hz_per_ppm
        Field maps are stored in Hz, as BIDS says; nigra works in ppm.
    left_out
        Images that this run does not make (see `SCAN_IMAGES`); those that an earlier run with
        other options has left are removed.

    Inputs
    ------
    chimap, totalfield, localfield, r2star, t2star, s0, paramagnetic, diamagnetic, qsm_mask, dseg
        Images in acquisition space.
    gre_to_t1w_xfm, dseg_tsv
        Files copied as they are.
    parameters, label_parameters
        What every step of the reconstruction, and the registration, report of themselves.

    Outputs
    -------
    files
        Everything saved.
    """
    workflow = Workflow(name=name)
    images = {k: v for k, v in SCAN_IMAGES.items() if k not in left_out}
    fields = [*SCAN_IMAGES, *SCAN_FILES, 'parameters', 'label_parameters']
    inputnode = Node(IdentityInterface(fields), name='inputnode')
    scale = dict.fromkeys(_FIELDS_IN_HZ, hz_per_ppm)
    sinks = _image_sinks(images, folder, prefix, metadata, scale=scale)
    sinks |= _file_sinks(SCAN_FILES, folder, prefix)
    _connect_sinks(workflow, inputnode, sinks, images=images)
    for field in images:
        if field not in ('qsm_mask', 'dseg'):
            workflow.connect(inputnode, 'parameters', sinks[field], 'parameters')
    workflow.connect(inputnode, 'label_parameters', sinks['dseg'], 'parameters')
    if left_out:
        stale = [output_path(field, folder, prefix) for field in sorted(left_out)]
        workflow.add_nodes([Node(Discard(files=stale), name='discard')])
    return workflow


def output_path(field: str, folder: Path, prefix: str) -> str:
    """Final path of a result, from the patterns in `data/io_spec.json`."""
    return str(folder / f'{prefix}{io_spec()["derivatives"][field]}')


def _image_sinks(
    images: Mapping[str, str],
    folder: Path,
    prefix: str,
    metadata: Mapping[str, Any],
    *,
    scale: Mapping[str, float],
) -> dict[str, Node]:
    return {
        field: Node(
            SaveImage(
                out_file=output_path(field, folder, prefix),
                metadata=dict(metadata.get(field, {})),
                scale=scale.get(field, 1.0),
                dtype=dtype,
            ),
            name=f'save_{field}',
        )
        for field, dtype in images.items()
    }


def _file_sinks(names: tuple[str, ...], folder: Path, prefix: str) -> dict[str, Node]:
    return {
        field: Node(SaveFile(out_file=output_path(field, folder, prefix)), name=f'save_{field}')
        for field in names
    }


def _connect_sinks(
    workflow: Workflow, inputnode: Node, sinks: Mapping[str, Node], *, images: Mapping[str, str]
) -> None:
    outputnode = Node(IdentityInterface(['files']), name='outputnode')
    gather = Node(Merge(len(sinks) + len(images)), name='gather')
    slot = 0
    for field, sink in sinks.items():
        workflow.connect(inputnode, field, sink, 'in_file')
        for output in ('out_file', 'sidecar') if field in images else ('out_file',):
            slot += 1
            workflow.connect(sink, output, gather, f'in{slot}')
    workflow.connect(gather, 'out', outputnode, 'files')
