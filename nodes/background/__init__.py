"""Total field to local field: background field removal."""
