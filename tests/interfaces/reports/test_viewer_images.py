"""Images of the viewer's page: exact where there is room, then rounded, then beside it."""

import base64
import gzip
import hashlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import nigra
from nigra.interfaces.reports.viewer_images import Labels, ViewerImage, decimals, embed, pack
from nigra.interfaces.reports.viewer_page import viewer_spec

AFFINE = np.array([[-1.5, 0, 0, 30], [0, 0, 2.0, -20], [0, 1.2, 0, -9], [0, 0, 0, 1]])
BOX = (slice(3, 17), slice(2, 11), slice(1, 9))


@pytest.fixture
def images():
    rng = np.random.default_rng(5)
    chi = (0.1 * rng.normal(size=(20, 12, 10))).astype(np.float32)
    labels = np.zeros(chi.shape, np.uint8)
    labels[4:8, 3:5, 2:4] = 7
    return [
        ViewerImage('Susceptibility', chi, AFFINE, unit='ppm', file='a b/x.nii.gz'),
        ViewerImage('T1w', 1000 * chi, AFFINE),
        ViewerImage('Regions', labels, AFFINE, labels=Labels({7: 'caudate', 9: 'gone'},
                    {7: '#ff8000', 9: '#000000'}), file='y.nii.gz'),
    ]  # fmt: skip


def unpack(entry):
    return nib.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(entry['bytes'])))


def test_a_part_is_exact_and_stays_in_its_place(images):
    entry, *_ = embed(images, [BOX] * 3, 10**6)
    small = unpack(entry)
    np.testing.assert_array_equal(np.asarray(small.dataobj), images[0].data[BOX])
    place = nib.affines.apply_affine(small.affine, [1, 2, 3])
    assert place == pytest.approx(nib.affines.apply_affine(AFFINE, np.add([1, 2, 3], [3, 2, 1])))
    assert entry['offset'] == [3, 2, 1]
    assert pack(images[0], BOX) == pack(images[0], BOX)


def test_without_room_values_are_rounded_and_labels_are_not(images):
    exact = sum(len(e['bytes']) for e in embed(images, [BOX] * 3, 10**6))
    entries = embed(images, [BOX] * 3, exact - 1)
    assert [e['digits'] for e in entries] == [decimals(i.data[BOX]) for i in images[:2]] + [None]
    for entry, image in zip(entries[:2], images, strict=False):
        step = 10.0 ** -entry['digits']
        off = np.abs(np.asarray(unpack(entry).dataobj) - image.data[BOX]).max()
        assert 0.3 * step < off <= 0.501 * step
    assert np.asarray(unpack(entries[2]).dataobj).max() == 7


def test_with_less_room_one_decimal_is_given_up_before_images_stay_outside(images):
    exact = sum(len(e['bytes']) for e in embed(images, [BOX] * 3, 10**6))
    finest = embed(images, [BOX] * 3, exact - 1)
    coarser = embed(images, [BOX] * 3, sum(len(e['bytes']) for e in finest) - 1)
    assert [e['digits'] for e in coarser[:2]] == [e['digits'] - 1 for e in finest[:2]]
    assert all('bytes' in e for e in coarser)


def test_what_still_is_too_large_stays_in_its_file(images):
    chi, t1w, labels = embed(images, [BOX] * 3, 1500)
    assert chi['address'] == 'a%20b/x.nii.gz'
    assert labels['address'] == 'y.nii.gz'
    assert chi['offset'] == [0, 0, 0]
    assert len(t1w['bytes']) <= 1500
    assert t1w['digits'] < decimals(images[1].data)


def test_labels_have_names_colours_and_a_place_inside_them(images):
    table = embed(images, [BOX] * 3, 10**6)[2]
    assert table['labels']['labels'] == ['', 'caudate', 'gone']
    assert [table['labels'][c][1] for c in 'RGBA'] == [255, 128, 0, 255]
    assert table['labels']['A'] == [0, 255, 255]  # nothing is see-through but the background
    assert table['labels']['I'] == [0, 7, 9]
    ((name, place),) = table['places']  # what is not there has none
    voxel = nib.affines.apply_affine(np.linalg.inv(AFFINE), place).round().astype(int)
    assert (name, images[2].data[tuple(voxel)]) == ('caudate', 7)


def test_the_library_is_the_one_that_is_stated():
    data, library = Path(nigra.__file__).parent / 'data', viewer_spec()['library']
    script = (data / 'niivue.umd.js').read_bytes()
    assert hashlib.sha256(script).hexdigest() == library['sha256']
    assert b'</script' not in script
    licence = (data / 'niivue.LICENSE.txt').read_text('utf-8')
    assert f'niivue {library["version"]}' in licence
    assert 'Redistributions of source code must retain' in licence
