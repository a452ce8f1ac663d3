"""Helpers that build graphs: find nodes, connect what has one name, gather what steps report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nipype.interfaces.utility import IdentityInterface, Merge
from nipype.pipeline.engine import Node, Workflow

from ..interfaces.methods import Methods
from ..interfaces.outputs import Gather

ANTS_MEMORY = {'mem_gb': 1.5}
"""Of a step that runs ANTs on images of one head."""


def light(interface: Any, name: str) -> Node:
    """Node of a step without work: it needs no process, nor job of a cluster, of its own."""
    return Node(interface, name=name, run_without_submitting=True)


def engine_options(methods: Methods, nthreads: int = 1) -> dict[str, Any]:
    """How a step runs ANTs, as fields of `EngineInputSpec`."""
    return {
        'preset': methods.registration,
        'nthreads': nthreads,
        'random_seed': methods.random_seed,
    }


def add_ends(workflow: Workflow, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Nodes `inputnode` and `outputnode` with these fields."""
    workflow.add_nodes([
        Node(IdentityInterface(list(inputs)), name='inputnode'),
        Node(IdentityInterface(list(outputs)), name='outputnode'),
    ])  # fmt: skip


def nodes_of(workflow: Workflow, *names: str) -> list[Any]:
    """Nodes and workflows inside a workflow, by name."""
    return [workflow.get_node(name) for name in names]


def connect_same(
    workflow: Workflow, source: Workflow, target: Workflow, fields: Sequence[str]
) -> None:
    """Connect outputs of one workflow to inputs of another that have the same names."""
    pairs = [(f'outputnode.{name}', f'inputnode.{name}') for name in fields]
    workflow.connect([(source, target, pairs)])


def gather_reports(workflow: Workflow, report: str, steps: Mapping[str, str]) -> None:
    """Collect what several steps report, and hand it to the output node.

    Parameters
    ----------
    workflow
        Holds the steps and `outputnode`.
    report
        `quality` or `parameters`: the field of the steps, and the name of the new node.
    steps
        Names of nodes or workflows, by the key that their report gets.
    """
    node = light(Gather(list(steps)), report)
    for key, name in steps.items():
        workflow.connect(*_output(workflow, name, report), node, key)
    workflow.connect(node, 'out', workflow.get_node('outputnode'), report)


def merge_warnings(workflow: Workflow, *steps: str) -> None:
    """Collect the warnings of several steps in this order, and hand them to the output node."""
    node = light(Merge(len(steps)), 'warnings')
    for slot, name in enumerate(steps, start=1):
        workflow.connect(*_output(workflow, name, 'warnings'), node, f'in{slot}')
    workflow.connect(node, 'out', workflow.get_node('outputnode'), 'warnings')


def final_files(workflow: Workflow, root: Path) -> list[Path]:
    """Files below a folder that the nodes of a graph will write, with the sidecars beside them."""
    found: set[Path] = set()
    for name in workflow.list_node_names():
        path = getattr(workflow.get_node(name).inputs, 'out_file', None)
        if isinstance(path, str) and Path(path).is_relative_to(root):
            stem = path.removesuffix('.nii.gz').removesuffix('.tsv')
            found |= {Path(path), *([Path(f'{stem}.json')] if stem != path else [])}
    return sorted(found)


def _output(workflow: Workflow, name: str, field: str) -> tuple[Any, str]:
    """A step, and its output's name; that of a workflow stands in its output node."""
    step = workflow.get_node(name)
    return step, f'outputnode.{field}' if isinstance(step, Workflow) else field
