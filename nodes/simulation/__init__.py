"""Simulated people and scans with known truth."""
