"""Files: load, one call into nodes/, save; geometry and units are guarded here."""
