import numpy as np
import pytest

from nigra.nodes.errors import NigraError
from nigra.nodes.field.echo_box import cut_echoes


def test_box_holds_the_mask_and_nothing_broken():
    phase, mask = np.zeros((6, 5, 4, 2)), np.zeros((6, 5, 4), bool)
    mask[1:4, 2, 1:3] = True
    phase[2, 2, 1, 1], phase[0, 0, 0, 0] = np.nan, np.inf
    echoes = cut_echoes(phase, np.ones(phase.shape), [0.01, 0.02], mask)
    assert echoes.angle.shape == (2, 3, 1, 2)
    assert echoes.inside.sum() == mask.sum() - 1
    assert not echoes.inside[1, 0, 0]
    assert np.isfinite(echoes.angle).all()
    assert not echoes.magnitude[:, ~echoes.inside].any()
    back = echoes.put_back(echoes.magnitude[0], mask.shape, 4.0)
    assert np.array_equal(back > 0, mask & np.isfinite(phase).all(3))
    assert back.max() == 0.25


@pytest.mark.parametrize(
    ('change', 'word'),
    [
        ({'echo_times': [0.01]}, 'echo times'),
        ({'echo_times': [0.02, 0.01]}, 'rise'),
        ({'echo_times': [-0.02, 0.01]}, 'positive'),
        ({'mask': np.zeros((4, 4, 4), bool)}, 'empty'),
        ({'mask': np.ones((4, 4, 3), bool)}, 'mask'),
        ({'magnitude': np.ones((4, 4, 4, 3))}, 'share'),
    ],
)
def test_input_that_does_not_fit_is_refused(change, word):
    given = {
        'phase': np.zeros((4, 4, 4, 2)),
        'magnitude': np.ones((4, 4, 4, 2)),
        'echo_times': [0.01, 0.02],
        'mask': np.ones((4, 4, 4), bool),
    }
    with pytest.raises(NigraError, match=word):
        cut_echoes(**(given | change))
