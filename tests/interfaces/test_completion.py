"""Markers that tell whether results are complete and match their inputs."""

import os
import threading
import time

import pytest

from nigra.interfaces.completion import (
    begin,
    fingerprint,
    finished_outputs,
    invalidate,
    is_complete,
    mark_complete,
    marker_folder,
    missing_outputs,
)
from nigra.interfaces.gather import find_region_tables


def test_marker(tmp_path):
    source, output = tmp_path / 'in', tmp_path / 'sub' / 'out'
    output.parent.mkdir()
    source.write_text('1')
    output.write_text('whole')
    marker = tmp_path / 'logs' / 'done.json'
    key = fingerprint([source], {'seed': 1})
    assert not is_complete(marker, key, tmp_path)
    mark_complete(marker, key, [output], tmp_path)
    assert is_complete(marker, key, tmp_path)
    assert not is_complete(marker, fingerprint([source], {'seed': 2}), tmp_path)
    os.utime(source, ns=(1, 1))
    assert fingerprint([source], {'seed': 1}) != key
    output.write_text('half')
    assert not is_complete(marker, key, tmp_path)
    output.unlink()
    assert not is_complete(marker, key, tmp_path)


def test_tables_left_from_before_a_failure_do_not_count(tmp_path):
    tables = [tmp_path / s / 'anat' / f'{s}_seg-dgm_regions.tsv' for s in ('sub-01', 'sub-02')]
    for table in tables:
        table.parent.mkdir(parents=True)
        table.write_text('x')
    assert finished_outputs(tmp_path) is None
    assert find_region_tables(tmp_path) == tables  # derivatives that came without markers
    mark_complete(marker_folder(tmp_path) / 'sub-01.json', 'key', tables[:1], tmp_path)
    assert find_region_tables(tmp_path) == tables[:1]


def test_finished_outputs_are_found_in_any_session_and_only_where_they_are(tmp_path):
    names = [
        'sub-01/anat/sub-01_seg-dgm_regions.tsv', 'sub-02/ses-a/anat/sub-02_seg-x_regions.tsv',
        'sub-01/anat/sub-01_seg-dgm_dseg.tsv', 'sub-03/anat/sub-03_seg-dgm_regions.tsv',
        'code/anat/sub-04_seg-dgm_regions.tsv', 'sub-05_seg-dgm_regions.tsv',
    ]  # fmt: skip
    files = write(tmp_path, *names)
    mark_complete(marker_folder(tmp_path) / 'sub-01.json', 'key', files, tmp_path)
    files[3].unlink()
    assert find_region_tables(tmp_path) == files[:2]


def write(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return [root / name for name in names]


@pytest.mark.parametrize('killed', [True, False])
def test_results_of_other_options_go_before_new_ones_come(tmp_path, killed):
    marker = marker_folder(tmp_path) / 'sub-01.json'
    old = write(tmp_path, 'sub-01/map', 'sub-01/seg-own')
    begin(marker, 'with atlas', old, tmp_path)
    if not killed:
        mark_complete(marker, 'with atlas', old, tmp_path)
    mine = write(tmp_path, 'sub-01/note-of-a-user', 'sub-02/map')
    assert begin(marker, 'without', old[:1], tmp_path)
    assert not any(path.exists() for path in old)
    assert all(path.exists() for path in mine)
    assert finished_outputs(tmp_path) == set()


def test_results_of_the_same_options_stay(tmp_path):
    marker = marker_folder(tmp_path) / 'sub-01.json'
    files = write(tmp_path, 'sub-01/map')
    for end in (mark_complete, begin):
        end(marker, 'key', files, tmp_path)
        assert not begin(marker, 'key', files, tmp_path)
        assert files[0].exists()
        assert not is_complete(marker, 'key', tmp_path)


def test_a_marker_leads_nowhere_else(tmp_path):
    root, (victim,) = tmp_path / 'out', write(tmp_path, 'thesis')
    marker = marker_folder(root) / 'sub-01.json'
    write(root, 'logs/complete/sub-01.json')
    marker.write_text('{"Fingerprint": "old", "Outputs": {"../thesis": 6}}')
    begin(marker, 'new', [], root)
    assert victim.exists()


def test_results_that_no_longer_answer_to_the_data_do_not_count(tmp_path):
    marker = marker_folder(tmp_path) / 'sub-01.json'
    files = write(tmp_path, 'sub-01/map')
    assert not invalidate(marker)
    mark_complete(marker, 'key', files, tmp_path)
    assert invalidate(marker)
    assert finished_outputs(tmp_path) == set()
    begin(marker, 'other', [], tmp_path)
    assert not files[0].exists()


def test_files_that_a_network_drive_shows_late_are_waited_for(tmp_path):
    names = [f'sub-0{i}/anat/sub-0{i}_regions.tsv' for i in (1, 2)]
    files = write(tmp_path, *names)
    for path in files:
        mark_complete(marker_folder(tmp_path) / f'{path.name[:6]}.json', 'k', [path], tmp_path)
        path.unlink()
    late = threading.Thread(target=lambda: (time.sleep(0.3), write(tmp_path, names[0])))
    late.start()
    assert missing_outputs(tmp_path, ('_regions.tsv',), seconds=1) == files[1:]
    late.join()
    assert missing_outputs(tmp_path, ('_quality.json',), seconds=1) == []
