"""From a T1w image and a gradient-echo magnitude to deep grey labels on both grids.

Template and T1w are first aligned as wholes, on coarse voxels and inside the (widened) template
brain, so that skull and neck have no say; then around the deep grey nuclei on finer ones. Labels
pass from the template to any grid through one composed transform.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ...nodes.anatomy.brain import dilate_mm, padded_box
from ...nodes.anatomy.deformation import jacobian
from ...nodes.anatomy.similarity import correlation, normalised_mutual_information
from ...nodes.errors import NigraError
from ...nodes.numerics.resample import cropped_affine
from .atlas import Atlas, load_dgm_atlas, load_template, susceptibility_template
from .bias import without_bias
from .itk import Engine, Volume, read_volume, write
from .labels import labels_on

_CHI_RANGE = (-0.15, 0.25)
"""Susceptibility beyond it, ppm, is a vein's or an artefact's."""
_SLAB_MM = 150.0
"""Height of brain and skull below the top of a head: what lies lower is neck."""


@dataclass(frozen=True)
class Pair:
    """Transforms between two spaces, each a file that ANTs reads.

    Attributes
    ----------
    forward
        Resamples the moving image onto the fixed grid.
    inverse
        The other way.
    """

    forward: Path
    inverse: Path


def template_volume() -> Volume:
    """T1w template without skull."""
    image = load_template()
    return Volume(np.asarray(image.dataobj, np.float32), image.affine)


def _crop(volume: Volume, box: Sequence[slice]) -> Volume:
    return Volume(volume.data[tuple(box)], cropped_affine(volume.affine, box))


def _working_grid(
    mask: Volume, spacing: float, margin_mm: float, border_mm: float
) -> tuple[Volume, tuple[slice, ...]]:
    """Mask widened by a margin on cubic voxels, cropped with a border, and the crop's box."""
    coarse = mask.isotropic(spacing)
    wide = dilate_mm(coarse.data > 0.5, margin_mm, coarse.voxel_size)
    border = round(border_mm / spacing)
    box = padded_box(wide, (border,) * 3)
    return _crop(Volume(wide.astype(np.float32), coarse.affine), box), box


def align_whole_brain(
    t1w: Path, folder: Path, engine: Engine, preset: Mapping[str, Any]
) -> tuple[Pair, Path, dict[str, float]]:
    """Template and T1w as wholes, and the template's brain on the T1w grid.

    Parameters
    ----------
    t1w
        With or without skull.
    folder
        For files.
    engine, preset
        How to register.

    Returns
    -------
    tuple
        Transforms with the template as fixed image, the template's brain mask on the T1w grid,
        the similarity of the start that was chosen, and the estimated intracranial volume (mL):
        that of the template, brain and fluid, scaled by the affine step (Buckner et al. 2004, doi
        10.1016/j.neuroimage.2004.06.018).
    """
    head = read_volume(t1w, canonical=True)
    head = without_bias(head, None, folder, engine, preset['head_bias'])
    template = template_volume()
    brain = Volume((template.data > 0).astype(np.float32), template.affine)
    start, similarity = _best_start(template, brain, head, folder, engine, preset['start'])
    initial: Path = start
    result, scale = Pair(start, start), 1.0
    for name in ('affine', 'whole_brain'):
        settings = preset[name]
        spacing = settings['resolution_mm']
        mask, box = _working_grid(brain, spacing, settings.get('margin_mm', 8), 2 * spacing)
        result = Pair(
            *engine.register(
                write(_crop(template.isotropic(spacing), box), folder / f'template_{name}.nii'),
                write(head.isotropic(spacing), folder / f'head_{name}.nii'),
                folder / f'{name}_',
                settings['stages'],
                initial=initial,
                fixed_mask=write(mask, folder / f'mask_{name}.nii', dtype=np.uint8),
            )
        )
        initial = result.forward
        if name == 'affine':
            scale = _volume_scale(result.forward, mask, folder, engine)
    own = read_volume(t1w)
    reference = write(own, folder / 'reference.nii')
    moving = write(brain, folder / 'template_brain.nii')
    pulled = engine.resample(moving, reference, [result.inverse]) > 0.5
    prior = write(Volume(pulled, own.affine), folder / 'prior.nii.gz', dtype=np.uint8)
    litres = float(brain.data.sum() * np.prod(brain.voxel_size)) / 1e6
    return result, prior, {'start_nmi': similarity, 'etiv_ml': 1000 * litres * scale}


def _volume_scale(transform: Path, grid: Volume, folder: Path, engine: Engine) -> float:
    """By how much an affine map of points scales volumes."""
    matrix, _ = _affine_part(transform, grid, folder, engine)
    return float(abs(np.linalg.det(matrix)))


def _best_start(
    template: Volume, brain: Volume, head: Volume, folder: Path, engine: Engine,
    settings: Mapping[str, Any],
) -> tuple[Path, float]:  # fmt: skip
    """Of many positions, pitches and sizes, the one that fits best after a short fit.

    Size matters as much as position: a small brain in a template of average size is drawn out to
    the bright scalp, and no later step recovers from it.
    """
    spacing = settings['resolution_mm']
    small, small_head = template.isotropic(spacing), head.isotropic(spacing)
    near, box = _working_grid(brain, spacing, spacing, spacing)
    small = _crop(small, box)
    mask = near.data > 0.5
    fixed = write(small, folder / 'template_start.nii')
    moving = write(small_head, folder / 'head_start.nii')
    fixed_mask = write(near, folder / 'mask_start.nii', dtype=np.uint8)

    def similarity(transform: Path) -> float:
        seen = engine.resample(moving, fixed, [transform])
        return normalised_mutual_information(small.data, seen, mask)

    tried: list[tuple[float, Path]] = []
    for matrix in _poses(small, mask, small_head, settings):
        path = engine.linear_transform(matrix, folder / f'pose_{len(tried)}.mat')
        tried.append((similarity(path), path))
    tried.sort(key=lambda pair: -pair[0])
    fitted = []
    for number, (_, initial) in enumerate(tried[: settings['keep']]):
        forward, _ = engine.register(
            fixed, moving, folder / f'start_{number}_', settings['stages'], initial=initial,
            fixed_mask=fixed_mask,
        )  # fmt: skip
        fitted.append((similarity(forward), forward))
    value, path = max(fitted, key=lambda pair: pair[0])
    return path, value


def _poses(
    template: Volume, mask: NDArray[np.bool_], head: Volume, settings: Mapping[str, Any]
) -> list[NDArray[np.float64]]:
    """Maps of template to head points: world or centred, over the preset's pitches and sizes."""
    centre = _centroid(template, mask)
    shift = _head_centre(head) - centre
    shifts = [shift] if np.linalg.norm(shift) < template.voxel_size[0] else [np.zeros(3), shift]
    return [
        _turn(pitch, size, centre, move)
        for move in shifts
        for pitch in settings['pitch_deg']
        for size in settings['sizes']
    ]


def _centroid(volume: Volume, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    index = np.argwhere(mask).mean(axis=0)
    return volume.affine[:3, :3] @ index + volume.affine[:3, 3]


def _head_centre(head: Volume) -> NDArray[np.float64]:
    """Centre of what is bright within `_SLAB_MM` of the top of a head, world mm."""
    bright = head.data > 0.5 * float(head.data[head.data > head.data.mean()].mean())
    points = np.argwhere(bright) @ head.affine[:3, :3].T + head.affine[:3, 3]
    top = np.percentile(points[:, 2], 99)
    return points[points[:, 2] > top - _SLAB_MM].mean(axis=0)


def _turn(
    pitch_deg: float, size: float, centre: NDArray[np.float64], shift: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Turn about the left-right axis through `centre`, scaling and shift, as 4 x 4 matrix."""
    angle = np.deg2rad(pitch_deg)
    matrix = np.eye(4)
    matrix[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    matrix[:3, :3] *= size
    matrix[:3, 3] = centre + shift - matrix[:3, :3] @ centre
    return matrix


def align_deep_grey(
    t1w: Path, coarse: Pair, folder: Path, engine: Engine, preset: Mapping[str, Any]
) -> tuple[Pair, dict[str, float]]:
    """Refine an alignment around the deep grey nuclei and compose all of it.

    Parameters
    ----------
    t1w
        Bias field removed.
    coarse
        Transforms from `align_whole_brain`.
    folder, engine, preset
        As there.

    Returns
    -------
    tuple
        T1w to template (forward) and template to T1w (inverse), each one displacement field; mean
        displacement and range of the volume change over the nuclei.
    """
    head, template = read_volume(t1w, canonical=True), template_volume()
    settings = preset['deep_grey']
    spacing = settings['resolution_mm']
    labels = load_dgm_atlas().image
    nuclei = ndimage.binary_fill_holes(np.asarray(labels.dataobj) > 0).astype(np.float32)
    near, box = _working_grid(
        Volume(nuclei, labels.affine), spacing, settings['margin_mm'],
        settings['border_mm'] - settings['margin_mm'],
    )  # fmt: skip
    fixed = write(_crop(template.isotropic(spacing), box), folder / 'template_box.nii')
    smooth = _smoothed(head, spacing)
    warped = engine.resample(write(smooth, folder / 'head.nii'), fixed, [coarse.forward])
    fine = Pair(
        *engine.register(
            fixed,
            write(Volume(warped, near.affine), folder / 'head_box.nii'),
            folder / 'fine_',
            settings['stages'],
            fixed_mask=write(near, folder / 'mask_box.nii', dtype=np.uint8),
        )
    )
    field_mm = preset['field_mm']
    template_grid = write(template.isotropic(field_mm), folder / 'template_grid.nii')
    head_grid_volume = head.isotropic(field_mm)
    head_grid = write(head_grid_volume, folder / 'head_grid.nii')
    pair = Pair(
        engine.compose([coarse.forward, fine.forward], template_grid, folder / 'to_template.h5'),
        engine.compose([fine.inverse, coarse.inverse], head_grid, folder / 'to_t1w.h5'),
    )
    return pair, _deformation(pair.forward, near, folder, engine)


def align_susceptibility(
    t1w: Path, chimap: Path, pair: Pair, gre_to_t1w: Path, folder: Path, engine: Engine,
    preset: Mapping[str, Any],
) -> tuple[Path, dict[str, float]]:  # fmt: skip
    """Refine an alignment where T1w contrast is faint by the contrast of a susceptibility map.

    Parameters
    ----------
    t1w, chimap
        T1w image, bias field removed; susceptibility, ppm, on the grid of the gradient echo.
    pair
        From `align_deep_grey`.
    gre_to_t1w
        Rigid.
    folder, engine, preset
        As in `align_whole_brain`.

    Returns
    -------
    tuple
        Template to T1w, one displacement field; and how far the labels moved (mm, mean over the
        nuclei refined).

    Notes
    -----
    T1w image and map are registered together to the template and a template of susceptibility
    made from the labels, each by local correlation, in a box around the chosen nuclei. The
    correlation does not see how high the susceptibility is, only where it changes.
    """
    settings = preset['susceptibility']
    spacing, template = settings['resolution_mm'], template_volume()
    atlas = load_dgm_atlas()
    rows = atlas.regions[atlas.regions.region.isin(settings['regions'])]
    chosen = np.isin(np.asarray(atlas.image.dataobj), [v for p in rows.parts for v in p])
    near, box = _working_grid(
        Volume(chosen.astype(np.float32), atlas.image.affine), spacing, settings['margin_mm'],
        settings['border_mm'] - settings['margin_mm'],
    )  # fmt: skip
    image = susceptibility_template()
    contrast = Volume(np.asarray(image.dataobj, np.float32), image.affine)
    fixed = [
        write(_crop(volume.isotropic(spacing), box), folder / f'{name}_box.nii')
        for name, volume in (('template', template), ('susceptibility', contrast))
    ]
    head, own = read_volume(t1w, canonical=True), read_volume(chimap, canonical=True)
    clipped = Volume(np.clip(own.data, *_CHI_RANGE), own.affine)
    moving = []
    for name, volume, chain in (
        ('head', _smoothed(head, spacing), [pair.forward]),
        ('chimap', clipped, [pair.forward, gre_to_t1w]),
    ):
        warped = engine.resample(write(volume, folder / f'{name}.nii'), fixed[0], chain)
        moving.append(write(Volume(warped, near.affine), folder / f'{name}_box.nii'))
    fine = Pair(
        *engine.register(
            fixed[0], moving[0], folder / 'susceptibility_', settings['stages'],
            fixed_mask=write(near, folder / 'mask_box.nii', dtype=np.uint8),
            second=(fixed[1], moving[1]),
        )
    )  # fmt: skip
    head_grid = write(head.isotropic(preset['field_mm']), folder / 'head_grid.nii')
    out = engine.compose([fine.inverse, pair.inverse], head_grid, folder / 'to_t1w.h5')
    moved = _deformation(fine.forward, near, folder, engine)['displacement_mm']
    return out, {'susceptibility_mm': moved}


def _smoothed(volume: Volume, spacing: float) -> Volume:
    """Image blurred for resampling to a coarser spacing, on its own grid."""
    old = np.array(volume.voxel_size)
    sigma = np.sqrt(np.maximum(spacing**2 - old**2, 0)) / old / np.sqrt(8 * np.log(2))
    return Volume(ndimage.gaussian_filter(volume.data, sigma, mode='nearest'), volume.affine)


def _deformation(
    transform: Path, inside: Volume, folder: Path, engine: Engine
) -> dict[str, float]:
    """Length of displacement (mm) and range of the volume change within a mask."""
    grid = write(inside, folder / 'displacement_grid.nii')
    vectors = engine.displacement([transform], grid)
    spacing = inside.voxel_size[0]
    along_axes = np.einsum('ij,j...->i...', inside.affine[:3, :3].T / spacing, vectors)
    volume_change = jacobian(along_axes.astype(np.float32), spacing)
    mask = inside.data > 0.5
    length = np.sqrt((vectors**2).sum(axis=0))[mask]
    return {
        'displacement_mm': float(length.mean()),
        'jacobian_min': float(volume_change[mask].min()),
        'jacobian_max': float(volume_change[mask].max()),
    }


def template_on_t1w(
    t1w: Path, brain_mask: Path, to_t1w: Path, folder: Path, engine: Engine, atlas: Atlas
) -> tuple[Path, Path, dict[str, float]]:
    """Template and labels on the T1w grid, and how well template and T1w agree.

    Parameters
    ----------
    t1w, brain_mask
        Bias field removed; its brain.
    to_t1w
        Template to T1w.
    folder, engine
        As in `align_whole_brain`.
    atlas
        Labels in template space.

    Returns
    -------
    tuple
        Template, labels, and the correlation of template and T1w inside the brain.
    """
    own, mask = read_volume(t1w), read_volume(brain_mask)
    reference = write(own, folder / 'reference.nii')
    template = template_volume()
    moving = write(template, folder / 'template.nii')
    warped = engine.resample(moving, reference, [to_t1w])
    inside = (mask.data > 0.5) & (warped > 0)
    quality = {'template_correlation': correlation(warped, own.data, inside)}
    labels = labels_on(own, atlas, [to_t1w], folder, engine)
    return (
        write(Volume(warped, own.affine), folder / 'template_in_t1w.nii.gz'),
        write(Volume(labels, own.affine), folder / 'labels_in_t1w.nii.gz', dtype=np.uint8),
        quality,
    )


def align_gre(
    gre: Path, t1w: Path, brain_mask: Path, folder: Path, engine: Engine,
    preset: Mapping[str, Any],
) -> tuple[Pair, dict[str, float]]:  # fmt: skip
    """Rigid alignment of a gradient-echo magnitude with the T1w image of the same head.

    Parameters
    ----------
    gre
        Magnitude, bias field removed; whole head or slab, at any angle.
    t1w, brain_mask
        Bias field removed; its brain.
    folder, engine, preset
        As in `align_whole_brain`.

    Returns
    -------
    tuple
        T1w to GRE (forward) and GRE to T1w (inverse); similarity by the headers alone and in the
        end (normalised mutual information), shift (mm) and turn (degrees).

    Notes
    -----
    The GRE is the fixed image: every sample of a slab lies within the head. World coordinates
    are the first start, for scans of one session fraction them; the brain moved to the middle of
    the magnitude is the second, for headers that say nothing of the position. The better wins,
    and is refined inside the brain.
    """
    fixed_full, moving_full = read_volume(gre, canonical=True), read_volume(t1w, canonical=True)
    brain = read_volume(brain_mask, canonical=True, must_vary=False)
    if not (brain.data > 0.5).any():
        raise NigraError(f'{brain_mask} holds no voxel; check the T1w image and its brain mask')
    settings = preset['gre_to_t1w']
    moving_brain = write(brain.isotropic(3.0), folder / 'brain.nii')
    start = _gre_start(fixed_full, moving_full, brain, folder, engine, preset['gre_start'])
    spacing = settings['resolution_mm']
    small = fixed_full.isotropic(spacing)
    fixed = write(small, folder / 'gre.nii')
    moving = write(moving_full.isotropic(spacing), folder / 't1w.nii')
    inside = engine.resample(moving_brain, fixed, [start]) > 0.5
    if not inside.any():
        raise NigraError(f'{gre} and {t1w} show no common part of the brain; check their headers')
    mask = Volume(dilate_mm(inside, 4.0, small.voxel_size).astype(np.float32), small.affine)
    pair = Pair(
        *engine.register(
            fixed, moving, folder / 'gre_', settings['stages'], initial=start,
            fixed_mask=write(mask, folder / 'gre_mask.nii', dtype=np.uint8),
        )
    )  # fmt: skip
    identity = engine.linear_transform(np.eye(4), folder / 'identity.mat')

    def similarity(transform: Path) -> float:
        seen = engine.resample(moving, fixed, [transform])
        where = engine.resample(moving_brain, fixed, [transform]) > 0.5
        return normalised_mutual_information(small.data, seen, where)

    quality = {'nmi_headers': similarity(identity), 'nmi': similarity(pair.forward)}
    return pair, {**quality, **_motion(pair.forward, mask, folder, engine)}


def _gre_start(
    gre: Volume, t1w: Volume, brain: Volume, folder: Path, engine: Engine,
    settings: Mapping[str, Any],
) -> Path:  # fmt: skip
    spacing = settings['resolution_mm']
    small, small_t1w = gre.isotropic(spacing), t1w.isotropic(spacing)
    fixed = write(small, folder / 'gre_start.nii')
    moving = write(small_t1w, folder / 't1w_start.nii')
    bright = small.data > small.data.mean()
    to_centre = np.eye(4)
    to_centre[:3, 3] = _centroid(brain, brain.data > 0.5) - _centroid(small, bright)
    found = []
    for name, matrix in (('world', np.eye(4)), ('centre', to_centre)):
        initial = engine.linear_transform(matrix, folder / f'gre_{name}.mat')
        forward, _ = engine.register(
            fixed, moving, folder / f'gre_{name}_', settings['stages'], initial=initial
        )
        seen = engine.resample(moving, fixed, [forward])
        found.append((normalised_mutual_information(small.data, seen, bright), forward))
    return max(found, key=lambda pair: pair[0])[1]


def _motion(transform: Path, grid: Volume, folder: Path, engine: Engine) -> dict[str, float]:
    """Shift of the middle of a grid (mm) and turn (degrees) by a rigid transform."""
    turn, shift = _affine_part(transform, grid, folder, engine)
    cosine = np.clip((np.trace(turn) - 1) / 2, -1, 1)
    return {
        'shift_mm': float(np.linalg.norm(shift)),
        'turn_deg': float(np.degrees(np.arccos(cosine))),
    }


def _affine_part(
    transform: Path, grid: Volume, folder: Path, engine: Engine
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Best matrix (transposed) by which a mask's points move about their middle; its shift."""
    vectors = engine.displacement([transform], write(grid, folder / 'affine_grid.nii'))
    mask = grid.data > 0.5
    points = (np.argwhere(mask) @ grid.affine[:3, :3].T + grid.affine[:3, 3]).astype(float)
    moved = points + vectors[:, mask].T
    middle, end = points.mean(axis=0), moved.mean(axis=0)
    matrix, *_ = np.linalg.lstsq(points - middle, moved - end, rcond=None)
    return matrix, end - middle
