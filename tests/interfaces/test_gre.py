import nibabel as nib
import numpy as np
import pytest

from nigra.interfaces.gre import _in_order, load_gre
from nigra.nodes.errors import NigraError


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


def test_echoes_are_put_in_the_order_of_their_times_in_pairs():
    pairs, times = _in_order(['m1', 'm2', 'm3'], ['p1', 'p2', 'p3'], [0.03, 0.01, 0.02])
    assert times == [0.01, 0.02, 0.03]
    assert [(m.name, p.name) for m, p in pairs] == [('m2', 'p2'), ('m3', 'p3'), ('m1', 'p1')]


@pytest.mark.parametrize(('magnitudes', 'phases', 'times'), [(1, 2, 2), (2, 1, 2), (2, 2, 1)])
def test_each_echo_has_both_parts_and_a_time(magnitudes, phases, times):
    with pytest.raises(NigraError, match=f'{magnitudes} magnitudes, {phases} phases and {times}'):
        _in_order(['m'] * magnitudes, ['p'] * phases, [0.01, 0.02][:times])
