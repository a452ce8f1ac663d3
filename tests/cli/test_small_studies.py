"""Studies as small as they may be, through their commands: a test that cannot be made is n/a."""

import re
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from toy_cohort import make_people, region_rows, write_participants, write_study, write_visit

from nigra.cli import main
from nigra.cli.power_cli import main as power
from nigra.interfaces.anatomy.itk import Engine
from nigra.interfaces.tables import read_table
from nigra.interfaces.template_maps import comparison_ground

QUICK = ('--permutations', '0', '--bootstraps', '0', '--nprocs', '1')


def test_ranks_that_fit_exactly_leave_the_other_tests(tmp_path):
    """Case 86: two groups of three with the default covariates."""
    out, rng = tmp_path / 'out', np.random.default_rng(1)
    people = make_people({'A': 3, 'B': 3}).assign(
        age=[30.0, 40, 50, 30, 40, 50], sex=list('FMFFMF'), edss=np.nan
    )
    exact = dict(zip(people.participant_id, [1.0, 2, 4, 11, 12, 14], strict=True))
    for who in people.participant_id:
        rows = region_rows(who, rng)
        rows.loc[rows.region == 'caudate', 'chi_mean'] = exact[who]
        write_visit(out, rows)
    file = write_participants(out / 'participants.tsv', people.drop(columns='edss'))
    assert main([str(file.parent.parent / 'raw'), str(out), 'group', *QUICK,
                 '--covariates', 'age']) == 0  # fmt: skip
    models = read_table(out / 'group_models.tsv').set_index(['measure', 'region', 'hemisphere'])
    caudate = models.loc[('chi_mean', 'caudate', 'both')]
    assert np.isnan(caudate.p_rank)
    assert 'p_rank n/a' in caudate.note
    assert models.p.notna().all()
    assert models.p_rank.notna().sum() == len(models) - 3
    assert read_table(out / 'group_contrasts.tsv').p.notna().all()
    assert 'p_rank n/a' in (out / 'group.html').read_text()
    assert main([str(tmp_path / 'raw'), str(out), 'group', *QUICK]) == 0
    assert read_table(out / 'group_models.tsv').p.notna().any()


def test_a_plan_of_some_regions_leaves_the_effects_on_others(capsys):
    """Case 98: the study changes other regions, too."""
    assert power(['--regions', 'thalamus', '--repetitions', '5']) == 0
    told = capsys.readouterr()
    assert 'thalamus' in told.out
    assert 'substantia_nigra' not in told.out
    assert told.err == ''


def write_maps(out, people):
    """Coarse maps and transforms of everyone where the participant level leaves them."""
    ground, rng = comparison_ground(), np.random.default_rng(2)
    affine = ground.affine @ np.diag([2.0, 2, 2, 1])
    shape = [n // 2 + 1 for n in ground.mask.shape]
    for who in people.participant_id:
        stem = str(out / who / 'anat' / who)
        for name, data in (('_Chimap', rng.normal(0, 0.02, shape)),
                           ('_space-GRE_desc-qsm_mask', np.ones(shape))):  # fmt: skip
            nib.save(nib.Nifti1Image(data.astype(np.float32), affine), f'{stem}{name}.nii.gz')
        for path in ('GRE_to-T1w', 'T1w_to-MNI152NLin2009cAsym'):
            Engine().linear_transform(np.eye(4), Path(f'{stem}_from-{path}_mode-image_xfm.h5'))


@pytest.mark.slow
def test_a_voxelwise_run_ends_with_its_last_step(tmp_path):
    """Case 92: it waited five minutes for idle workers, and counted more steps than there are."""
    out, people = tmp_path / 'out', make_people({'A': 4, 'B': 4, 'C': 4})
    write_study(out, people)
    write_maps(out, people)
    command = [sys.executable, '-m', 'nigra', str(tmp_path / 'raw'), str(out), 'group', '-v',
               '--voxelwise', '10', '--permutations', '0', '--bootstraps', '0', '--nprocs', '2',
               '--covariates', '--scores']  # fmt: skip
    told = []
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as run:
        for line in run.stderr:
            told.append((time.monotonic(), line))
        status = run.wait()
    steps = [(when, found) for when, line in told
             if (found := re.search(r'\[(\d+)/(\d+)\] ', line))]  # fmt: skip
    assert status == 0
    assert time.monotonic() - steps[-1][0] < 60
    counts = [tuple(map(int, found.groups())) for _, found in steps]
    assert all(done <= total for done, total in counts)
    assert counts[-1][0] == counts[-1][1]
    assert list(out.glob('*_stat-t_statmap.nii.gz'))
