"""Graphs: nodes and connections, no arithmetic, no file formats."""
