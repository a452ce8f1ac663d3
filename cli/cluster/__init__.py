"""Runs handed to the scheduler of a cluster, and what became of them."""
