import nibabel as nib
import numpy as np
import pytest

from nigra.interfaces.gre import load_gre


@pytest.mark.parametrize(
    ('stretch', 'word'), [(1, None), (3, 'unwrapped before'), (0.01, 'units may be wrong')]
)
def test_phase_of_doubtful_reach_is_told(tmp_path, stretch, word):
    rng = np.random.default_rng(0)
    files = {}
    for name, image in (
        ('magnitude', 1 + rng.random((12, 11, 10))),
        ('phase', stretch * rng.uniform(-np.pi, np.pi, (12, 11, 10))),
    ):
        files[name] = [tmp_path / f'{name}.nii.gz']
        nib.save(nib.Nifti1Image(image.astype(np.float32), np.eye(4)), files[name][0])
    scan = load_gre(**files, echo_times=[0.02], units='rad')
    assert scan['parameters']['stored_as'] == 'radians'
    if word is None:
        assert scan['warnings'] == []
    else:
        (told,) = scan['warnings']
        assert told.startswith('phase.nii.gz: Phase already in radians')
        assert word in told
