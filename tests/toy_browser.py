"""Pages in a real browser: what is there after their scripts have run."""

import base64
import hashlib
import html as markup
import json
import re
import shutil
import subprocess

BROWSER = next(
    filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), ''
)


def browse(page, *options, fragment='', query='', address=''):
    """The page's DOM after its scripts have run, and what the browser logged of it.

    With `address` the page is asked of a server there, which serves its folder.
    """
    place = f'{address}/{page.name}' if address else page.as_uri()
    found = subprocess.run(
        [BROWSER, '--headless', '--no-sandbox', '--disable-gpu', '--enable-logging=stderr',
         '--virtual-time-budget=4000', '--window-size=1300,900', '--dump-dom', *options,
         place + (f'?{query}' if query else '') + (f'#{fragment}' if fragment else '')],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    # a driver in software says of itself that it is slow
    lines = (line for line in found.stderr.splitlines() if 'GL Driver Message' not in line)
    return found.stdout, [line for line in lines if 'CONSOLE' in line]


def driven(page, code, *options, address=''):
    """A copy of the page whose own script is followed by `code`, and its DOM."""
    html = page.read_text(encoding='utf-8')
    script = re.search(r'<script>(.*?)</script>', html, re.DOTALL)[1]
    longer = script + code
    digest = base64.b64encode(hashlib.sha256(longer.encode()).digest()).decode()
    html = html.replace(f'<script>{script}</script>', f'<script>{longer}</script>')
    copy = page.with_name('driven.html')
    copy.write_text(re.sub(r"'sha256-[^']+'", f"'sha256-{digest}'", html), encoding='utf-8')
    dom, errors = browse(copy, *options, address=address)
    assert errors == []
    return re.search(r'data-told="([^"]*)"', dom)[1]


_TELL = """
addEventListener('load', () => setTimeout(async () => {
  const root = document.documentElement, foreign = performance.getEntriesByType('resource')
    .filter((entry) => !/^(file|data|blob):/.test(entry.name));
  const more = await (%s);
  parent.postMessage([%s, root.scrollWidth, root.clientWidth, foreign.length, more], '*');
}, 500));
"""
_GATHER = """
addEventListener('message', (event) => {
  const root = document.documentElement;
  root.dataset.told = JSON.stringify([...JSON.parse(root.dataset.told || '[]'), event.data]);
});
"""


def in_frames(pages, *options, width=390, code='null', before=''):
    """What pages tell of themselves in frames of a width, narrower than windows can be.

    Returns for each page the width of its content and of its frame, how much it asked of a
    network, and the value of the expression `code`; and what the browser logged.
    """
    copies = []
    for number, page in enumerate(pages):
        # scripts of our own, which the page's policy would not let run
        text = page.read_text('utf-8')
        text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', '', text)
        script = f'<script>{before}</script><script>{_TELL % (code, number)}</script></body>'
        copies.append(page.with_name(f'framed_{page.name}'))
        start, _, end = text.rpartition('</body>')
        copies[-1].write_text(start + script + end, encoding='utf-8')
    frames = ''.join(
        f'<iframe src="{copy.as_uri()}" width="{width}" height="800"></iframe>' for copy in copies
    )
    wall = pages[0].with_name('wall.html')
    wall.write_text(f'<!DOCTYPE html><script>{_GATHER}</script>{frames}', encoding='utf-8')
    dom, errors = browse(wall, '--hide-scrollbars', *options)
    for path in (wall, *copies):
        path.unlink()
    told = json.loads(markup.unescape(re.search(r'data-told="([^"]*)"', dom)[1]))
    assert len(told) == len(pages)
    return {pages[number]: rest for number, *rest in told}, errors
