"""Images that were copied by mistake: one person, or one echo, that is taken for two."""

import shutil

import numpy as np
import pytest
from helpers import anat, look, write_image, write_sidecar

from nigra.interfaces.bids import find_visits
from nigra.interfaces.copies import copied_images, same_images


def noise(path, seed, shape=(40, 40, 40)):
    values = np.random.default_rng(seed).integers(0, 4096, shape)
    write_image(path, values)
    write_sidecar(path, EchoTime=0.02, MagneticFieldStrength=3)
    return path


@pytest.fixture
def study(raw):
    """Two people whose images are all different."""
    shutil.rmtree(raw / 'sub-02')
    for who, seed in (('sub-01', 10), ('sub-02', 20)):
        for n, name in enumerate(('T1w', 'part-mag_T2starw', 'part-phase_T2starw')):
            noise(raw / who / 'anat' / f'{who}_{name}.nii.gz', seed + n)
    return raw


def told(raw, people=('sub-01', 'sub-02')):
    return copied_images([visit for who in people for visit in find_visits(raw, who)])


def put(raw, source, name):
    path = raw / name
    path.parent.mkdir(parents=True, exist_ok=True)
    for ending in ('.nii.gz', '.json'):
        shutil.copy(raw / f'{source}{ending}', f'{path}{ending}')


def test_different_images_are_no_copies_though_files_are_of_one_size(study):
    assert told(study) == []


def test_a_person_who_was_copied_is_told_once(study):
    for name in ('T1w', 'part-mag_T2starw', 'part-phase_T2starw'):
        put(study, f'sub-01/anat/sub-01_{name}', f'sub-02/anat/sub-02_{name}')
    (sentence,) = told(study)
    assert sentence.startswith('sub-02_')
    assert 'is the same image as sub-01_' in sentence
    assert '(and 2 more), so that one person is taken for two' in sentence
    _, _, problems = look(study)
    assert ('warning', 'study', sentence) in problems


def test_an_echo_that_was_copied_is_told(study):
    folder = anat(study)
    for part in ('mag', 'phase'):
        for echo in (1, 2):
            name = f'sub-01/anat/sub-01_echo-{echo}_part-{part}_MEGRE'
            put(study, f'sub-01/anat/sub-01_part-{part}_T2starw', name)
            write_sidecar(study / f'{name}.nii.gz', EchoTime=0.01 * echo, MagneticFieldStrength=3)
    for path in folder.glob('*T2starw*'):
        path.unlink()
    (sentence,) = told(study, ['sub-01'])
    assert 'echo-2_part-mag_MEGRE.nii.gz is the same image as sub-01_echo-1_part-mag' in sentence
    assert 'one image is taken for two' in sentence


def test_a_t1w_image_may_stand_in_each_session_of_its_person(study):
    shutil.rmtree(study / 'sub-02')
    for seed, session in ((1, 'ses-1'), (2, 'ses-2')):
        put(study, 'sub-01/anat/sub-01_T1w', f'sub-02/{session}/anat/sub-02_{session}_T1w')
        for n, part in enumerate(('mag', 'phase')):
            name = f'sub-02_{session}_part-{part}_T2starw.nii.gz'
            noise(study / 'sub-02' / session / 'anat' / name, 30 + 2 * seed + n)
    assert told(study, ['sub-02']) == []
    assert len(told(study)) == 1  # of another person it may not


def test_files_that_are_not_there_are_no_copies(tmp_path):
    assert same_images([tmp_path / 'a', tmp_path / 'b']) == []
