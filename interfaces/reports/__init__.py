"""Visual reports: pages, charts, pictures and text, made from files and tables."""
