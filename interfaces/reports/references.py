"""References of the methods text, and the text with them in Markdown and HTML."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from ..files import data_text

_CODE = re.compile(r'`([^`]*)`')

_CITE = re.compile(r'\[(@\w+(?:; @\w+)*)\]')


@dataclass(frozen=True)
class Boilerplate:
    """Methods text in three forms.

    Attributes
    ----------
    markdown
        Text with author and year in place, and the list of references.
    html
        The same as a fragment; references carry links to their DOI.
    bib
        BibTeX entries of the references, no others.
    """

    markdown: str
    html: str
    bib: str


def code_span(text: object) -> str:
    """Text from tables or options as a code span that cannot end early."""
    return '`' + re.sub(r'[`\s]+', ' ', str(text)).strip() + '`'


def join_words(words: Sequence[str]) -> str:
    """Words as a list in a sentence.

    Examples
    --------
    >>> join_words(['a', 'b', 'c'])
    'a, b and c'
    """
    return ' and '.join(filter(None, (', '.join(words[:-1]), words[-1])))


@functools.cache
def read_references() -> dict[str, dict[str, str]]:
    """Entries of `data/boilerplate.bib` by key; `source` holds the entry as written."""
    text = data_text('boilerplate.bib')
    entries = {}
    for match in re.finditer(r'@\w+\{(\w+),\n(.*?)\n\}', text, re.DOTALL):
        found = re.findall(r'^  (\w+) = \{(.*)\},?$', match[2], re.MULTILINE)
        # BibTeX escapes signs, and keeps capitals by braces
        fields = {name: re.sub(r'[{}]|\\(?=&)', '', value) for name, value in found}
        entries[match[1]] = {**fields, 'source': match[0]}
    return entries


def cited_keys(paragraphs: Sequence[str]) -> list[str]:
    """Keys of the references that paragraphs cite, in the order of the text."""
    prose = ' '.join(_CODE.sub('', text) for text in paragraphs)
    keys = [k.lstrip('@') for found in _CITE.findall(prose) for k in found.split('; ')]
    return list(dict.fromkeys(keys))


def _label(entry: Mapping[str, str]) -> str:
    """Author and year as they stand in the text."""
    names = [author.split(',')[0] for author in entry['author'].split(' and ')]
    who = names[0] if len(names) == 1 else f'{names[0]} and {names[1]}'
    return f'{who if len(names) < 3 else names[0] + " et al."}, {entry["year"]}'


def _reference(entry: Mapping[str, str]) -> str:
    """Full reference without its DOI."""
    authors = []
    for author in entry['author'].split(' and '):
        family, _, given = author.partition(', ')
        initials = ''.join(part[0] for part in re.split(r'[ -]', given) if part)
        authors.append('et al.' if author == 'others' else f'{family} {initials}'.strip())
    where = entry.get('journal') or entry.get('booktitle', '')
    volume = entry.get('volume', '')
    number = f'({entry["number"]})' if 'number' in entry else ''
    pages = entry['pages'].replace('--', '–')
    place = f'{volume}{number}:{pages}' if volume else pages
    return (
        f'{", ".join(authors)} ({entry["year"]}). {entry["title"].rstrip("?")}. {where} {place}.'
    )


def to_markdown(
    paragraphs: Sequence[str], used: Sequence[str], entries: Mapping[str, Mapping[str, str]]
) -> str:
    """Paragraphs with author and year in place, and the list of references below."""

    def cite(match: re.Match[str]) -> str:
        return '(' + '; '.join(_label(entries[k.lstrip('@')]) for k in match[1].split('; ')) + ')'

    body = [_outside_code(text, lambda prose: _CITE.sub(cite, prose)) for text in paragraphs]
    lines = []
    for key in sorted(used):
        doi = entries[key].get('doi')
        link = f' [doi:{doi}](https://doi.org/{doi})' if doi else ''
        lines.append(f'- {_reference(entries[key])}{link}')
    return '# Methods\n\n' + '\n\n'.join(body) + '\n\n## References\n\n' + '\n'.join(lines) + '\n'


def to_html(
    paragraphs: Sequence[str], used: Sequence[str], entries: Mapping[str, Mapping[str, str]]
) -> str:
    """The same as a fragment of HTML; references carry links to their DOI."""

    def cite(match: re.Match[str]) -> str:
        links = (
            f'<a href="#ref-{key}">{escape(_label(entries[key]))}</a>'
            for key in (k.lstrip('@') for k in match[1].split('; '))
        )
        return '(' + '; '.join(links) + ')'

    def prose_to_html(prose: str) -> str:
        text = re.sub(r'\*\*(.+?)\*\*', r'<strong>\1</strong>', escape(prose))
        return _CITE.sub(cite, text)

    body = ''.join(
        f'<p>{_outside_code(text, prose_to_html, lambda c: f"<code>{escape(c)}</code>")}</p>\n'
        for text in paragraphs
    )
    items = []
    for key in sorted(used):
        doi = entries[key].get('doi')
        link = f' <a href="https://doi.org/{escape(doi)}">doi:{escape(doi)}</a>' if doi else ''
        items.append(f'<li id="ref-{key}">{escape(_reference(entries[key]))}{link}</li>')
    return f'{body}<h3>References</h3>\n<ol class="references">\n' + '\n'.join(items) + '\n</ol>\n'


def _outside_code(
    text: str,
    prose: Callable[[str], str],
    code: Callable[[str], str] = lambda inner: f'`{inner}`',
) -> str:
    """Apply `prose` to what stands outside code spans and `code` to what stands inside."""
    parts = _CODE.split(text)
    return ''.join(code(part) if i % 2 else prose(part) for i, part in enumerate(parts))
