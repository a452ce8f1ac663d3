"""nigra: iron in the deep grey matter, from a BIDS data set to group statistics."""

from .interfaces.caches import place_caches

__version__ = '0.1.0'

place_caches()  # before anything imports what compiles
