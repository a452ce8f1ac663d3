"""nigra: iron in the deep grey matter, from a BIDS data set to group statistics."""

from typing import TYPE_CHECKING, Any

from .interfaces.caches import place_caches

if TYPE_CHECKING:
    from .api import (
        GroupComparison as GroupComparison,
    )
    from .api import (
        NigraError as NigraError,
    )
    from .api import (
        Reconstruction as Reconstruction,
    )
    from .api import (
        compare as compare,
    )
    from .api import (
        measure as measure,
    )
    from .api import (
        reconstruct as reconstruct,
    )

__version__ = '0.2.0'
__all__ = [  # noqa: RUF022 - in the order of their use
    'reconstruct', 'measure', 'compare', 'Reconstruction', 'GroupComparison', 'NigraError',
]  # fmt: skip

place_caches()  # before anything imports what compiles


def __getattr__(name: str) -> Any:
    """The functions of `api`, which is loaded when the first of them is asked for."""
    if name not in __all__:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    from . import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
