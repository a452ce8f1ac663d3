"""The viewer of the group level: differences on the template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..anatomy.atlas import DGM, load_dgm_atlas, load_template
from ..files import read_json, save_text, sidecar_of
from ..names import P_STATISTIC, T_STATISTIC, stat_map
from ..region_colours import region_colours
from ..tables import readable
from .colours import LARGE_EFFECT, diverging_rgb, effect_limit
from .effect_maps import T_LIMITS, region_labels, without_covered
from .group_data import GroupData, both_sides, capital, measure_words
from .layers import robust_range
from .provenance import Provenance
from .report import PageStep, ShownInputSpec
from .slices import SliceBox, outline_box
from .viewer_images import Labels, ViewerImage, read_native
from .viewer_page import ViewerOutputSpec, render_viewer

_NOTE = "Effect sizes are Hedges' g of both sides together, painted on each region."
_DIM = 1.5
"""The scale of the template ends so much above it, since effects must stand out."""
_HALF = 127.5
_PLACES = (0, 40, 80, 110, 122, 127, 128, 133, 145, 175, 215, 255)
"""Where the colours of effects are told to the viewer; at the two in the middle they are none."""


def write_group_viewer(
    tables: Mapping[str, str | Path], out_file: Path, *, voxel_maps: Sequence[str | Path] = (),
    settings: Mapping[str, Any] | None = None, version: str = '',
    study: Provenance | None = None, home: str = '',
) -> Path:  # fmt: skip
    """Write the page that shows group differences on the template in three planes.

    Parameters
    ----------
    tables, voxel_maps, settings, version, study, home
        As in `report.render_group`.
    out_file
        Its final path.
    """
    images, boxes = group_images(GroupData.read(tables, settings or {}), voxel_maps)
    page = render_viewer(
        'Group comparison', images, boxes, version=version, study=study,
        ways=[(f'{home}index.html', 'All participants'), ('group.html', 'Groups')],
        opacity=0.8, note=_NOTE, colours={'effect': _effect_colours()},
    )  # fmt: skip
    return save_text(page, out_file)


def group_images(
    data: GroupData, voxel_maps: Sequence[str | Path]
) -> tuple[list[ViewerImage], list[SliceBox]]:
    """Template, effect sizes painted on its regions, voxel-wise tests, regions; parts to keep.

    Parameters
    ----------
    data
        The group's tables.
    voxel_maps
        Images of the voxel-wise comparison.
    """
    template, atlas = load_template(), load_dgm_atlas()
    grey = np.asanyarray(template.dataobj)
    labels = np.asarray(atlas.image.dataobj).astype(np.uint8)
    low, high = robust_range(grey[grey > 0])
    affine = np.asarray(template.affine, float)
    images = [ViewerImage('Template', grey, affine, window=(min(low, 0.0), _DIM * high))]
    images += _painted(data, labels, affine)
    names = {int(row.value): row for row in atlas.regions.dropna(subset=['index'])
             .rename(columns={'index': 'value'}).itertuples()}  # fmt: skip
    colours = region_colours(list(dict.fromkeys(row.region for row in names.values())))
    images.append(ViewerImage(f'Regions ({DGM})', labels, affine, labels=Labels(
        {v: f'{readable(row.region)} {readable(row.hemisphere)}' for v, row in names.items()},
        {v: colours[row.region] for v, row in names.items()},
    )))  # fmt: skip
    brain = outline_box(grey > 0, (1.0, 1.0, 1.0))
    tests = [_test_image(Path(p)) for p in voxel_maps if _statistic(str(p))]
    images[1:1] = tests
    whole = [_whole(test) for test in tests]
    return images, [brain, *whole, *[brain] * (len(images) - 1 - len(tests))]


def _painted(data: GroupData, labels: np.ndarray, affine: np.ndarray) -> list[ViewerImage]:
    """Effect sizes of each measure and contrast, painted on the regions."""
    rows = both_sides(data['contrasts'])
    if rows.empty or 'effect_size' not in rows:
        return []
    known = region_labels()
    found: list[ViewerImage] = []
    for (measure, contrast), own in rows.groupby(['measure', 'contrast'], sort=False):
        sizes = own.set_index('region')['effect_size'].dropna()
        by_label = np.zeros(256, np.float32)
        for region in without_covered({r: known[r] for r in sizes.index if r in known}):
            by_label[list(known[region])] = sizes[region]
        if by_label.any():
            limit = effect_limit(by_label.tolist())
            title = f'{capital(measure_words(str(measure)).title)}: {contrast}'
            found.append(ViewerImage(
                title, by_label[labels], affine, unit='g', colours='effect',
                window=(-limit, limit), over=not found,
            ))  # fmt: skip
    return found


def _statistic(path: str) -> str:
    """`t` or `p` of a map of tests; empty for its sidecar."""
    for statistic, name in ((T_STATISTIC, 't'), (P_STATISTIC, 'p')):
        if path.endswith(f'{stat_map(statistic)}.nii.gz'):
            return name
    return ''


def _test_image(path: Path) -> ViewerImage:
    """A map of the voxel-wise comparison on its own grid."""
    values, affine = read_native(path)
    name = read_json(sidecar_of(path))['Contrast']
    if _statistic(str(path)) == 'p':
        return ViewerImage(f'p, voxel-wise: {name}', values, affine, file=path.name)
    limit = float(np.clip(np.abs(values).max(), *T_LIMITS))
    return ViewerImage(
        f't, voxel-wise: {name}', values, affine, colours='effect', window=(-limit, limit),
        file=path.name,
    )  # fmt: skip


def _whole(image: ViewerImage) -> SliceBox:
    x, y, z = (slice(0, size) for size in image.data.shape)
    return x, y, z


def _effect_colours() -> dict[str, list[int]]:
    """The colours of `colours.diverging`, see-through where there is no effect."""
    rgb = np.array([diverging_rgb((p - _HALF) / _HALF * LARGE_EFFECT) for p in _PLACES])
    alpha = [0 if abs(place - _HALF) < 1 else 255 for place in _PLACES]
    red, green, blue = (rgb[:, channel].tolist() for channel in range(3))
    return {'R': red, 'G': green, 'B': blue, 'A': alpha, 'I': list(_PLACES)}


class GroupViewer(PageStep):
    """Write the page that shows group differences on the template."""

    input_spec = ShownInputSpec
    output_spec = ViewerOutputSpec

    def _run_interface(self, runtime):
        given = self.inputs
        page = write_group_viewer(
            out_file=Path(given.out_file),
            version=given.version,
            study=self._study,
            home=given.home,
            **given.shown,
        )
        self._results['out_viewer'] = str(page)
        return runtime
