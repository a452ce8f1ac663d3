"""What a look tells of a study: its participants' table, and scans that differ between people."""

import json
import shutil

import numpy as np
import pytest
from helpers import anat, look, people, write_image
from toy_cohort import make_people, write_participants, write_study

from nigra.cli import main
from nigra.interfaces.tables import read_table


@pytest.mark.parametrize(
    ('written', 'shown'),
    [('1', 'sub-1'), ('SUB-01', 'SUB-01'), ('sub-1', 'sub-1'), ('sub-001', 'sub-001')],
)
def test_ids_that_are_spelt_otherwise_are_told_first(two, written, shown):
    """Case 99."""
    people(two, f'{written}\tA\t30\tF', 'sub-02\tB\t40\tM')
    status, _, problems = look(two, levels=('participant', 'group'))
    told = [text for level, about, text in problems if (level, about) == ('error', 'group')]
    assert status == 1
    assert len(told) == 1
    assert 'has no row for sub-01' in told[0]
    assert f'it has {shown} for sub-01; write the ids as the folders are called' in told[0]
    status, _, problems = look(two)
    assert status == 0  # nobody asked for a comparison
    assert any('for sub-01; write the ids' in text for level, _, text in problems)


def crowd(raw, rows):
    """Copies of the first participant, with rows of the table."""
    for row in rows:
        who = row.split('\t')[0]
        folder = raw / who / 'anat'
        if who not in ('sub-01', 'sub-02'):
            folder.mkdir(parents=True)
            for path in anat(raw).iterdir():
                shutil.copy(path, folder / path.name.replace('sub-01', who))
    people(raw, *rows)


GROUPS = [
    f'sub-0{i}\t{"A" if i < 5 else "B"}\t{30 + 3 * i % 11}\t{"FM"[i % 2]}' for i in range(1, 9)
]

GROUP_ERRORS = {
    '58 no table': (lambda rows: None, (), 'participants.tsv: is missing'),
    '59 commas': (lambda rows: [r.replace('\t', ',') for r in rows], (), 'cells in the row of'),
    '60 twice': (lambda rows: [*rows, rows[0]], (), 'names sub-01 more than once'),
    '60 not in the table': (lambda rows: rows[1:], (), 'has no row for sub-01'),
    '61 no column': (lambda rows: rows, ('--group-column', 'arm'), "has no column 'arm'"),
    '61 no level': (lambda rows: rows, ('--groups', 'A', 'C'), '--groups C: is no value of'),
    '61 spelt twice': (lambda rows: [change(rows[0], 1, 'a'), *rows[1:]], (), 'spell them alike'),
    '65 constant': (lambda rows: [r[:-1] + 'F' for r in rows], ('--covariates', 'sex'),
                    "covariate 'sex' has one value only"),
    '65 unknown covariate': (lambda rows: rows, ('--covariates', 'site'), "no column 'site'"),
    '66 age': (lambda rows: [rows[0].replace('\t33\t', '\t999\t'), *rows[1:]], (),
               'age of sub-01 is 999; give 0 to 120 years'),
}  # fmt: skip


@pytest.mark.parametrize('case', GROUP_ERRORS)
def test_what_will_keep_the_group_level_from_running_is_told_first(two, case):
    spoil, options, sentence = GROUP_ERRORS[case]
    crowd(two, GROUPS)
    rows = spoil(GROUPS)
    if rows is None:
        (two / 'participants.tsv').unlink()
    else:
        people(two, *rows)
    status, scans, problems = look(two, *options, levels=('participant', 'group'))
    told = [text for level, about, text in problems if (level, about) == ('error', 'group')]
    assert status == 1
    assert any(sentence in text for text in told), problems
    assert set(scans.state) == {'process'}


def change(row, column, value):
    cells = row.split('\t')
    cells[column] = value
    return '\t'.join(cells)


GROUP_WARNINGS = {
    '62 two people': (lambda rows: [*rows[:6], *(change(r, 1, 'n/a') for r in rows[6:])],
                      'Groups with fewer than 3 participants'),
    '64 oldest': (lambda rows: [change(rows[0], 2, '89+'), *rows[1:]], 'age is 89+ for sub-01'),
    '67 no images': (lambda rows: [*rows, 'sub-77\tB\t40\tM'], 'names sub-77, of whom there'),
    '103 one member': (lambda rows: [change(rows[0], 3, 'Femlae'), *rows[1:]],
                       'sub-01 alone has Femlae as sex'),
    '103 code': (lambda rows: [change(rows[0], 2, '99'), *(change(r, 2, '30') for r in rows[1:2]),
                               *rows[2:]], 'age is 99 for sub-01, far from'),
}  # fmt: skip


@pytest.mark.parametrize('case', GROUP_WARNINGS)
def test_what_the_group_level_will_warn_of_is_told_first(two, case):
    spoil, sentence = GROUP_WARNINGS[case]
    crowd(two, GROUPS)
    people(two, *spoil(GROUPS))
    status, _, problems = look(two, levels=('participant', 'group'))
    told = [text for level, about, text in problems if (level, about) == ('warning', 'group')]
    assert status == 0
    assert any(sentence in text for text in told), problems


@pytest.mark.parametrize('missing', ['N/A', 'NA', 'nan', '#N/A', '', 'n/a', 'NaN', 'null', '.'])
def test_missing_is_missing_however_it_is_written(two, missing):
    """Case 77: no group and no sex of its own, in any column."""
    crowd(two, GROUPS)
    people(two, change(GROUPS[0], 1, missing), change(GROUPS[1], 3, missing), *GROUPS[2:])
    status, scans, problems = look(two, levels=('participant', 'group'))
    assert status == 0
    assert scans.group[0] != scans.group[0]  # NaN
    assert not [text for _, about, text in problems if about == 'group' and 'alone' in text]


def test_a_protocol_that_goes_along_with_the_groups_is_told_louder(two, caplog):
    """Case 80."""
    shutil.rmtree(two / 'sub-02')
    crowd(two, [row for row in GROUPS if 'sub-02' not in row])
    for who in ('sub-05', 'sub-06', 'sub-07', 'sub-08'):
        for path in (two / who).rglob('*T2starw.json'):
            entries = {'EchoTime': 0.03, 'RepetitionTime': 0.05}
            path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))
    caplog.set_level('WARNING', logger='nigra')
    status, _, problems = look(two)
    assert status == 0
    loud = [text for level, _, text in problems if level == 'confounded']
    assert any('echo times (ms)' in text and 'groups differ by it too' in text for text in loud)
    assert problems[0][0] == 'confounded'  # before the warnings
    assert 'ATTENTION, study: Participants differ in echo times' in caplog.text


@pytest.mark.parametrize('voxels', [1.5, 2.0])
def test_voxel_sizes_are_compared(two, voxels):
    affine = np.diag([voxels, voxels, 2.0, 1.0])
    for path in (two / 'sub-02').rglob('*MEGRE.nii.gz'):
        write_image(path, affine=affine)
    told = [text for _, about, text in look(two)[2] if about == 'study']
    assert any('voxel size (mm)' in text for text in told) == (voxels != 2.0)


def test_a_group_level_alone_is_looked_at_from_the_derivatives(tmp_path):
    out = tmp_path / 'out'
    cohort = make_people()
    file = write_study(out, cohort)
    assert main([str(tmp_path / 'gone'), str(out), 'group', '--dry-run']) == 0
    assert not (out / 'group.html').exists()
    write_participants(file, cohort.assign(participant_id=cohort.participant_id.str[4:].str[1:]))
    assert main([str(tmp_path / 'gone'), str(out), 'group', '--dry-run']) == 1
    problems = read_table(out / 'logs' / 'problems.tsv')
    assert problems.problem.str.contains('sub-01 for sub-001').any()
