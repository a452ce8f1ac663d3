import numpy as np
import pytest
from phantoms import head

from nigra.nodes.background.resharp import resharp


@pytest.fixture(scope='module', params=[(0, 0, 1), (0.3, -0.4, 0.8)])
def phantom(request):
    return head(b0_dir=request.param)


def test_stronger_regularisation_shrinks_resharp(phantom):
    # one pass: others give back what the penalty took
    sizes = [
        np.linalg.norm(
            resharp(
                phantom['total'], phantom['mask'], phantom['grid'], regularisation=a, passes=1
            )[0]
        )
        for a in (1e-3, 1e-1, 10)
    ]
    assert sizes[0] > 1.2 * sizes[1] > 1.44 * sizes[2] > 0
