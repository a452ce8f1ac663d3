"""Options of the `nigra` command but those of `Methods`: flags, and what argparse is to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..nodes.statistics.measures import DEFAULT_MEASURES, MEASURES
from ..nodes.statistics.question import (
    BOOTSTRAPS,
    PERMUTATIONS,
    VOXEL_PERMUTATIONS,
    Question,
)
from .numbers import amount, analysis_name, draws, gigabytes, memory, positive

Options = dict[tuple[str, ...], dict[str, Any]]
"""Keywords of `add_argument` by flags."""


SELECTION: Options = {
    ('--participant-label',): {
        'nargs': '+',
        'default': [],
        'metavar': 'LABEL',
        'help': 'participants to process, with or without "sub-"',
    },
    ('--session-label',): {
        'nargs': '+',
        'default': [],
        'metavar': 'LABEL',
        'help': 'sessions to process, with or without "ses-"',
    },
    ('--bids-filter-file',): {
        'type': Path,
        'metavar': 'FILE',
        'help': 'JSON with further entities for the queries "t1w" and "gre"',
    },
    ('-d', '--derivatives'): {
        'type': Path,
        'metavar': 'DIR',
        'help': 'derivative data set with a brain mask for every T1w image '
        '(anat/*_desc-brain_mask.nii.gz), used instead of our own',
    },
    ('--skip-bids-validation',): {
        'action': 'store_true',
        'help': 'do not run bids-validator-deno (it runs only where installed)',
    },
}
"""Which data."""

COMPARISON: Options = {
    ('--participants-file',): {
        'type': Path,
        'metavar': 'FILE',
        'help': 'table of participants (default: participants.tsv of BIDS_DIR)',
    },
    ('--exclude-rated',): {
        'nargs': '+',
        'type': Path,
        'default': [],
        'metavar': 'FILE',
        'help': 'tables of ratings, as the pages save them: visits rated "exclude" are left out',
    },
    ('--group-column',): {
        'default': Question.group_column,
        'metavar': 'COLUMN',
        'help': 'column that holds the groups (default: %(default)s)',
    },
    ('--groups',): {
        'nargs': '+',
        'default': None,
        'metavar': 'LEVEL',
        'help': 'groups to compare (default: all)',
    },
    ('--reference-group',): {
        'metavar': 'LEVEL',
        'help': 'group that the others are compared with (default: the controls)',
    },
    ('--contrasts',): {
        'nargs': '+',
        'default': None,
        'metavar': 'CONTRAST',
        'help': 'differences to test, such as "NMO - HC" or "NMO + RRMS - HC" for the mean of two '
        'groups less a third (default: all pairs)',
    },
    ('--covariates',): {
        'nargs': '*',
        'default': None,
        'metavar': 'COLUMN',
        'help': 'columns to adjust for; C(COLUMN) treats numbers as categories (default: age and '
        'sex where present)',
    },
    ('--interactions',): {
        'nargs': '+',
        'default': [],
        'metavar': 'COLUMN',
        'help': 'covariates whose effect may differ between groups, each tested',
    },
    ('--scores',): {
        'nargs': '*',
        'default': None,
        'metavar': 'COLUMN',
        'help': 'clinical scores to correlate (default: edss)',
    },
    ('--measures',): {
        'nargs': '+',
        'default': list(DEFAULT_MEASURES),
        'metavar': 'MEASURE',
        'help': 'what to compare: '
        + ', '.join(f'{measure.name} ({measure.title})' for measure in MEASURES.values())
        + f' (default: {" ".join(DEFAULT_MEASURES)})',
    },
    ('--regions',): {
        'nargs': '+',
        'default': None,
        'metavar': 'REGION',
        'help': 'regions to compare (default: all but the fine parts of nuclei)',
    },
    ('--harmonise',): {
        'metavar': 'COLUMN',
        'help': 'column of scanners or sites whose differences ComBat takes out (needs the '
        'package combatlearn)',
    },
    ('--analysis-name',): {
        'type': analysis_name,
        'metavar': 'NAME',
        'help': 'keep this comparison in OUTPUT_DIR/analyses/NAME, beside others',
    },
    ('--permutations',): {
        'type': draws,
        'default': PERMUTATIONS,
        'metavar': 'N',
        'help': 'number of permutations for the permutation tests, 0 for none (default: '
        '%(default)s)',
    },
    ('--bootstraps',): {
        'type': draws,
        'default': BOOTSTRAPS,
        'metavar': 'N',
        'help': 'number of resamples for the bootstrap intervals, 0 for none (default: '
        '%(default)s)',
    },
}
"""Group comparison, region by region."""

VOXELWISE: Options = {
    ('--voxelwise',): {
        'type': draws,
        'nargs': '?',
        'const': VOXEL_PERMUTATIONS,
        'default': Question.voxelwise,
        'metavar': 'N',
        'help': 'also compare maps voxel by voxel in template space, with N permutations '
        f'(default of N: {VOXEL_PERMUTATIONS})',
    },
    ('--smoothing',): {
        'type': amount,
        'default': Question.smoothing,
        'metavar': 'MM',
        'help': 'full width at half maximum of the smoothing before that (default: %(default)s)',
    },
}
"""Group comparison, voxel by voxel."""

RUNNING: Options = {
    ('-w', '--work-dir'): {
        'type': Path,
        'metavar': 'DIR',
        'help': 'working folder (default: OUTPUT_DIR/work)',
    },
    ('--nprocs',): {
        'type': positive,
        'default': None,
        'metavar': 'N',
        'help': 'steps to run at once (default: all processors)',
    },
    ('--omp-nthreads',): {
        'type': positive,
        'default': 1,
        'metavar': 'N',
        'help': 'threads of one step; the result does not depend on it (default: %(default)s)',
    },
    ('--mem-gb',): {
        'type': gigabytes,
        'metavar': 'GB',
        'help': 'memory that all steps together may use',
    },
    ('--mem',): {
        'type': memory,
        'dest': 'mem_gb',
        'metavar': 'SIZE',
        'help': 'the same with a unit, such as 8G; a number alone is of MB',
    },
    ('--use-plugin',): {
        'type': Path,
        'metavar': 'FILE',
        'help': 'YAML or JSON with a Nipype `plugin` and its `plugin_args`',
    },
    ('--stop-on-first-crash',): {
        'action': 'store_true',
        'help': 'end at the first failure instead of finishing the others',
    },
    ('--dry-run',): {
        'action': 'store_true',
        'help': 'look at all names, sidecars and headers, tell what would be done and all that is '
        'wrong, and stop',
    },
    ('--boilerplate-only',): {
        'action': 'store_true',
        'help': 'write the methods text and stop',
    },
    ('--write-graph',): {
        'action': 'store_true',
        'help': 'save the graph of steps of the first visit as logs/graph.dot',
    },
    ('--keep-workdir',): {
        'action': 'store_true',
        'help': 'keep the intermediate files of visits that are complete',
    },
    ('--clean-workdir',): {
        'action': 'store_false',
        'dest': 'keep_workdir',
        'help': 'remove them (the default)',
    },
    ('--config-file',): {
        'type': Path,
        'metavar': 'FILE',
        'help': 'TOML with options by their long names; the command line wins',
    },
}
"""How to run."""

CLUSTER: Options = {
    ('--slurm',): {
        'action': 'store_true',
        'help': 'submit to Slurm: an array with a task for each participant that is not complete, '
        'and the group level after it; with --dry-run print the scripts (docs/cluster.md)',
    },
    ('--pbs',): {'action': 'store_true', 'help': 'the same with PBS'},
    ('--sge',): {'action': 'store_true', 'help': 'the same with SGE'},
    ('--cluster-profile',): {
        'type': Path,
        'metavar': 'FILE',
        'help': 'TOML with what the cluster wants: partition, account, time, memory, container, '
        'modules (default: the file that the variable NIGRA_CLUSTER_PROFILE names)',
    },
    ('--slurm-args',): {
        'default': '',
        'metavar': 'ARGS',
        'help': 'further options of sbatch, in quotes: --slurm-args="--qos=long --mem=8G"',
    },
    ('--array-size',): {
        'type': positive,
        'metavar': 'N',
        'help': 'participants that one task does, one after the other (default: 1)',
    },
    ('--task-record',): {
        'type': Path,
        'metavar': 'FILE',
        'help': 'write what failed there, as JSON, and leave the tables of the look at the whole '
        'study alone; given to tasks of a cluster',
    },
}
"""On a cluster."""
