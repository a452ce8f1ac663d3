"""Metadata of runs: inherited, in the units of BIDS, and refused where they contradict."""

import codecs

import pytest
from helpers import anat, refused, write_sidecar

from nigra.interfaces.bids import find_visits


@pytest.mark.parametrize(
    ('change', 'sentence'),
    [
        ({'EchoTime': 20}, r'EchoTime 20; BIDS requires seconds, write 0\.02'),
        ({'EchoTime': 0}, 'EchoTime 0; give the true echo time'),
        ({'EchoTime': '0.02'}, "EchoTime '0.02'; give one number in seconds"),
        ({'EchoTime': None}, 'EchoTime None'),
        ({'EchoTime': 0.03}, r'echo times \[0\.03\] s where the magnitude has \[0\.02\] s'),
        ({'MagneticFieldStrength': 15000}, 'MagneticFieldStrength 15000; give it in tesla'),
        ({'MagneticFieldStrength': 0}, 'MagneticFieldStrength 0'),
        ({'EchoTime': 10**400}, 'EchoTime inf; give the true echo time in seconds'),
        ({'MagneticFieldStrength': 10**400}, 'MagneticFieldStrength inf; give it in tesla'),
        ({'ImagingFrequency': 10**400}, r'MagneticFieldStrength 1\.5 but ImagingFrequency inf'),
        ({'ImagingFrequency': 123.2}, r'MagneticFieldStrength 1\.5 but ImagingFrequency 123'),
    ],
)
def test_wrong_metadata(raw, change, sentence):
    path = anat(raw) / 'sub-01_part-phase_T2starw.nii.gz'
    write_sidecar(path, **{'EchoTime': 0.02, 'MagneticFieldStrength': 1.5, **change})
    refused(raw, sentence)


@pytest.mark.parametrize('key', ['EchoTime', 'MagneticFieldStrength'])
def test_missing_metadata(raw, key):
    path = anat(raw) / 'sub-01_part-phase_T2starw.nii.gz'
    content = {'EchoTime': 0.02, 'MagneticFieldStrength': 1.5}
    content.pop(key)
    write_sidecar(path, **content)
    refused(raw, f'has no {key}')


def test_metadata_is_inherited(raw):
    for path in anat(raw).glob('*T2starw.json'):
        path.unlink()
    (raw / 'T2starw.json').write_text('{"EchoTime": 0.025, "MagneticFieldStrength": 3}')
    (visit,) = find_visits(raw, 'sub-01')
    assert visit.scans[0].echo_times == (0.025,)
    assert visit.scans[0].b0 == 3


def test_invalid_json_is_named(raw):
    (anat(raw) / 'sub-01_part-phase_T2starw.json').write_text('{"EchoTime": 0.02,')
    refused(raw, r'part-phase_T2starw\.json: is not valid JSON')


def test_repeated_echo_time(raw):
    folder = raw / 'sub-02' / 'ses-a' / 'anat'
    for part in ('mag', 'phase'):
        name = f'sub-02_ses-a_run-01_echo-3_part-{part}_MEGRE.nii.gz'
        write_sidecar(folder / name, EchoTime=0.01, MagneticFieldStrength=3)
    refused(raw, 'repeats the EchoTime 0.01 s', participant='sub-02')


@pytest.mark.parametrize(
    ('content', 'sentence'),
    [
        (codecs.BOM_UTF8 + b'{"EchoTime": 0.02}', 'starts with a byte-order mark; save it as'),
        ('\ufeff{"EchoTime": 0.02}'.encode('utf-16-le'), 'starts with a byte-order mark'),
        (b'[1]', r'contains \[1\], which is not a JSON object'),
        (b'\xff', 'is not valid JSON'),
    ],
)
def test_sidecars_that_would_be_passed_over(raw, content, sentence):
    (anat(raw) / 'sub-01_part-phase_T2starw.json').write_bytes(content)
    refused(raw, rf'part-phase_T2starw\.json: {sentence}')


@pytest.mark.parametrize(('b0', 'frequency'), [(1.5, 63.87), (3, 123.2), (3, 127.7), (7, 298)])
def test_a_frequency_that_fits_the_field_is_taken(raw, b0, frequency):
    for part in ('mag', 'phase'):
        path = anat(raw) / f'sub-01_part-{part}_T2starw.nii.gz'
        write_sidecar(path, EchoTime=0.02, MagneticFieldStrength=b0, ImagingFrequency=frequency)
    (visit,) = find_visits(raw, 'sub-01')
    assert visit.scans[0].b0 == b0
