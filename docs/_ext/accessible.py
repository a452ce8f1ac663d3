"""What the theme leaves out for those who use a keyboard or a screen reader.

Blocks that scroll sideways can be reached by the keyboard, and headings of the navigation have a
level, as axe asks for.
"""

from typing import Any

from sphinx.application import Sphinx

BODY = {
    '<pre>': '<pre tabindex="0">',
    '<div class="table-wrapper': '<div tabindex="0" class="table-wrapper',
    '<div class="math-wrapper': '<div tabindex="0" class="math-wrapper',
}
NAVIGATION = {'role="heading"': 'role="heading" aria-level="2"'}


def amend(app: Sphinx, page: str, template: str, context: dict[str, Any], tree: Any) -> None:
    """Amend a page before it is written."""
    for part, changes in (('body', BODY), ('furo_navigation_tree', NAVIGATION)):
        for old, new in changes.items():
            if part in context:
                context[part] = context[part].replace(old, new)


def setup(app: Sphinx) -> dict[str, bool]:
    """Run after the theme."""
    app.connect('html-page-context', amend, priority=900)
    return {'parallel_read_safe': True}
