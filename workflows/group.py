"""From the derivatives of all participants to the group comparison and its report."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import quote

from nipype.interfaces.utility import IdentityInterface, Merge
from nipype.pipeline.engine import MapNode, Node, Workflow

from .. import __version__
from ..interfaces.agreement import Told
from ..interfaces.gather import GatherRegions
from ..interfaces.group_tables import GROUP_TABLES, KINDS
from ..interfaces.outputs import SaveFile, SaveFolder
from ..interfaces.quality import GatherQuality
from ..interfaces.reports.methods_text import GroupMethods
from ..interfaces.reports.people_page import GroupPeople
from ..interfaces.reports.provenance import describe_study
from ..interfaces.reports.references import code_span
from ..interfaces.reports.report import PEOPLE, GroupReport
from ..interfaces.reports.viewer_group import GroupViewer
from ..interfaces.stats import GroupModels, plain_question
from ..interfaces.template_maps import GatherMaps, MapInTemplate
from ..interfaces.voxelwise import STEM, VoxelModels
from ..nodes.statistics.question import Question
from .graph import light

REPORT, VIEWER = 'group.html', 'group_viewer.html'


def output_names(*, voxelwise: bool = False) -> tuple[str, ...]:
    """Names of what the group level leaves in the output folder, but for the voxel-wise maps."""
    tables = [t for t in GROUP_TABLES.values() if voxelwise or t.made_by != 'voxels']
    return (*(name for table in tables for name in table.files), REPORT, PEOPLE, VIEWER)


def init_group_wf(
    *, derivatives_dir: str | Path, participants_file: str | Path, output_dir: str | Path,
    question: Question | None = None, sessions: Sequence[str] = (), nthreads: int = 1,
    told: Told | None = None, bids_dir: str | Path | None = None, ratings: Sequence[Path] = (),
    command: str = '', name: str = 'group_wf',
) -> Workflow:  # fmt: skip
    """Gather region tables, compare groups, save tables, report.

    gather -> models -> save_* -> report, and quality and voxels_wf beside them

    Parameters
    ----------
    derivatives_dir
        Root of the participants' derivatives; no image of the study is read.
    participants_file
        Table of participants.
    output_dir
        Where the files of `output_names` go; the workflow has no other results.
    question
        Who is compared, in what; the default by default.
    sessions
        Sessions to compare; the first of each participant if empty.
    nthreads
        Threads of permutations and resamples.
    told
        How the derivatives were made, for the methods text, which goes into the folder `logs` of
        `output_dir`; no text if None.
    bids_dir
        Where tables of sessions lie that are not beside the participants' table.
    ratings
        Tables of ratings, as pages save them: visits rated `exclude` are left out.
    command
        That runs this, as typed.
    name
        Of the workflow.
    """
    workflow, output_dir = Workflow(name=name), Path(output_dir)
    question = question or Question()
    shared: dict[str, Any] = {
        'derivatives_dir': str(derivatives_dir), 'participants_file': str(participants_file),
        'question': question, 'sessions': list(sessions), 'nthreads': nthreads,
    }  # fmt: skip
    nodes = _comparison(workflow, **shared)
    if bids_dir is not None:
        nodes['gather'].inputs.bids_dir = str(bids_dir)
    nodes['gather'].inputs.ratings = [str(path) for path in ratings]
    about = {
        'version': __version__, 'home': _way(output_dir, derivatives_dir),
        'study': describe_study(bids_dir or derivatives_dir, command),
    }  # fmt: skip
    report = Node(GroupReport(out_file=str(output_dir / REPORT), **about), name='report')
    viewer = Node(GroupViewer(out_file=str(output_dir / VIEWER), **about), name='viewer')
    people = Node(GroupPeople(out_file=str(output_dir / PEOPLE), **about), name='people')
    workflow.connect([(report, page, [('shown', 'shown')]) for page in (people, viewer)])
    workflow.connect(nodes['models'], 'settings', report, 'settings')
    if told is not None:
        text = _methods_text(told, output_dir)
        workflow.connect([
            (nodes['models'], text, [('settings', 'settings')]),
            (text, report, [('html', 'methods_html')]),
        ])  # fmt: skip
    for table, save in _save_tables(workflow, nodes, output_dir):
        workflow.connect(save, 'out_file', report, f'{table}_tsv')
    sentences = [(node, 'warnings') for node in nodes.values()]
    if question.voxelwise:
        voxels_wf = init_voxels_wf(output_dir=output_dir, ratings=ratings, **shared)
        sentences += _connect_voxels(workflow, voxels_wf, nodes['gather'], report)
    _collect(workflow, sentences, report)
    return workflow


def _connect_voxels(
    workflow: Workflow, voxels_wf: Workflow, gather: Node, report: Node
) -> list[tuple[Any, str]]:
    """Connect the voxel-wise comparison; where its warnings come from."""
    workflow.connect([
        (gather, voxels_wf, [('regions_tsv', 'inputnode.regions_tsv')]),
        (voxels_wf, report, [('outputnode.clusters_tsv', 'clusters_tsv'),
                             ('outputnode.maps', 'voxel_maps')]),
    ])  # fmt: skip
    return [(voxels_wf, f'outputnode.{n}') for n in ('gather_warnings', 'warnings')]


def _way(page_dir: Path, derivatives_dir: str | Path) -> str:
    """Way from the page's folder to that of people's pages; empty where they are the same."""
    way = os.path.relpath(derivatives_dir, page_dir)
    return '' if way == os.curdir else f'{quote(Path(way).as_posix())}/'


def _methods_text(told: Told, output_dir: Path) -> Node:
    """Node that writes the methods text of the study."""
    text = GroupMethods(
        echo_times=list(told.echo_times), notes=told.notes(code_span), version=__version__,
        single=list(told.single), out_dir=str(output_dir),
        masks={kind: list(runs) for kind, runs in told.masks.items()},
    )  # fmt: skip
    if told.methods is not None:
        text.inputs.methods = {f.name: getattr(told.methods, f.name) for f in fields(told.methods)}
    return Node(text, name='methods_text')


def _collect(workflow: Workflow, sentences: Sequence[tuple[Any, str]], report: Node) -> None:
    """Hand the warnings of all sources to the report, in their order."""
    warnings = light(Merge(len(sentences)), 'warnings')
    for number, (source, output) in enumerate(sentences, start=1):
        workflow.connect(source, output, warnings, f'in{number}')
    workflow.connect(warnings, 'out', report, 'warnings')


def _comparison(
    workflow: Workflow, *, derivatives_dir: str, participants_file: str, question: Question,
    sessions: list[str], nthreads: int,
) -> dict[str, Node]:  # fmt: skip
    """Nodes that make tables, by name; parameters as in `init_group_wf`."""
    gather = Node(
        GatherRegions(
            derivatives_dir=derivatives_dir, participants_file=participants_file,
            group_column=question.group_column, sessions=sessions,
        ),
        name='gather',
    )  # fmt: skip
    models = Node(
        GroupModels(
            question=plain_question(question), source=participants_file, nthreads=nthreads
        ),
        name='models',
    )
    quality = Node(GatherQuality(derivatives_dir=derivatives_dir), name='quality')
    workflow.connect([
        (gather, models, [('regions_tsv', 'regions_tsv'), ('exclusions_tsv', 'exclusions_tsv')]),
    ])  # fmt: skip
    return {'gather': gather, 'models': models, 'quality': quality}


def _save_tables(
    workflow: Workflow, nodes: Mapping[str, Node], output_dir: Path
) -> Iterator[tuple[str, Node]]:
    """Save all tables of some nodes under their final names; yield the sinks by table."""
    for table in GROUP_TABLES.values():
        if table.made_by not in nodes:
            continue
        sinks = [
            Node(SaveFile(out_file=str(output_dir / file)), name=f'save_{table.name}_{kind}')
            for kind, file in zip(KINDS, table.files, strict=True)
        ]
        for kind, save in zip(KINDS, sinks, strict=True):
            workflow.connect(nodes[table.made_by], f'{table.name}_{kind}', save, 'in_file')
        yield table.name, sinks[0]


def init_voxels_wf(
    *, derivatives_dir: str | Path, participants_file: str | Path, output_dir: Path,
    question: Question, sessions: Sequence[str], nthreads: int, ratings: Sequence[Path] = (),
    name: str = 'voxels_wf',
) -> Workflow:  # fmt: skip
    """Carry all maps into template space and compare the groups voxel by voxel.

    maps -> in_template (one per map) -> models -> save_*

    Parameters
    ----------
    derivatives_dir, participants_file, output_dir, question, sessions, nthreads, ratings, name
        As in `init_group_wf`.

    Inputs
    ------
    regions_tsv
        Region tables with the participants' columns.

    Outputs
    -------
    maps
        Images of tests, under their final names.
    clusters_tsv
        Table of clusters.
    gather_warnings, warnings
        Sentences.
    """
    workflow = Workflow(name=name)
    inputnode = Node(IdentityInterface(['regions_tsv']), name='inputnode')
    outputnode = Node(
        IdentityInterface(['maps', 'clusters_tsv', 'gather_warnings', 'warnings']),
        name='outputnode',
    )
    gather = GatherMaps(
        derivatives_dir=str(derivatives_dir), sessions=list(sessions),
        ratings=[str(path) for path in ratings],
    )  # fmt: skip
    maps = Node(gather, name='maps')
    names = ['chimap', 'mask', 'gre_to_t1w_xfm', 't1w_to_template_xfm']
    in_template = MapNode(
        MapInTemplate(fwhm=question.smoothing), iterfield=names, name='in_template'
    )
    compare = VoxelModels(
        question=plain_question(question), nthreads=nthreads, source=str(participants_file)
    )  # fmt: skip
    models = Node(compare, name='models')
    save_maps = Node(SaveFolder(out_dir=str(output_dir), pattern=f'{STEM}_*'), name='save_maps')
    workflow.connect([
        (maps, in_template, [(f'{field}s', field) for field in names]),
        (maps, models, [('participants', 'participants')]),
        (in_template, models, [('out_file', 'maps')]),
        (inputnode, models, [('regions_tsv', 'regions_tsv')]),
        (models, save_maps, [('out_files', 'in_files')]),
        (maps, outputnode, [('warnings', 'gather_warnings')]),
        (models, outputnode, [('warnings', 'warnings')]),
        (save_maps, outputnode, [('out_files', 'maps')]),
    ])  # fmt: skip
    for table, save in _save_tables(workflow, {'voxels': models}, output_dir):
        workflow.connect(save, 'out_file', outputnode, f'{table}_tsv')
    return workflow
