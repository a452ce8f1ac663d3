"""Patients become participants, days sessions, and nobody gets another's name."""

import pandas as pd
import pytest

from nigra.interfaces.dicom.people import (
    KEY_COLUMNS,
    doubtful_ids,
    find_visits,
    name_visits,
    read_key,
    save_key,
)
from nigra.interfaces.dicom.series import Header, Series
from nigra.nodes.errors import InputError

NOBODY = pd.DataFrame(columns=list(KEY_COLUMNS), dtype=object)


def visits(*people, **fields):
    """Visits of (patient, date), or (patient, date, study)."""
    made = []
    for n, (patient, date, *study) in enumerate(people):
        header = Header(
            study=study[0] if study else f'{patient}{date}', series=str(n), patient_id=patient,
            date=date, **fields,
        )  # fmt: skip
        made.append(Series(header))
    return find_visits(made, [])


def names(found, key=NOBODY, labels='number', taken=(), refused=None):
    refused = [] if refused is None else refused
    return {
        (v.patient, v.date): v.prefix
        for v in name_visits(found, key, labels, taken, left_out=refused)
    }


def test_people_are_numbered_and_days_are_sessions():
    found = names(visits(('B', '2020'), ('A', '2021'), ('A', '2019'), ('A', '2019')))
    assert found == {
        ('A', '2019'): 'sub-01_ses-1', ('A', '2021'): 'sub-01_ses-2', ('B', '2020'): 'sub-02'
    }  # fmt: skip


def test_labels_may_be_patient_ids_without_what_bids_forbids():
    assert names(visits(('CTRL_7-b', '2020')), labels='patient-id') == {
        ('CTRL_7-b', '2020'): 'sub-CTRL7b'
    }
    with pytest.raises(InputError, match='two patients'):
        names(visits(('A_1', '2020'), ('A1', '2020')), labels='patient-id')
    with pytest.raises(InputError, match='two patients'):
        names(visits(('a1', '2020'), ('A1', '2020')), labels='patient-id')


def test_the_key_keeps_names_from_run_to_run(tmp_path):
    path = tmp_path / 'key.tsv'
    first = name_visits(visits(('B', '2020')), read_key(path), 'number', left_out=[])
    save_key(read_key(path), first, path)
    assert path.stat().st_mode & 0o077 == 0
    found = names(visits(('A', '2020'), ('B', '2020')), read_key(path))
    assert found == {('A', '2020'): 'sub-02', ('B', '2020'): 'sub-01'}
    save_key(read_key(path), first, path)
    assert len(read_key(path)) == 1


def test_later_sessions_are_numbered_on():
    key = pd.DataFrame(
        [('A', '2019', 'sub-01', 'ses-1'), ('A', '2020', 'sub-01', 'ses-2')],
        columns=list(KEY_COLUMNS),
    )
    found = names(visits(('A', '2020'), ('A', '2022'), ('A', '2021')), key)
    assert list(found.values()) == ['sub-01_ses-2', 'sub-01_ses-3', 'sub-01_ses-4']


def test_a_second_visit_of_somebody_without_sessions_is_refused():
    key = pd.DataFrame([('A', '2019', 'sub-01', None)], columns=list(KEY_COLUMNS))
    assert names(visits(('A', '2019')), key) == {('A', '2019'): 'sub-01'}
    refused = []
    assert names(visits(('A', '2020'), ('B', '2020')), key, refused=refused) == {
        ('B', '2020'): 'sub-02'
    }
    (error,) = refused
    assert str(error).startswith('sub-01: was written as the only visit')


@pytest.mark.parametrize(
    ('one', 'other', 'doubtful'),
    [('Doe^Jane', 'DOE^JANE^^', False), ('Doe^Jane', 'Smith^Jane', False),
     ('Doe^Jane', 'anonymous', False), ('Doe^Jane', '', False),
     ('Yamada^Tarou=山田^太郎', '山田^太郎', False), ('Doe^Jane', 'Smith^Peter', True)],
)  # fmt: skip
def test_one_id_with_names_that_share_no_word_is_told(one, other, doubtful):
    made = [Series(Header(series=n, patient_id='77', date=n, patient_name=name))
            for n, name in (('1', one), ('2', other))]  # fmt: skip
    told = doubtful_ids(find_visits(made, []))
    assert len(told) == doubtful
    assert all("'77'" in text and 'Doe' not in text for text in told)


def test_names_may_be_given(tmp_path):
    path = tmp_path / 'names.tsv'
    path.write_text('patient_id\tparticipant_id\nA\tHC01\nB\tsub-P7\n')
    assert names(visits(('A', '1'), ('B', '1'), ('B', '2')), read_key(path)) == {
        ('A', '1'): 'sub-HC01', ('B', '1'): 'sub-P7_ses-1', ('B', '2'): 'sub-P7_ses-2'
    }  # fmt: skip
    path.write_text('patient_id\tparticipant_id\nA\tHC_01\n')
    with pytest.raises(InputError, match="names 'HC_01'; use letters and digits"):
        read_key(path)
    path.write_text('patient_id\tname\nA\tHC_01\n')
    with pytest.raises(InputError, match='does not give participant_id'):
        read_key(path)


def test_participants_that_are_there_already_are_nobody_else():
    assert names(visits(('A', '1')), taken=['sub-01', 'sub-02']) == {('A', '1'): 'sub-03'}


def test_people_without_an_id_are_told_apart_by_their_folders():
    made = [
        Series(Header(study=str(n), patient_id=who, folder=folder))
        for n, (who, folder) in enumerate(
            [('anonymous', 'x'), ('', 'y'), ('Anonymous', 'x'), ('', '')]
        )
    ]
    assert [v.patient for v in find_visits(made, [])] == ['3', 'x', 'y']


@pytest.mark.parametrize(
    ('field', 'one', 'other'), [('sex', 'F', 'M'), ('birth_date', '19700101', '19800101')]
)
def test_two_people_under_one_id_are_refused(field, one, other):
    made = [Series(Header(patient_id='A', study=v, **{field: v})) for v in (one, other)]
    somebody = Series(Header(patient_id='B', study='3'))
    told = []
    (visit,) = find_visits([*made, somebody], told)
    assert visit.patient == 'B'
    (error,) = told
    assert "patient ID 'A': has two values of" in str(error)
    assert len(find_visits([made[0], Series(Header(patient_id='A'))], told)) == 1
    assert len(told) == 1


@pytest.mark.parametrize(
    ('rows', 'words'),
    [
        ([('A', '2019', 'sub-1', 'ses-1'), ('A', '2020', 'sub-1', 'ses-1')], 'two days'),
        ([('A', '2019', 'sub-1', 'ses-1'), ('B', '2019', 'sub-1', 'ses-1')], 'two patients'),
    ],
)
def test_what_shares_a_name_is_told(rows, words):
    key = pd.DataFrame(rows, columns=list(KEY_COLUMNS))
    with pytest.raises(InputError, match=words):
        names(visits(*((patient, date) for patient, date, *_ in rows)), key)


@pytest.mark.parametrize(('people', 'first'), [(9, 'sub-01'), (99, 'sub-01'), (100, 'sub-001')])
def test_numbers_are_as_wide_as_the_study_needs(people, first):
    found = names(visits(*((f'P{n:03d}', '2020') for n in range(people))))
    assert found['P000', '2020'] == first
    assert len(set(found.values())) == people
