"""Schedulers of clusters: a site's profile, scripts, what became of tasks."""
