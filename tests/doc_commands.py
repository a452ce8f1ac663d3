"""Commands that the documentation shows, and what each needs to be run."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *sorted((ROOT / 'docs').rglob('*.md'))]
PROGRAMS = ('nigra', 'nigra-bidsify', 'nigra-power', 'nigra-simulate', 'nigra-stage',
            'nigra-status', 'nigra-view')  # fmt: skip
STARTS = (*PROGRAMS, 'make', 'python')
FENCE = re.compile(r'^```(\w*)\n(.*?)^```', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Command:
    """A command of a page, as words without `.venv/bin/`."""

    page: Path
    words: tuple[str, ...]

    @property
    def program(self):
        return self.words[0]

    @property
    def pattern(self):
        """Whether it stands for many commands: it has names in capitals or brackets."""
        return any(re.fullmatch(r'\[.*|[A-Z]+(_[A-Z]+)*', word) for word in self.words)

    def __str__(self):
        return f'{self.page.name}: {shlex.join(self.words)}'


def shown(text):
    """Lines of code of a page: indented, or fenced without Python; continued lines joined."""
    fenced = '\n'.join(code for language, code in FENCE.findall(text) if language != 'python')
    indented = re.findall(r'^(?: {4,})(\S.*)$', FENCE.sub('', text).replace('\\\n', ' '), re.M)
    return [*fenced.replace('\\\n', ' ').splitlines(), *indented]


def commands():
    """Every command of every page, each once a page."""
    found = {}
    for page in PAGES:
        lines = shown(page.read_text(encoding='utf-8'))
        inline = re.findall(r'`((?:make|python) [^`]+)`', page.read_text(encoding='utf-8'))
        for line in (*lines, *inline):
            first = line.removeprefix('.venv/bin/').split(' ')[0].strip()
            if first in STARTS:
                words = shlex.split(line.removeprefix('.venv/bin/'), comments=True)
                found.setdefault(Command(page, tuple(words)))
    return list(found)


def tables(page, *columns):
    """First block of a page whose first line names these columns, as tab-separated text."""
    lines = shown(page.read_text(encoding='utf-8'))
    start = next(n for n, line in enumerate(lines) if line.split() == list(columns))
    rows = [line.split() for line in lines[start:]]
    end = next((n for n, row in enumerate(rows) if len(row) != len(columns)), len(rows))
    return '\n'.join('\t'.join(row) for row in rows[:end]) + '\n'


def designs(page):
    """TOML of a page: fenced, or indented from the line `# design.toml` on."""
    text = page.read_text(encoding='utf-8')
    fenced = [code for language, code in FENCE.findall(text) if language == 'toml']
    indented = re.findall(r'^ {4}# design\.toml\n(?:^ {4}.*\n)+', text, re.MULTILINE)
    return [*fenced, *(re.sub(r'^ {4}', '', block, flags=re.MULTILINE) for block in indented)]
