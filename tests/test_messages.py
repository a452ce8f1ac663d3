"""The page of messages tells of messages that there are, and of every name that data carry."""

import ast
import re
from pathlib import Path

import pytest

from nigra.interfaces.participants import MISSING
from nigra.interfaces.reports.checks import PROBLEMS

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / 'docs' / 'messages.md').read_text(encoding='utf-8')
GAP = '…'


def spoken(node):
    """Text of a string in the code, with a gap for each value; None where it is no string."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return ''.join(spoken(part) or GAP for part in node.values)
    return None


def sentences():
    """All strings of the code but descriptions of modules, classes and functions."""
    for floor in ('cli', 'interfaces', 'workflows', 'nodes'):
        for path in (ROOT / floor).rglob('*.py'):
            tree = ast.parse(path.read_text(encoding='utf-8'))
            described = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
            for node in ast.walk(tree):
                text = None if id(node) in described else spoken(node)
                if text:
                    yield re.sub(f'%[sd]|{GAP}+', GAP, text)


def first_cells():
    """Messages of the page: what stands in the first cell of a row, in code."""
    rows = re.findall(r'^\| `([^`]+)` \|', PAGE, re.MULTILINE)
    return [row for row in rows if row not in PROBLEMS and ' ' in row]


CODE = list(sentences())


@pytest.mark.parametrize('message', first_cells())
def test_every_message_of_the_page_is_in_the_code(message):
    pieces = message.strip(GAP + ' ')
    pattern = '.*'.join(re.escape(piece.strip()) for piece in pieces.split(GAP))
    assert any(re.search(pattern, text) for text in CODE), pattern


def test_the_page_has_messages_at_all():
    assert len(first_cells()) > 30
    assert not any(re.search('is the price of tea', text) for text in CODE)


def test_names_of_problems_and_of_what_is_missing_are_those_of_the_code():
    section = PAGE.split('## Problems of a page')[1]
    assert set(re.findall(r'^\| `(\w+)` \|', section, re.MULTILINE)) == set(PROBLEMS)
    listed = re.findall(r'`([^`]+)`', PAGE.split('all mean missing')[0].splitlines()[-1])
    assert len(listed) > 8
    assert all(word.casefold() in MISSING for word in listed)
