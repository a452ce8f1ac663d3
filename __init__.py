"""nigra: iron in the deep grey matter, from a BIDS data set to group statistics."""

__version__ = '0.1.0'
