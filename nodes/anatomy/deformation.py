"""Deformations of images: how much they stretch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def jacobian(displacement: NDArray[np.float32], spacing: float) -> NDArray[np.float32]:
    """Jacobian determinant of x -> x + displacement(x), by central differences.

    Examples
    --------
    >>> x = np.indices((4, 4, 4)).astype(np.float32)
    >>> float(jacobian(0.5 * x, 1.0).max())
    3.375
    """
    rows = [np.gradient(component, spacing) for component in displacement]
    a, b, c = ([g + (i == j) for j, g in enumerate(row)] for i, row in enumerate(rows))
    return (
        a[0] * (b[1] * c[2] - b[2] * c[1])
        - a[1] * (b[0] * c[2] - b[2] * c[0])
        + a[2] * (b[0] * c[1] - b[1] * c[0])
    )  # fmt: skip
