"""Finding scans: what is found, and which sentence a user reads when something is wrong."""

import numpy as np
import pytest
from helpers import add_run, anat, refused, write_image, write_sidecar

from nigra.interfaces.bids import find_brain_mask, find_visits, list_participants
from nigra.nodes.errors import InputError


def test_single_echo(raw):
    (visit,) = find_visits(raw, 'sub-01')
    (scan,) = visit.scans
    assert (visit.prefix, scan.prefix) == ('sub-01', 'sub-01')
    assert scan.echo_times == (0.02,)
    assert scan.b0 == 1.5
    assert scan.phase[0].name == 'sub-01_part-phase_T2starw.nii.gz'
    assert not scan.warnings


def test_a_folder_with_a_dot_in_its_name(raw):
    dotted = raw.rename(raw.with_name('study.v1'))
    (visit,) = find_visits(dotted, 'sub-02')
    assert visit.scans[0].b0 == 3


def test_labels_with_and_without_key(raw):
    assert list_participants(raw, ['sub-02', '01']) == ['sub-01', 'sub-02']
    with pytest.raises(InputError, match=r'--participant-label 9.*choose among sub-01, sub-02'):
        list_participants(raw, ['9'])
    for number in range(11, 15):
        (raw / f'sub-{number}').mkdir()
        with pytest.raises(InputError) as caught:
            list_participants(raw, ['9'])
        assert (', ...' in str(caught.value)) == (number > 13)  # five are named


def test_missing_folder(tmp_path):
    with pytest.raises(InputError, match='is not a folder'):
        list_participants(tmp_path / 'nothing')


def test_no_gre_names_what_was_looked_for(raw):
    for path in anat(raw).glob('*T2starw*'):
        path.unlink()
    refused(raw, 'MEGRE or T2starw')


def test_no_t1w(raw):
    (anat(raw) / 'sub-01_T1w.nii.gz').unlink()
    refused(raw, 'has no T1w image')


@pytest.mark.parametrize(
    ('content', 'sentence'),
    [
        (b'', 'is empty'),
        (b'version https://git-lfs.github.com/spec/v1\noid sha256:0\n', 'is a pointer'),
        (b'/annex/objects/MD5E-s1--0.nii.gz\n', 'is a pointer'),
        (b'no image at all', 'cannot be read as NIfTI'),
    ],
)
def test_files_that_are_no_images(raw, content, sentence):
    (anat(raw) / 'sub-01_part-mag_T2starw.nii.gz').write_bytes(content)
    refused(raw, f'part-mag_T2starw.nii.gz: {sentence}')


def test_dangling_annex_link(raw):
    path = anat(raw) / 'sub-01_T1w.nii.gz'
    path.unlink()
    path.symlink_to('../../.git/annex/objects/nothing.nii.gz')
    refused(raw, 'is a link to content that has not been downloaded')


def test_two_t1w_images_are_a_warning(raw):
    write_image(anat(raw) / 'sub-01_acq-b_T1w.nii.gz')
    (visit,) = find_visits(raw, 'sub-01')
    assert 'sub-01_T1w.nii.gz' in visit.warnings[0] or 'acq-b' in visit.warnings[0]
    (filtered,) = find_visits(raw, 'sub-01', filters={'t1w': {'acq': 'b'}})
    assert filtered.t1w.name == 'sub-01_acq-b_T1w.nii.gz'
    assert not filtered.warnings


def test_t1w_of_another_session_serves(raw):
    (raw / 'sub-02' / 'ses-b' / 'anat').mkdir(parents=True)
    old = raw / 'sub-02' / 'ses-a' / 'anat' / 'sub-02_ses-a_T1w.nii.gz'
    old.rename(raw / 'sub-02' / 'ses-b' / 'anat' / 'sub-02_ses-b_T1w.nii.gz')
    (visit,) = find_visits(raw, 'sub-02')
    assert (visit.session_id, visit.scans[0].session_id) == ('ses-b', 'ses-a')


def test_megre_and_t2starw_of_one_name(raw):
    for part in ('mag', 'phase'):
        path = write_image(anat(raw) / f'sub-01_echo-1_part-{part}_MEGRE.nii.gz')
        write_sidecar(path, EchoTime=0.02, MagneticFieldStrength=1.5)
    refused(raw, 'both MEGRE and T2starw')


@pytest.fixture
def two_sessions(raw):
    """sub-03 with a T1w image in ses-1 only and gradient echoes in ses-1 and ses-2."""
    for session in ('1', '2'):
        add_run(raw / 'sub-03' / f'ses-{session}' / 'anat', f'sub-03_ses-{session}')
    write_image(raw / 'sub-03' / 'ses-1' / 'anat' / 'sub-03_ses-1_T1w.nii.gz')
    return raw


def mask_of(root, name):
    return write_image(root / 'sub-01' / 'anat' / name, np.eye(6)[:, :, None])


def test_given_brain_mask_is_that_of_the_t1w_space(raw, tmp_path):
    (visit,) = find_visits(raw, 'sub-01')
    mask_of(tmp_path, 'sub-01_space-MNI152NLin2009cAsym_desc-brain_mask.nii.gz')
    mask_of(tmp_path, 'sub-01_desc-aseg_mask.nii.gz')
    with pytest.raises(InputError, match=r'sub-01: has no brain mask for sub-01_T1w.nii.gz'):
        find_brain_mask(tmp_path, visit)
    wanted = mask_of(tmp_path, 'sub-01_desc-brain_mask.nii.gz')
    assert find_brain_mask(tmp_path, visit) == wanted
    mask_of(tmp_path, 'sub-01_run-2_desc-brain_mask.nii.gz')
    with pytest.raises(InputError, match='has 2 brain masks'):
        find_brain_mask(tmp_path, visit)
    assert find_brain_mask(tmp_path, visit, {'brain_mask': {'run': None}}) == wanted


def test_given_brain_mask_of_the_own_session_goes_before_others(raw, tmp_path):
    (visit,) = find_visits(raw, 'sub-02')
    paths = {}
    for session in ('ses-a', 'ses-b'):
        folder = tmp_path / 'sub-02' / session / 'anat'
        name = f'sub-02_{session}_desc-brain_mask.nii.gz'
        paths[session] = write_image(folder / name, np.eye(6)[:, :, None])
    assert find_brain_mask(tmp_path, visit) == paths['ses-a']
    paths['ses-a'].unlink()  # that of the participant, where the session has none
    assert find_brain_mask(tmp_path, visit) == paths['ses-b']


@pytest.mark.parametrize('label', ['2', 'ses-2'])
def test_session_label_leaves_t1w_of_another_session(two_sessions, label):
    (visit,) = find_visits(two_sessions, 'sub-03', sessions=[label])
    assert visit.t1w.name == 'sub-03_ses-1_T1w.nii.gz'
    assert [scan.session_id for scan in visit.scans] == ['ses-2']


def test_session_label_prefers_t1w_of_its_own_session(two_sessions):
    write_image(two_sessions / 'sub-03' / 'ses-2' / 'anat' / 'sub-03_ses-2_T1w.nii.gz')
    (visit,) = find_visits(two_sessions, 'sub-03', sessions=['2'])
    assert (visit.session_id, visit.warnings) == ('ses-2', ())


def test_unknown_session_names_those_present(two_sessions):
    refused(two_sessions, '--session-label 7; choose among ses-1, ses-2', 'sub-03', sessions=['7'])
    refused(two_sessions, '--session-label 7; leave the option out', sessions=['7'])
    (visit,) = find_visits(two_sessions, 'sub-03', sessions=['7', '1'])
    assert visit.scans[0].session_id == 'ses-1'


def test_session_without_gradient_echo_is_named(two_sessions):
    (two_sessions / 'sub-03' / 'ses-3').mkdir()
    refused(two_sessions, 'no gradient-echo images in ses-3', 'sub-03', sessions=['3'])


@pytest.mark.parametrize(
    ('prefix', 'part'),
    [
        ('sub-01_acq-fl2d', 'part-mag_'),
        ('sub-01_acq-fl2d', ''),
        ('sub-01_run-2', ''),
    ],
)
def test_run_without_phase_is_left_out_with_a_warning(raw, prefix, part):
    add_run(anat(raw), prefix, [part])
    (visit,) = find_visits(raw, 'sub-01')
    assert [scan.prefix for scan in visit.scans] == ['sub-01']
    assert len(visit.warnings) == 1
    assert f'{prefix}_' in visit.warnings[0]
    assert 'no phase' in visit.warnings[0]


def test_plain_image_beside_a_complete_run_of_other_names(raw):
    folder = raw / 'sub-02' / 'ses-a' / 'anat'
    add_run(folder, 'sub-02_ses-a', [''])
    add_run(folder, 'sub-02_ses-a_run-01', ['part-mag_'])  # shares its name with the MEGRE
    (visit,) = find_visits(raw, 'sub-02')
    assert [len(scan.phase) for scan in visit.scans] == [3]
    assert len(visit.warnings) == 2


def test_plain_image_of_the_same_name_is_told(raw):
    add_run(anat(raw), 'sub-01', [''])
    (visit,) = find_visits(raw, 'sub-01')
    assert [p.name for p in visit.scans[0].magnitude] == ['sub-01_part-mag_T2starw.nii.gz']
    assert 'sub-01_T2starw.nii.gz' in visit.warnings[0]


def test_left_out_run_is_told_in_its_own_session(two_sessions):
    folder = two_sessions / 'sub-03' / 'ses-2' / 'anat'
    write_image(folder / 'sub-03_ses-2_T1w.nii.gz')
    add_run(folder, 'sub-03_ses-2_acq-fl2d', ['part-mag_'])
    first, second = find_visits(two_sessions, 'sub-03')
    assert first.warnings == ()
    assert 'sub-03_ses-2_acq-fl2d' in second.warnings[0]
