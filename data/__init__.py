"""Data that the code reads: queries, regions, presets, report templates, references."""
