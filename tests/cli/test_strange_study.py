"""Tables of a study that no list of cases foresaw, through the group level."""

import numpy as np
import pytest
from toy_cohort import make_people, write_study

from nigra.cli import main
from nigra.interfaces.tables import read_table

QUICK = ('--permutations', '0', '--bootstraps', '0', '--nprocs', '1', '--covariates')


def compare(out):
    """Exit status of the group level."""
    return main([str(out.parent / 'raw'), str(out), 'group', *QUICK])


def workbook(first):
    return lambda out, file: file.write_bytes(first + bytes(range(256)) * 9)


def endless(out, file):
    path = out / 'sub-002' / 'anat' / 'sub-002_seg-dgm_regions.tsv'
    table = read_table(path)
    table.loc[1, 'chi_mean'] = np.inf
    table.to_csv(path, sep='\t', na_rep='n/a', index=False)


REFUSED = {
    'workbook': (workbook(b'PK\x03\x04'), 'participants.tsv: is a workbook of Excel; save its'),
    'old workbook': (workbook(b'\xd0\xcf\x11\xe0'), 'participants.tsv: is a workbook of Excel'),
    'spaces': (lambda out, file: file.write_text(file.read_text().replace('\t', ' ')),
               'participants.tsv: is separated by spaces; save it separated by tabs'),
    'one number twice': (lambda out, file: file.write_text(
        file.read_text().replace('\tA\t', '\t1\t').replace('\tB\t', '\t1.0\t')),
        "holds both '1' and '1.0'; spell them alike"),
    'UTF-16': (lambda out, file: file.write_text(file.read_text(), encoding='utf-16'),
               'participants.tsv: is not UTF-8 text; save it as UTF-8'),
    'decimal comma': (lambda out, file: file.write_text(file.read_text().replace('.0\t', ',0\t')),
                      "; give 0 to 120 years, or n/a where unknown"),
    'endless': (endless, 'sub-002_seg-dgm_regions.tsv: has inf as chi_mean; run the participant'),
}  # fmt: skip


@pytest.mark.parametrize('case', REFUSED)
def test_what_cannot_be_read_is_one_sentence(tmp_path, capsys, caplog, case):
    out = tmp_path / 'out'
    spoil, sentence = REFUSED[case]
    spoil(out, write_study(out, make_people({'A': 3, 'B': 3})))
    assert compare(out) == 1
    told = capsys.readouterr().err + caplog.text
    assert sentence in told
    assert 'Traceback' not in told
    assert not (out / 'group.html').exists()


@pytest.mark.parametrize('groups', [('NMO+', 'NMO-'), ('視' * 150 + 'A', '視' * 150 + 'B')])
def test_each_group_has_its_pictures_whatever_it_is_called(tmp_path, groups):
    """Signs are lost in names of files, and names may be longer than files may be called."""
    counts = []
    for names in (('first', 'second'), groups):
        out = tmp_path / str(len(counts)) / 'out'
        write_study(out, make_people({**dict.fromkeys(names, 3), 'HC': 3}))
        assert compare(out) == 0
        counts.append(len(list((out / 'figures').glob('group_*.svg'))))
    assert counts[0] == counts[1] > 0
