"""Clinical tables meet the people of the scanner: ids are checked, identities left out."""

import pandas as pd
import pytest

from nigra.interfaces.dicom.clinical import participants_table, read_clinical, save_participants
from nigra.interfaces.dicom.people import Visit
from nigra.interfaces.dicom.series import Header, Series
from nigra.nodes.errors import InputError


def scanned(*ages, sex='F'):
    """People 1, 2, ... with these ages, whose patient IDs are A1, A2, ..."""
    return [
        Visit(f'A{n}', '2020', (Series(Header(age=age, sex=sex)),), f'sub-0{n}')
        for n, age in enumerate(ages, 1)
    ]


def merge(tmp_path, text, *ages, name='clinical.csv'):
    path = tmp_path / name
    path.write_text(text, encoding='utf-8')
    return participants_table(scanned(*ages), read_clinical(path), path)


def test_age_and_sex_come_from_the_scanner_and_the_oldest_are_not_told(tmp_path):
    table, told = participants_table(scanned(52.0, 93.0, None), None, None)
    assert table.age.tolist() == ['52', '89+', None]
    assert table.sex.tolist() == ['F'] * 3
    assert not told


@pytest.mark.parametrize('sign', [',', ';', '\t'])
@pytest.mark.parametrize('ids', ['participant_id', 'patient_id'])
def test_columns_are_merged_by_either_id(tmp_path, sign, ids):
    who = ['01', 'sub-02'] if ids == 'participant_id' else ['A1', 'A2']
    lines = [(ids, 'group', 'edss'), (who[1], 'NMO', '4.5'), (who[0], 'HC', 'NA')]
    text = '\n'.join(sign.join(line) for line in lines)
    table, told = merge(tmp_path, text, 50.0, 60.0)
    assert table.columns.tolist() == ['participant_id', 'age', 'sex', 'group', 'edss']
    assert table.group.tolist() == ['HC', 'NMO']
    assert table.edss.tolist()[1] == '4.5'
    assert pd.isna(table.edss[0])
    assert 'A1' not in table.to_string()
    assert bool(told) == (ids == 'patient_id')


def test_excel_is_read(tmp_path):
    pytest.importorskip('openpyxl', reason='openpyxl, which reads Excel, is not installed')
    path = tmp_path / 'clinical.xlsx'
    pd.DataFrame({'participant_id': ['01'], 'group': ['HC']}).to_excel(path, index=False)
    table, _ = participants_table(scanned(50.0), read_clinical(path), path)
    assert table.group.tolist() == ['HC']


def test_excel_without_its_reader_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    with pytest.raises(InputError, match='pip install openpyxl, or save the table as CSV'):
        read_clinical(tmp_path / 'clinical.xlsx')


def test_what_identifies_people_is_not_copied(tmp_path):
    text = 'participant_id,Name,Date of birth,group\n01,Jane Doe,1968-01-01,HC\n'
    table, told = merge(tmp_path, text, 50.0)
    assert table.columns.tolist() == ['participant_id', 'age', 'sex', 'group']
    assert 'Name, Date of birth are not copied' in told[0]


def test_contradictions_with_the_scanner_are_told(tmp_path):
    text = 'participant_id,age,sex\n01,51,female\n02,41,M\n'
    table, told = merge(tmp_path, text, 50.0, 60.0)
    assert table.age.tolist() == ['51', '41']
    assert len(told) == 2
    assert all('sub-02' in one for one in told)


@pytest.mark.parametrize(
    ('text', 'why'),
    [
        ('participant_id,group\n1,HC\n', 'it has sub-1 for sub-01'),
        ('participant_id,group\n07,HC\n', 'has no row for sub-01'),
        ('patient_id,group\nZ,HC\n', "has no row for patient ID 'A1'"),
        ('participant_id,group\n01,HC\n01,HC\n', 'has sub-01 twice'),
        ('participant_id,group\n,HC\n', 'has no participant_id in row 2'),
        ('subject,group\n01,HC\n', 'neither participant_id nor patient_id'),
    ],
)
def test_ids_that_do_not_fit_are_refused(tmp_path, text, why):
    with pytest.raises(InputError, match=why):
        merge(tmp_path, text, 50.0)


def test_a_table_that_is_not_there_is_no_fault_of_its_format(tmp_path):
    with pytest.raises(InputError, match=r'cannot be read \(No such file .*\); check the path'):
        read_clinical(tmp_path / 'nowhere.csv')


def test_rows_without_scans_are_told_and_left_out(tmp_path):
    table, told = merge(tmp_path, 'participant_id,group\n01,HC\n02,NMO\n', 50.0)
    assert table.participant_id.tolist() == ['sub-01']
    assert 'rows without scans: sub-02' in told[0]


def test_a_table_that_is_there_grows_and_never_changes(tmp_path):
    def rows(**columns):
        return pd.DataFrame(columns, dtype=object)

    save_participants(rows(participant_id=['sub-01'], age=['50'], group=['HC']), tmp_path)
    save_participants(rows(participant_id=['sub-02'], age=['60'], edss=['3']), tmp_path)
    path = tmp_path / 'participants.tsv'
    kept = 'participant_id\tage\tgroup\tedss\nsub-01\t50\tHC\tn/a\nsub-02\t60\tn/a\t3\n'
    assert path.read_text() == kept
    with pytest.raises(InputError, match='gives group of sub-01 as HC, the new table as NMO'):
        save_participants(rows(participant_id=['sub-01'], group=['NMO']), tmp_path)
    save_participants(rows(participant_id=['sub-01'], age=['51']), tmp_path)
    assert path.read_text() == kept
