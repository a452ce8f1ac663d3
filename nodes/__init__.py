"""Science: arrays in, arrays out; no files, no printing."""
