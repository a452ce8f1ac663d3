"""An index gives what reading gives, and notices every change."""

import gzip
import json
import os
import shutil
import sys

import pytest
from helpers import write_image, write_sidecar

from nigra.interfaces import index as module
from nigra.interfaces.bids import find_visits, list_participants
from nigra.interfaces.headers import read_header
from nigra.interfaces.index import Index
from nigra.nodes.errors import InputError

ASKED = {'sessions': (), 'filters': {}}


@pytest.fixture
def reads(monkeypatch):
    """Participants that are read, not remembered."""
    found = []

    def find(bids_dir, who, **asked):
        found.append(who)
        return find_visits(bids_dir, who, **asked)

    monkeypatch.setattr(module, 'find_visits', find)
    return found


def look(raw, people=('sub-01', 'sub-02'), *, version='1', asked=ASKED):
    """A run that looks at people; their visits."""
    index = Index(raw, raw.parent / 'out' / 'index.tsv.gz', version=version, **asked)
    found = [index.find(who) for who in people]
    index.save()
    return found


def test_what_is_remembered_is_what_was_read(raw, reads):
    first = look(raw)
    assert reads == ['sub-01', 'sub-02']
    read_header._kept.clear()
    second = look(raw)
    assert reads == ['sub-01', 'sub-02']
    assert first == second == [find_visits(raw, who) for who in ('sub-01', 'sub-02')]
    header = read_header(second[0][0].t1w)
    read_header._kept.clear()
    known = read_header(second[0][0].t1w)
    assert header.shape == known.shape
    assert (header.affine == known.affine).all()
    assert not [p for p in raw.rglob('*') if 'index' in p.name]


def touch(path):
    os.utime(path, (1e9, 1e9))


PHASE = 'sub-01/anat/sub-01_part-phase_T2starw'
CHANGES = {
    'a sidecar of another size': lambda raw: write_sidecar(raw / f'{PHASE}.json', EchoTime=0.021,
                                                            MagneticFieldStrength=3, Units='rad'),
    'a sidecar of another time': lambda raw: touch(raw / f'{PHASE}.json'),
    'another image': lambda raw: write_image(raw / f'{PHASE}.nii.gz', shape=(6, 7, 6)),
    'a new file': lambda raw: shutil.copy(raw / 'sub-01/anat/sub-01_T1w.nii.gz',
                                          raw / 'sub-01/anat/sub-01_acq-b_T1w.nii.gz'),
    'a file gone': lambda raw: (raw / 'sub-01/anat/sub-01_T1w.nii.gz').unlink(),
    'a sidecar for the participant': lambda raw: (raw / 'sub-01/sub-01_T1w.json').write_text('{}'),
    'a new session': lambda raw: write_image(raw / 'sub-01/ses-b/anat/sub-01_ses-b_T1w.nii.gz'),
}  # fmt: skip


@pytest.mark.parametrize('change', CHANGES.values(), ids=CHANGES)
def test_a_change_is_noticed_in_the_participant_alone(raw, reads, change):
    look(raw)
    reads.clear()
    change(raw)
    try:
        again = look(raw)
    except InputError:
        again = None
    assert reads == ['sub-01']
    if again is not None:
        assert again[0] == find_visits(raw, 'sub-01')


def test_what_concerns_everybody_is_read_anew(raw, reads):
    look(raw)
    reads.clear()
    (raw / 'T2starw.json').write_text('{"FlipAngle": 15}')
    changed = look(raw)
    assert reads == ['sub-01', 'sub-02']
    assert changed[0][0].scans[0].metadata['FlipAngle'] == 15
    for options in (
        {'version': '2'},
        {'asked': {'sessions': (), 'filters': {'t1w': {'acquisition': None}}}},
    ):
        reads.clear()
        look(raw, **options)
        assert reads == ['sub-01', 'sub-02']


def test_people_of_other_runs_are_kept_and_failures_are_not(raw, reads):
    look(raw)
    for path in (raw / 'sub-02').rglob('*phase*'):
        path.unlink()
    for _ in range(2):
        with pytest.raises(InputError):
            look(raw, ['sub-02'])
    reads.clear()
    look(raw, ['sub-01'])
    assert reads == []


@pytest.mark.parametrize('damage', [b'', b'\x1f\x8b\x08', b'not gzip', 'half', 'cells'])
def test_a_damaged_index_is_made_anew(raw, reads, damage):
    look(raw)
    path = raw.parent / 'out' / 'index.tsv.gz'
    whole = path.read_bytes()
    if damage == 'cells':
        key = gzip.decompress(whole).split(b'\n')[0]
        damage = gzip.compress(key + b'\nsub-01\tone cell too few\n')
    path.write_bytes(whole[: len(whole) // 2] if damage == 'half' else damage)
    reads.clear()
    assert look(raw) == [find_visits(raw, who) for who in ('sub-01', 'sub-02')]
    assert reads == ['sub-01', 'sub-02']


SEEN = []
sys.addaudithook(
    lambda event, arguments: (
        SEEN.append(str(arguments[0]))
        if event in ('open', 'os.listdir', 'os.scandir') and SEEN
        else None
    )
)


def test_one_participant_touches_no_other(raw):
    (raw / 'participants.tsv').write_text(json.dumps({}))
    SEEN.append('begun')
    people = list_participants(raw, ['02'])
    find_visits(raw, 'sub-02')
    seen, _ = SEEN[1:], SEEN.clear()
    assert people == ['sub-02']
    assert [path for path in seen if 'sub-02' in path]
    assert not [path for path in seen if 'sub-01' in path]
