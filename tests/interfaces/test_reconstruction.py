"""Numbers that a reconstruction tells of the head."""

import numpy as np
import pytest

from nigra.interfaces.reconstruction import conductivity


@pytest.mark.parametrize('b0', [1.5, 3.0, 7.0])
def test_the_conductivity_is_that_of_the_phase_which_it_makes(b0):
    """Transmission's phase has the Laplacian mu_0 omega sigma, and so has that of reception."""
    omega = 2 * np.pi * 42.577478518e6 * b0
    told = conductivity(2 * 4e-7 * np.pi * omega * 0.55, b0)
    assert told == pytest.approx(0.55, rel=1e-6)
