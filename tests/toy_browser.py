"""Pages in a real browser: what is there after their scripts have run."""

import base64
import hashlib
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
