"""The derivative data set as a whole: what goes with it, and what people wrote themselves."""

import json

from helpers import people

from nigra.interfaces.dataset import prepare_output


def test_the_data_set_describes_itself_and_keeps_what_people_wrote(raw, tmp_path):
    people(raw, 'sub-01\tA\t30\tF')
    (raw / 'participants.json').write_text('{"group": {"Levels": {"A": "first"}}}')
    description = json.loads((raw / 'dataset_description.json').read_text())
    description['Authors'] = ['First', 'Second']
    (raw / 'dataset_description.json').write_text(json.dumps(description))
    out = tmp_path / 'out'
    for _ in range(2):
        prepare_output(out, bids_dir=raw, participants_file=None, version='1.2.3')
        readme = out / 'README.md'
        assert '1.2.3' in readme.read_text() or readme.read_text() == 'my own'
        readme.write_text('my own')
    assert readme.read_text() == 'my own'
    made = json.loads((out / 'dataset_description.json').read_text())
    assert made['Authors'] == ['First', 'Second']
    table = (out / 'participants.tsv').read_bytes()
    assert table == (raw / 'participants.tsv').read_bytes()
    words = json.loads((out / 'participants.json').read_text())
    assert words['group'] == {'Levels': {'A': 'first'}}
    assert isinstance(words['Description'], str)


def test_what_columns_meant_goes_with_the_table_that_it_described(raw, tmp_path):
    people(raw, 'sub-01\tA\t30\tF')
    (raw / 'participants.json').write_text('{"group": {"Levels": {"A": "first"}}}')
    out = tmp_path / 'out'
    prepare_output(out, bids_dir=raw, participants_file=None, version='1')
    other = tmp_path / 'other.tsv'
    other.write_text('participant_id\tgroup\nsub-01\tA\n')
    prepare_output(out, bids_dir=raw, participants_file=other, version='1')
    assert (out / 'participants.tsv').read_text() == other.read_text()
    assert not (out / 'participants.json').exists()
    prepare_output(out, bids_dir=raw, participants_file=None, version='1')
    assert (out / 'participants.json').is_file()
