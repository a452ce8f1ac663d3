"""Markers that tell whether results are complete and match their inputs."""

import os

from nigra.interfaces.completion import (
    fingerprint,
    finished_outputs,
    is_complete,
    mark_complete,
    marker_folder,
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
