"""The walk of the tutorial: four clicks from everybody to a voxel and one aside, in pictures.

    python benchmarks/walk.py OUT [--pictures docs/pictures/walk] [--region substantia_nigra]

OUT is what `nigra bids_example OUT participant group` made. Every step follows a link of the page
before it, so that the walk ends with an error where one is not there; pages are drawn by Chromium,
1,400 pixels wide, and saved somewhat smaller. Takes half a minute.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

BROWSERS = ('chromium', 'chromium-browser', 'google-chrome')
WIDTH, SAVED = 1400, 1000
TALL = 3000
"""Height in which a section fits, so that nothing is scrolled, px."""
PICTURES = Path(__file__).parents[1] / 'docs' / 'pictures' / 'walk'


def link(page: Path, pattern: str) -> str:
    """What a pattern finds in a page, or an error that names both."""
    found = re.search(pattern, page.read_text(encoding='utf-8'), re.DOTALL)
    if not found:
        raise SystemExit(f'{page.name} has no {pattern}')
    return found[1]


def steps(out: Path, region: str) -> list[tuple[str, str, int]]:
    """Name of each step, where it is, and how much of the page is shown, px."""
    index, group = out / 'index.html', out / 'group.html'
    to_group = link(index, r'<a id="group" href="([^"#]+)"')
    anchor = link(group, rf'<a class="whom" href="#(measure-\d+-{region})"')
    chart = link(group, rf'<figure id="{anchor}">(.*?)</figure>')
    (person, *_) = re.findall(r'<title>(sub-\w+): ', chart)
    viewer = link(out / f'{person}.html', r'href="(index\.html#view=[^"]+)"')
    beside = link(out / f'{person}.html', r'href="(index\.html#beside=[^"]+)"')
    return [
        ('everybody', 'index.html', 900),
        ('findings', to_group, 1250),
        ('in_whom', f'{to_group}#{anchor}', 1440),
        ('person', f'index.html#to={person}', 1350),
        ('viewer', viewer, 1180),
        ('beside', beside, 1350),
    ]


def draw(page: Path, fragment: str, height: int, path: Path) -> None:
    """The upper part of a page as Chromium shows it, somewhat smaller."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise SystemExit(f'this needs {", ".join(BROWSERS[:-1])} or {BROWSERS[-1]}')
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / 'shot.png'
        subprocess.run(
            [browser, '--headless', '--no-sandbox', '--hide-scrollbars', '--use-angle=swiftshader',
             '--enable-unsafe-swiftshader', '--virtual-time-budget=8000',
             f'--window-size={WIDTH},{max(height, TALL if "measure" in fragment else 0)}',
             f'--screenshot={shot}', page.as_uri() + fragment],
            check=True, capture_output=True, timeout=300,
        )  # fmt: skip
        image = Image.open(shot).convert('RGB').crop((0, 0, WIDTH, height))
        path.parent.mkdir(parents=True, exist_ok=True)
        size = (SAVED, height * SAVED // WIDTH)
        image.resize(size, Image.Resampling.LANCZOS).save(path, quality=80)


def section_alone(page: Path, anchor: str, folder: Path) -> Path:
    """A copy of a page with one section, which is not scrolled: Chromium draws no window then."""
    section = anchor.rsplit('-', 1)[0]
    style = (
        f'<style>header, main > :not(#{section}) {{ display: none; }}'
        f' html {{ scroll-padding-top: {TALL}px; }}</style></head>'
    )
    copy = folder / page.name
    copy.write_text(page.read_text('utf-8').replace('</head>', style, 1), encoding='utf-8')
    return copy


def main() -> None:
    """Walk through the pages."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('out', type=Path)
    parser.add_argument('--pictures', type=Path, default=PICTURES)
    parser.add_argument('--region', default='substantia_nigra')
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, address, height) in enumerate(steps(given.out, given.region)):
            file, mark, anchor = address.partition('#')
            page = given.out.resolve() / file
            if anchor.startswith('measure'):
                page = section_alone(page, anchor, Path(folder))
            draw(page, mark + anchor, height, given.pictures / f'{number}_{name}.webp')


if __name__ == '__main__':
    main()
