"""The viewer: a person's images in three planes, in a page that works from disk."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from markupsafe import Markup
from nipype.interfaces.base import File, TraitedSpec, traits
from numpy.typing import NDArray

from ..files import data_text, save_text
from ..names import atlas_of, output_name, outputs
from ..region_colours import region_colours
from ..tables import read_table, readable
from .layers import robust_range, symmetric_limit
from .map_pictures import own_window
from .participant_page import run_titles
from .persons import empty_place
from .provenance import Provenance
from .report import PageInputSpec, PageStep, as_data, render_page
from .scales import nice_limit
from .slices import SliceBox, outline_box
from .viewer_files import BESIDE
from .viewer_images import Labels, ViewerImage, colour_map, embed, read_native

LARGEST = 15_000_000
"""Bytes that a page takes at most; larger images stay in their files."""
_IMAGES, _BESIDE, _CONNECT = '<!-- images -->', '<!-- beside -->', '<!-- connect -->'
"""Where images go, how they are found in files beside the page, and the leave to load these."""
_MARGIN_MM = 6.0


@functools.cache
def viewer_spec() -> dict[str, Any]:
    """The viewer's library and the maps that it shows, from `data/viewer.json`."""
    return json.loads(data_text('viewer.json'))


def render_viewer(
    title: str, images: Sequence[ViewerImage], boxes: Sequence[SliceBox], *,
    ways: Sequence[tuple[str, str]], note: str = '', opacity: float = 0.4,
    colours: Mapping[str, Any] | None = None, version: str = '',
    study: Provenance | None = None,
) -> str:  # fmt: skip
    """A page that shows images in three planes.

    Parameters
    ----------
    title
        Of whom.
    images
        The first of a run is shown first.
    boxes
        Part of each image to keep.
    ways
        Links to other pages and their names.
    note
        A sentence more for the reader.
    opacity
        Of the overlay when the page opens.
    colours
        Colour maps by name, beside those of matplotlib.
    version
        Of nigra.
    study
        What it is of, and when it was made.
    """
    context = {
        'title': title, 'ways': ways, 'sections': [], 'library': viewer_spec()['library'],
        'note': note, 'opacity': opacity, 'licence': data_text('niivue.LICENSE.txt'),
        'person': empty_place(),
        'runs': list(dict.fromkeys(image.run for image in images)),
        'beside': Markup(_BESIDE), 'connect': Markup(_CONNECT), 'placeholder': Markup(_IMAGES),
    }  # fmt: skip
    page = render_page(
        'viewer.html.j2', context, version=version, study=study,
        scripts=('niivue.umd.js', 'viewer.js'),
    )  # fmt: skip
    # how much room the images have is known when the page is there, without them
    entries = embed(images, boxes, LARGEST - len(page.encode()) - 50_000)  # names, places, colours
    beside = any('address' in entry for entry in entries)
    page = page.replace(_BESIDE, BESIDE if beside else '')
    page = page.replace(_CONNECT, " connect-src 'self';" if beside else '')
    maps = {i.colours for i in images if not i.labels} - set(colours or {})
    content = {
        'images': entries,
        'colours': {**{name: colour_map(name) for name in sorted(maps)}, **(colours or {})},
    }
    return page.replace(_IMAGES, as_data(content))


def run_images(
    run: Mapping[str, Any], files: Sequence[str], root: Path, title: str
) -> tuple[list[ViewerImage], SliceBox]:
    """Images of a gradient-echo run, and the part of its grid that holds the brain.

    Parameters
    ----------
    run
        Files and facts, see `report.render_participant`.
    files
        Everything saved of the visit: the maps are read as they were saved.
    root
        Where the page lies.
    title
        Of the run.
    """
    prefix = str(run['entities']['prefix'])
    saved = {Path(path).name.removeprefix(prefix): Path(path) for path in files
             if Path(path).name.startswith(prefix)}  # fmt: skip
    mask, affine = read_native(saved[output_name('qsm_mask')])
    mask = mask > 0
    labels, _ = read_native(saved[output_name('dseg')])
    shared: dict[str, Any] = {'affine': affine, 'run': title}
    images = []
    for name, shown in viewer_spec()['images'].items():
        path = saved.get(output_name(name))
        if path is None:
            continue
        data, _ = read_native(path)
        images.append(ViewerImage(
            shown['title'], data, unit=outputs('scan')[name].metadata['Units'],
            colours=shown['colours'], window=_window(name, data, mask, labels),
            file=path.relative_to(root).as_posix(), **shared,
        ))  # fmt: skip
    t1w, _ = read_native(run['t1w_in_gre'])
    low, high = robust_range(t1w[mask])
    images.insert(1, ViewerImage('T1w', t1w, window=(min(low, 0.0), high), **shared))
    tables = [saved[output_name('dseg_tsv')], *map(Path, run.get('atlas_tables') or ())]
    paths = [saved[output_name('dseg')], *map(Path, run.get('atlas_labels') or ())]
    for number, (path, table) in enumerate(zip(paths, tables, strict=True)):
        beside = saved.get(path.name.removeprefix(prefix), path)
        images.append(ViewerImage(
            f'Regions ({atlas_of(table)})', read_native(path)[0], labels=_labels(table),
            over=not number,
            file=beside.relative_to(root).as_posix() if beside.is_relative_to(root) else '',
            **shared,
        ))  # fmt: skip
    zooms = np.linalg.norm(affine[:3, :3], axis=0)
    return images, outline_box(mask, zooms.tolist(), _MARGIN_MM)


def _window(
    name: str, data: NDArray[Any], mask: NDArray[np.bool_], labels: NDArray[Any]
) -> tuple[float, float]:
    """Ends of a map's scale, as its pictures have them."""
    if name == 'chimap':
        return own_window(data, mask & (labels > 0))
    if name.endswith('field'):
        limit = symmetric_limit(data[mask])
        return -limit, limit
    low, high = robust_range(data[mask], 2, 98)
    limit = nice_limit(max(abs(low), abs(high)))
    return (-limit, 0.0) if high <= 0 else (0.0, limit)


def _labels(table: Path) -> Labels:
    """Names and colours of an atlas's labels, from its table."""
    rows = read_table(table, needs=('index', 'region'))
    names = [str(region) for region in rows['region']]
    sides = rows['hemisphere'].fillna('') if 'hemisphere' in rows else [''] * len(rows)
    colours = region_colours(list(dict.fromkeys(names)))
    values = [int(value) for value in rows['index']]
    shown = [f'{readable(n)} {readable(s)}'.strip() for n, s in zip(names, sides, strict=True)]
    return Labels(
        dict(zip(values, shown, strict=True)),
        {value: colours[name] for value, name in zip(values, names, strict=True)},
    )


def viewer_ways(visit: str) -> list[tuple[str, str]]:
    """Links from a visit's viewer, to those of its neighbours by the index, too."""
    at = quote(visit)
    return [
        ('index.html', 'All participants'),
        (f'index.html#view-before={at}', '← previous'),
        (f'index.html#view-after={at}', 'next →'),
        (f'{at}.html', 'Report'),
        (f'index.html#beside={at}', 'Beside others'),
    ]


class ViewerOutputSpec(TraitedSpec):
    """Of both steps that write viewers."""

    out_viewer = File(desc='the page')


class _ParticipantViewerInputSpec(PageInputSpec):
    version = traits.Str('', usedefault=True, desc='of nigra')
    participant_id = traits.Str(mandatory=True, desc='title: sub-01 or sub-01_ses-1')
    runs = traits.List(traits.Dict, mandatory=True, desc='see render_participant')
    files = traits.List(traits.Str, mandatory=True, desc='everything saved of the visit')


class ParticipantViewer(PageStep):
    """Write the page in which a visit's images can be looked through."""

    input_spec = _ParticipantViewerInputSpec
    output_spec = ViewerOutputSpec

    def _run_interface(self, runtime):
        given = self.inputs
        out_file = Path(given.out_file)
        images: list[ViewerImage] = []
        boxes: list[SliceBox] = []
        for run, title in zip(
            given.runs, run_titles(given.runs, given.participant_id), strict=True
        ):
            of_run, box = run_images(run, given.files, out_file.parent, title)
            images += of_run
            boxes += [box] * len(of_run)
        page = render_viewer(
            given.participant_id, images, boxes, version=given.version,
            study=self._study,
            ways=viewer_ways(given.participant_id),
            note='The T1w image is resampled to the grid of the maps. '
            'Susceptibility is in ppm here and in ppb in tables: 0.1 ppm is 100 ppb.',
        )  # fmt: skip
        self._results['out_viewer'] = str(save_text(page, out_file))
        return runtime
