"""Roles said by hand: which series they mean, and what is refused."""

import json

import numpy as np
import pytest
import toy_dicom as toy

from nigra.interfaces.dicom.bidsify import Request, bidsify
from nigra.interfaces.tables import save_table
from nigra.nodes.errors import InputError

pytestmark = pytest.mark.usefixtures('dicom_programs')


def run(dicom, **options):
    return bidsify(Request(dicom, dicom.parent / 'bids', **options))


def test_a_map_overrules_headers(tmp_path):
    dicom = tmp_path / 'dicom'
    toy.write_pair(dicom, times=(20.0,), SeriesDescription='t2_swi')
    by_hand = tmp_path / 'map.json'
    by_hand.write_text('{"2": "mag", "t2_s*": "gre"}')
    assert run(dicom).problems
    outcome = run(dicom, map_file=by_hand)
    assert not outcome.problems
    assert len(outcome.written) == 2


@pytest.mark.parametrize(
    ('text', 'why'),
    [
        ('series\trole\n99\tgre\n', "names series '99', which is not there; choose among 2, 3"),
        ('series\trole\n2\tbold\n', "calls series 2 'bold'; choose among T1w"),
        ('number\trole\n2\tgre\n', 'has no column series'),
    ],
)
def test_maps_that_do_not_fit_are_refused(tmp_path, text, why):
    dicom = tmp_path / 'dicom'
    toy.write_pair(dicom, times=(20.0,))
    by_hand = tmp_path / 'map.tsv'
    by_hand.write_text(text)
    with pytest.raises(InputError, match=why):
        run(dicom, map_file=by_hand)


def test_the_table_of_a_run_serves_as_its_map(tmp_path):
    dicom = tmp_path / 'dicom'
    toy.write_pair(dicom, times=(20.0,))
    first = run(dicom, dry_run=True)
    path = save_table(first.table, tmp_path / 'map.tsv')
    assert run(dicom, map_file=path, dry_run=True).table.role.tolist() == ['gre', 'gre']
    save_table(first.table.assign(role='ignore'), path)
    assert run(dicom, map_file=path, dry_run=True).table.role.tolist() == ['ignore', 'ignore']


@pytest.fixture
def twice_registered(tmp_path):
    """A visit of two studies, whose series numbers begin anew; and the UIDs of their phases."""
    dicom = tmp_path / 'dicom'
    for study, name in (('1.2', 'gre'), ('1.3', 'gre again')):
        uids = {}
        for number, part in ((2, 'mag'), (3, 'phase')):
            uids[part] = toy.uid(study, number)
            toy.write_series(
                dicom / study, parts=(part,), number=number, times=(20.0,), scale=4096 / np.pi,
                SeriesDescription=name, StudyInstanceUID=study, SeriesInstanceUID=uids[part],
            )  # fmt: skip
    return dicom, uids


def test_a_number_that_two_series_of_a_visit_have_names_neither(tmp_path, twice_registered):
    dicom, uids = twice_registered
    by_hand = tmp_path / 'map.json'
    by_hand.write_text('{"3": "ignore"}')
    with pytest.raises(InputError, match=r'which sub-01 has 2 times: .*gre again.*write the UID'):
        run(dicom, map_file=by_hand, dry_run=True)
    by_hand.write_text(json.dumps({uids['phase']: 'ignore', uids['mag']: 'ignore'}))
    read = run(dicom, map_file=by_hand, dry_run=True).table.set_index('description').role
    assert set(read['gre']) == {'gre'}
    assert set(read['gre again']) == {'ignore'}


def test_a_number_may_be_that_of_a_series_of_everybody(tmp_path):
    dicom = tmp_path / 'dicom'
    for patient in 'AB':
        toy.write_pair(dicom / patient, times=(20.0,), patient=patient)
    by_hand = tmp_path / 'map.json'
    by_hand.write_text('{"2": "ignore"}')
    table = run(dicom, map_file=by_hand, dry_run=True).table
    assert table[table.series == 2].role.tolist() == ['ignore', 'ignore']
    assert table.series_uid.isna().all()


def test_the_table_of_a_visit_with_equal_numbers_serves_as_its_map(tmp_path, twice_registered):
    dicom, uids = twice_registered
    table = run(dicom, dry_run=True).table
    again = table.series_uid.isin(uids.values())
    path = save_table(table.assign(role=again.map({True: 'ignore', False: 'gre'})),
                      tmp_path / 'map.tsv')  # fmt: skip
    read = run(dicom, map_file=path, dry_run=True).table
    assert read.role.tolist() == ['ignore' if late else 'gre' for late in again]
