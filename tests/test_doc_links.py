"""Links to elsewhere, as far as they can be checked without a network: form, and papers."""

import re
import tomllib
import unicodedata
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ('api.py', 'benchmarks', 'cli', 'data', 'docs', 'interfaces', 'nodes', 'workflows',
         'README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'CITATION.cff')  # fmt: skip
# brackets may be part of a DOI, and a DOI may stand in brackets
DOI = re.compile(r'\b10\.\d{4,9}/(?:\([^\s()]*\)|[^\s,;()"\'}\]<>|`])+')
GAP = r'[\s#]+'
"""Between words that may stand on two lines, of a comment too."""
CITED = re.compile(
    rf'([A-Z]\w+)(?:{GAP}(?:&|and){GAP}\w+)?(?:{GAP}et{GAP}al\.)?,?{GAP}(\d{{4}})[,\s#(]+'
    rf'doi{GAP}({DOI.pattern})'
)
HOST = re.compile(r'https?://([\w-]+(?:\.[\w-]+)+)')
LINKS = tomllib.loads(Path(__file__).with_name('links.toml').read_text(encoding='utf-8'))
"""Every host that is linked to, and the papers that are cited without the bibliography."""


def texts():
    """Everything that people read or that cites papers, by file."""
    for room in ROOMS:
        start = ROOT / room
        for path in [start] if start.is_file() else sorted(start.rglob('*')):
            if path.suffix in ('.md', '.py', '.bib', '.json', '.toml', '.cff', '.j2'):
                yield path, path.read_text(encoding='utf-8')


def bibliography():
    """First author and year of each paper, by DOI."""
    text = (ROOT / 'data' / 'boilerplate.bib').read_text(encoding='utf-8')
    found = {}
    for entry in re.split('^@', text, flags=re.MULTILINE)[1:]:
        values = dict(re.findall(r'^ +(\w+) = \{(.*)\},?$', entry, re.MULTILINE))
        if 'doi' in values:
            found[values['doi']] = plain(values['author'].split(',')[0]), values['year']
    return found


def plain(name):
    """A name without accents, braces and small words before it."""
    letters = unicodedata.normalize('NFKD', re.sub(r'[{}\\"\']', '', name))
    return ''.join(c for c in letters if c.isascii()).split(' ')[-1]


def test_a_paper_has_one_spelling_of_its_doi():
    spelt = defaultdict(set)
    for path, text in texts():
        for found in DOI.findall(text):
            doi = found.rstrip('.:')
            assert re.fullmatch(r'10\.\d{4,9}/[-._;()/:A-Za-z0-9]+', doi), (path.name, doi)
            assert doi.count('(') == doi.count(')'), (path.name, doi)
            spelt[doi.lower()].add(doi)
    assert len(spelt) > 80
    assert [forms for forms in spelt.values() if len(forms) > 1] == []


def listed():
    """First author and year of the papers that the bibliography does not have, by DOI."""
    return {doi: tuple(told.rsplit(' ', 1)) for doi, told in LINKS['papers'].items()}


def used(pattern):
    """What a pattern finds, and the files in which it stands."""
    found = defaultdict(set)
    for path, text in texts():
        for match in pattern.findall(text):
            found[match.rstrip('.:')].add(path.name)
    return found


def test_every_paper_is_in_the_bibliography_or_listed():
    cited = {doi: names for doi, names in used(DOI).items() if doi not in bibliography()}
    assert {doi: names for doi, names in cited.items() if doi not in listed()} == {}
    assert set(listed()) - set(cited) == set()


def test_a_paper_goes_by_one_doi():
    twice = defaultdict(list)
    for doi, paper in {**bibliography(), **listed()}.items():
        twice[paper].append(doi)
    several = {frozenset(dois) for dois in twice.values() if len(dois) > 1}
    assert several == {frozenset(dois) for dois in LINKS['one_author_and_year']}


def test_every_host_is_listed():
    hosts = {host: names for host, names in used(HOST).items() if host != '127.0.0.1'}
    assert {host: names for host, names in hosts.items() if host not in LINKS['hosts']} == {}
    assert set(LINKS['hosts']) - set(hosts) == set()
    assert LINKS['hosts'] == sorted(set(LINKS['hosts']))


def test_pages_name_the_authors_and_years_of_the_bibliography():
    known = {**bibliography(), **listed()}
    checked, wrong = 0, []
    for path, text in texts():
        for author, year, found in CITED.findall(text):
            doi = found.rstrip('.:')
            if doi in known:
                checked += 1
                if known[doi] != (plain(author), year):
                    wrong.append((path.name, author, year, doi, known[doi]))
    assert checked > 60
    assert wrong == []


def test_links_are_encrypted_and_whole():
    written = [(p, t) for p, t in texts() if p.suffix == '.md' and p.name != 'licences.md']
    links = [(p.name, url) for p, t in written for url in re.findall(r'https?:[^\s)>"`\]]+', t)]
    assert links
    # the machine of whoever reads may be asked without encryption
    bad = [(name, url) for name, url in links if not re.match(r'https://[\w.-]+\.\w+(/|$)', url)]
    assert [b for b in bad if '127.0.0.1' not in b[1]] == []
