"""From the derivatives of all participants to the group comparison and its report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nipype.interfaces.utility import Merge
from nipype.pipeline.engine import Node, Workflow

from .. import __version__
from ..interfaces.gather import GatherRegions
from ..interfaces.outputs import SaveFile
from ..interfaces.quality import GatherQuality
from ..interfaces.report import GroupReport
from ..interfaces.stats import GroupModels, plain_question
from ..nodes.question import Question

TABLES = {
    'regions': 'group_regions',
    'models': 'group_models',
    'contrasts': 'group_contrasts',
    'means': 'group_means',
    'sides': 'group_sides',
    'interactions': 'group_interactions',
    'correlations': 'group_correlations',
    'exclusions': 'exclusions',
    'values': 'group_values',
    'quality': 'group_quality',
}
"""Final names without suffix, by table."""

REPORT = 'group.html'
GROUP_OUTPUTS = (*(f'{name}.{kind}' for name in TABLES.values() for kind in ('tsv', 'json')),
                 REPORT)  # fmt: skip
"""Everything that the group level leaves in the output folder."""


def init_group_wf(
    *,
    derivatives_dir: str | Path,
    participants_file: str | Path,
    output_dir: str | Path,
    question: Question | None = None,
    regions: Sequence[str] | None = None,
    sessions: Sequence[str] = (),
    nthreads: int = 1,
    methods_html: str = '',
    name: str = 'group_wf',
) -> Workflow:
    """Gather region tables, compare groups, save tables, report.

    gather -> models -> save_* -> report, and quality beside them

    Parameters
    ----------
    derivatives_dir
        Root of the participants' derivatives; nothing else of the study is read.
    participants_file
        Table of participants.
    output_dir
        Where `GROUP_OUTPUTS` go.
    question
        Who is compared, in what; the default by default.
    regions
        Regions to compare; all but the fine parts of nuclei if None.
    sessions
        Sessions to compare; the first of each participant if empty.
    nthreads
        Threads of permutations and resamples.
    methods_html
        Methods text for the report.
    name
        Of the workflow.

    Outputs
    -------
    Files `GROUP_OUTPUTS` in `output_dir`.
    """
    output_dir = Path(output_dir)
    workflow = Workflow(name=name)
    question = question or Question()
    gather = Node(
        GatherRegions(
            derivatives_dir=str(derivatives_dir),
            participants_file=str(participants_file),
            group_column=question.group_column,
            sessions=list(sessions),
        ),
        name='gather',
    )
    models = Node(
        GroupModels(
            question=plain_question(question), source=str(participants_file), nthreads=nthreads
        ),
        name='models',
    )
    if regions is not None:
        models.inputs.regions = list(regions)
    quality = Node(GatherQuality(derivatives_dir=str(derivatives_dir)), name='quality')
    warnings = Node(Merge(3), name='warnings')
    report = Node(
        GroupReport(
            methods_html=methods_html,
            version=__version__,
            out_file=str(output_dir / REPORT),
        ),
        name='report',
    )
    workflow.connect([
        (gather, models, [('regions_tsv', 'regions_tsv'), ('exclusions_tsv', 'exclusions_tsv')]),
        (gather, warnings, [('warnings', 'in1')]),
        (models, warnings, [('warnings', 'in2')]),
        (quality, warnings, [('warnings', 'in3')]),
        (warnings, report, [('out', 'warnings')]),
        (models, report, [('settings', 'settings')]),
    ])  # fmt: skip
    for table, stem in TABLES.items():
        source = {'regions': gather, 'quality': quality}.get(table, models)
        for kind in ('tsv', 'json'):
            save = Node(
                SaveFile(out_file=str(output_dir / f'{stem}.{kind}')), name=f'save_{table}_{kind}'
            )
            workflow.connect(source, f'{table}_{kind}', save, 'in_file')
            if kind == 'tsv':
                workflow.connect(save, 'out_file', report, f'{table}_tsv')
    return workflow
