"""From the derivatives of all participants to the group comparison and its report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nipype.interfaces.utility import Merge
from nipype.pipeline.engine import Node, Workflow

from .. import __version__
from ..interfaces.outputs import SaveFile
from ..interfaces.quality import GatherQuality
from ..interfaces.report import GroupReport
from ..interfaces.stats import GatherRegions, GroupModels

TABLES = {
    'regions': 'group_regions',
    'models': 'group_models',
    'contrasts': 'group_contrasts',
    'means': 'group_means',
    'correlations': 'group_correlations',
    'exclusions': 'exclusions',
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
    group_column: str = 'group',
    covariates: Sequence[str] | None = None,
    score_columns: Sequence[str] | None = None,
    regions: Sequence[str] | None = None,
    reference_group: str | None = None,
    permutations: int = 0,
    seed: int = 1,
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
    group_column
        Column of groups.
    covariates
        Columns to adjust for; age and sex where present if None.
    score_columns
        Clinical scores to correlate; edss where present if None.
    regions
        Regions to compare; all but the fine parts of nuclei if None.
    reference_group
        Group that the others are compared with; controls by name if None.
    permutations, seed, nthreads
        Of the permutation tests; 0 permutations leave them out.
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
    gather = Node(
        GatherRegions(
            derivatives_dir=str(derivatives_dir),
            participants_file=str(participants_file),
            group_column=group_column,
        ),
        name='gather',
    )
    models = Node(
        GroupModels(
            group_column=group_column,
            source=str(participants_file),
            permutations=permutations,
            seed=seed,
            nthreads=nthreads,
        ),
        name='models',
    )
    for field, value in (
        ('covariates', None if covariates is None else list(covariates)),
        ('scores', None if score_columns is None else list(score_columns)),
        ('regions', None if regions is None else list(regions)),
        ('reference_group', reference_group),
    ):
        if value is not None:
            setattr(models.inputs, field, value)
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
