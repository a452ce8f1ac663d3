"""Equations as MathML, which browsers show without a script and so without a network."""

from docutils import nodes
from docutils.utils.math import latex2mathml
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator


def inline(self: HTML5Translator, node: nodes.math) -> None:
    """An equation within a line."""
    self.body.append(converted(node.astext(), block=False))
    raise nodes.SkipNode


def block(self: HTML5Translator, node: nodes.math_block) -> None:
    """An equation by itself."""
    self.body.append(f'<div class="math">{converted(node.astext(), block=True)}</div>')
    raise nodes.SkipNode


def converted(text: str, *, block: bool) -> str:
    """MathML of an equation in LaTeX."""
    return latex2mathml.tex2mathml(text, as_block=block)


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the renderer."""
    app.add_html_math_renderer('mathml', (inline, None), (block, None))
    return {'parallel_read_safe': True}
