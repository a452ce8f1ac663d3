"""Pages: what reports show, drawn from files and tables."""
