"""Directive `options`: every option of a command, from the parser itself.

```{options} nigra.cli.arguments:build_parser
```
"""

import argparse
import importlib
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


def load_parser(place: str) -> argparse.ArgumentParser:
    """Parser that the function `module:name` makes."""
    module, _, name = place.partition(':')
    return getattr(importlib.import_module(module), name)()


def shown(parser: argparse.ArgumentParser) -> list[tuple[str, list[argparse.Action]]]:
    """Groups of a parser that have options to show, by title."""
    groups = [(group.title or '', [a for a in group._group_actions if a.help])
              for group in parser._action_groups]  # fmt: skip
    return [(title, actions) for title, actions in groups if actions]


def heading(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    """An option as it is written, with what it takes."""
    formatter = parser.formatter_class(prog=parser.prog, width=10_000)
    return formatter._format_action_invocation(action)


def words(parser: argparse.ArgumentParser, action: argparse.Action) -> nodes.paragraph:
    """Help text of an option, its default filled in, commands set apart."""
    text = parser.formatter_class(prog=parser.prog)._expand_help(action)
    out = nodes.paragraph()
    for number, part in enumerate(text.split('`')):
        out += nodes.literal('', part) if number % 2 else nodes.Text(part)
    return out


class Options(SphinxDirective):
    """Every option of one parser, group by group."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Usage line and definition lists."""
        parser = load_parser(self.arguments[0])
        out: list[nodes.Node] = [nodes.paragraph('', parser.description or '')]
        for title, actions in shown(parser):
            out += [nodes.rubric('', title), self._list(parser, actions)]
        if parser.epilog:
            out.append(nodes.paragraph('', parser.epilog))
        return out

    def _list(self, parser: argparse.ArgumentParser, actions: list[Any]) -> nodes.Node:
        found = nodes.definition_list()
        for action in actions:
            term = nodes.term('', '', nodes.literal('', heading(parser, action)))
            text = nodes.definition('', words(parser, action))
            name = nodes.make_id(f'{parser.prog}-{action.dest}')
            term['ids'].append(name)
            found += nodes.definition_list_item('', term, text)
        return found


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directive."""
    app.add_directive('options', Options)
    return {'parallel_read_safe': True}
