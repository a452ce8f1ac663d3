"""`nigra-bidsify` on the command line: what is missing, the table, the exit status."""

import subprocess
import sys

import pandas as pd
import pytest
import toy_dicom as toy

from nigra.cli.bidsify_cli import main, parser, show


@pytest.fixture
def dicom(tmp_path, dicom_programs):
    for number, part in ((2, 'mag'), (3, 'phase')):
        toy.write_series(tmp_path / 'dicom', parts=(part,), times=(5.0, 10.0), number=number)
    return tmp_path / 'dicom'


@pytest.mark.parametrize('name', ['dcm2niix', 'pydicom'])
def test_a_program_that_is_missing_is_told_first_with_a_command(
    tmp_path, monkeypatch, capsys, name
):
    found = {'dcm2niix': 'dcm2niix', 'pydicom': object()} | {name: None}
    monkeypatch.setattr('shutil.which', lambda *args, **kwargs: found['dcm2niix'])
    monkeypatch.setattr('importlib.util.find_spec', lambda _: found['pydicom'])
    assert main([str(tmp_path / 'absent'), str(tmp_path / 'bids')]) == 1
    told = capsys.readouterr().err
    assert f'needs {name}, which is not installed' in told
    assert f'{sys.executable} -m pip install {name}' in told


def test_help_imports_nothing_heavy():
    code = (
        'import sys\n'
        'from nigra.cli.bidsify_cli import main\n'
        'try:\n    main(["--help"])\n'
        'except SystemExit as end:\n    assert end.code == 0\n'
        'assert not {"numpy", "nibabel", "pandas", "pydicom"} & set(sys.modules)\n'
    )
    subprocess.run([sys.executable, '-c', code], check=True, capture_output=True)


def test_the_table_is_printed_and_saved_before_anything_is_written(dicom, tmp_path, capsys):
    table = tmp_path / 'series.tsv'
    bids = tmp_path / 'bids'
    assert main([str(dicom), str(bids), '--dry-run', '--table', str(table)]) == 0
    printed = capsys.readouterr().out
    assert 'gradient echo, phase at 5, 10 ms' in printed
    assert 'no T1w image was found' in printed
    assert not bids.exists()
    assert pd.read_csv(table, sep='\t').role.tolist() == ['gre', 'gre']
    table.write_text(table.read_text().replace('\tgre\t', '\tignore\t'))
    assert main([str(dicom), str(bids), '--map', str(table)]) == 1
    assert 'PROBLEM sub-01: no gradient echo with phase' in capsys.readouterr().out
    assert main([str(dicom), str(bids)]) == 0
    assert '4 images in' in capsys.readouterr().out


def test_bad_input_is_one_sentence(tmp_path, capsys, dicom):
    assert main([str(tmp_path / 'absent'), str(tmp_path / 'bids')]) == 1
    told = [line for line in capsys.readouterr().err.splitlines() if 'absent' in line]
    assert told == [
        f'nigra-bidsify: {tmp_path / "absent"}: does not exist; give a folder or archive of '
        'DICOM files.'
    ]


def test_sessions_are_shown_where_there_are_any():
    table = pd.DataFrame(
        {'participant_id': ['sub-01'], 'session_id': [None], 'series': [7], 'reason': ['x']}
    )
    assert show(table).splitlines()[0].split() == ['participant', 'series', 'reason']
    assert 'session' in show(table.assign(session_id='ses-1'))


def test_options_are_not_abbreviated():
    with pytest.raises(SystemExit):
        parser().parse_args(['a', 'b', '--dry'])
