"""How the site is built: `make docs`."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / '_ext')]

import nigra  # noqa: E402

project = 'nigra'
author = 'the authors of nigra'
copyright = 'the authors of nigra; Apache-2.0'
release = version = nigra.__version__
html_title = f'nigra {release}'

extensions = [
    'myst_parser', 'sphinx_design', 'sphinx.ext.autodoc', 'sphinx.ext.napoleon', 'options',
    'mathml', 'accessible',
]  # fmt: skip
myst_enable_extensions = ['dollarmath', 'colon_fence', 'deflist', 'substitution']
myst_substitutions = {'release': release}
myst_heading_anchors = 3
# tables are parts of pages; the notebook is a file to download
exclude_patterns = ['tables', '_ext', 'babs', 'nipoppy', 'build', '**.ipynb']

smartquotes = False  # two hyphens are an option
autodoc_typehints = 'none'
autodoc_member_order = 'bysource'
napoleon_google_docstring = False

html_theme = 'furo'
html_static_path = ['_static']
html_css_files = ['wide.css']
html_show_sourcelink = False
html_copy_source = False
# extracts are fetched page by page, which browsers refuse for files on disk
html_show_search_summary = False
html_math_renderer = 'mathml'

linkcheck_timeout = 20
linkcheck_workers = 4
