"""Local field (or phase) to susceptibility, its reference, and its separation."""
