"""What every background removal asks of its input."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import NigraError
from .fields import check_field
from .grid import Grid
from .numerics.fft import check_mask


def check_field_map(field: NDArray[Any], mask: NDArray[np.bool_], grid: Grid) -> None:
    """Raise where a field or its mask does not fit the grid, or values are missing in the mask.

    Raises
    ------
    NigraError
        Shapes differ, the mask is empty, or the field is not finite inside it.
    """
    check_field(field, grid)
    check_mask(mask, grid)
    missing = int(np.count_nonzero(~np.isfinite(field[mask])))
    if missing:
        raise NigraError(f'the field has {missing} values inside the mask that are not finite')
