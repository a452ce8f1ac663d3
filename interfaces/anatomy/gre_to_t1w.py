"""Gradient echo and T1w image of one head aligned rigidly."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from nipype.interfaces.base import File
from numpy.typing import NDArray

from ...nodes.anatomy.brain import dilate_mm
from ...nodes.anatomy.pose import affine_change, centroid, rigid_motion
from ...nodes.anatomy.similarity import normalised_mutual_information
from ...nodes.errors import NigraError
from .grids import Pair, moved_points
from .itk import Engine, Volume, read_volume, write
from .specs import BrainInputSpec, EngineStep, JudgedOutputSpec, RecordedOutputSpec

LEAST_NMI = 1.02
"""Normalised mutual information in the brain below which there is a warning. By eye: the first
participant of `bids_example` has 1.053, independent images have 1."""
_NMI_LOSS = 0.002
"""Loss against the headers' alignment that is no chance. By eye."""
MOST_MOTION_MM, MOST_TURN_DEG = 40.0, 30.0
"""Movement between two scans of one session beyond which there is a warning. By eye: more than a
head coil leaves room for."""
MOST_MISFIT_MM, MOST_STRETCH = 1.4, 1.05
"""Change by an affine refinement beyond which gradient echo and T1w show different heads, where
both numbers say so. Nine people, two simulated heads (one also as a slab) and a real one have up
to 1.09 mm and 1.037 with their own images; 22 exchanged pairs have 1.84 mm and 1.061 or more."""
_OUTLINE_MM = 3.0
"""Voxels of the brain mask: only its outline counts, on a grid that is coarser still."""
_RIM_MM = 4.0
"""Around the brain, so that its border with the fluid takes part in the registration: one voxel
of the coarsest preset."""


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
        end (normalised mutual information), `rigid_motion`, and `affine_change`.

    Raises
    ------
    NigraError
        The brain mask is empty, or no part of it is found in the gradient echo.

    Notes
    -----
    The GRE is the fixed image: every sample of a slab lies within the head. The better of two
    starts (see `_gre_start`) is refined inside the brain.
    """
    fixed_full, moving_full = read_volume(gre, canonical=True), read_volume(t1w, canonical=True)
    brain = _read_brain(brain_mask)
    start = _gre_start(fixed_full, moving_full, brain, folder, engine, preset['gre_start'])
    settings = preset['gre_to_t1w']
    spacing = settings['resolution_mm']
    small = fixed_full.isotropic(spacing)
    fixed = write(small, folder / 'gre.nii')
    moving = write(moving_full.isotropic(spacing), folder / 't1w.nii')
    moving_brain = write(brain.isotropic(_OUTLINE_MM), folder / 'brain.nii')
    inside = engine.resample(moving_brain, fixed, [start]) > 0.5
    if not inside.any():
        raise NigraError(f'{gre} and {t1w} show no common part of the brain; check their headers')
    near = dilate_mm(inside, _RIM_MM, small.voxel_size).astype(np.float32)
    mask = Volume(near, small.affine)
    fixed_mask = write(mask, folder / 'gre_mask.nii', dtype=np.uint8)
    pair = Pair(
        *engine.register(fixed, moving, folder / 'gre_', settings['stages'], initial=start,
                         fixed_mask=fixed_mask)
    )  # fmt: skip

    def similarity(transform: Path) -> float:
        where = engine.resample(moving_brain, fixed, [transform]) > 0.5
        return _similarity(small, fixed, moving, transform, where, engine)

    by_headers = engine.linear_transform(np.eye(4), folder / 'identity.mat')
    quality = {'nmi_headers': similarity(by_headers), 'nmi': similarity(pair.forward)}
    points, moved = moved_points(pair.forward, mask, folder, engine)
    refined = _refined(fixed_full, moving, mask, pair, folder, engine, preset['gre_affine'])
    return pair, quality | rigid_motion(points, moved) | affine_change(points, moved, refined)


def _refined(
    gre: Volume, t1w: Path, near: Volume, pair: Pair, folder: Path, engine: Engine,
    settings: Mapping[str, Any],
) -> NDArray[np.float64]:  # fmt: skip
    """Where an affine refinement of the alignment takes the voxels near the brain, (n, 3), mm."""
    small = gre.isotropic(settings['resolution_mm'])
    fixed = write(small, folder / 'gre_affine.nii')
    identity = engine.linear_transform(np.eye(4), folder / 'identity.mat')
    where = engine.resample(folder / 'gre_mask.nii', fixed, [identity]) > 0.5
    mask = write(Volume(where, small.affine), folder / 'gre_affine_mask.nii', dtype=np.uint8)
    forward, _ = engine.register(
        fixed, t1w, folder / 'gre_affine_', settings['stages'], initial=pair.forward,
        fixed_mask=mask,
    )  # fmt: skip
    return moved_points(forward, near, folder, engine)[1]


def _read_brain(brain_mask: Path) -> Volume:
    """Brain mask, canonical, with voxels in it."""
    brain = read_volume(brain_mask, canonical=True, must_vary=False)
    if not (brain.data > 0.5).any():
        raise NigraError(f'{brain_mask} holds no voxel; check the T1w image and its brain mask')
    return brain


def _gre_start(
    gre: Volume, t1w: Volume, brain: Volume, folder: Path, engine: Engine,
    settings: Mapping[str, Any],
) -> Path:  # fmt: skip
    """The better of two starts after a short fit.

    World coordinates are the first, for scans of one session share them; the brain moved to the
    middle of the magnitude is the second, for headers that say nothing of the position.
    """
    spacing = settings['resolution_mm']
    small, small_t1w = gre.isotropic(spacing), t1w.isotropic(spacing)
    fixed = write(small, folder / 'gre_start.nii')
    moving = write(small_t1w, folder / 't1w_start.nii')
    bright = small.data > small.data.mean()
    to_centre = np.eye(4)
    to_centre[:3, 3] = centroid(brain.data > 0.5, brain.affine) - centroid(bright, small.affine)
    found = []
    for name, matrix in (('world', np.eye(4)), ('centre', to_centre)):
        initial = engine.linear_transform(matrix, folder / f'gre_{name}.mat')
        forward, _ = engine.register(
            fixed, moving, folder / f'gre_{name}_', settings['stages'], initial=initial
        )
        found.append((_similarity(small, fixed, moving, forward, bright, engine), forward))
    return max(found, key=lambda pair: pair[0])[1]


def _similarity(
    small: Volume, fixed: Path, moving: Path, transform: Path, where: NDArray[np.bool_],
    engine: Engine,
) -> float:  # fmt: skip
    """Normalised mutual information of two images, the first also in memory, in a mask."""
    seen = engine.resample(moving, fixed, [transform])
    return normalised_mutual_information(small.data, seen, where)


class _AlignGreInputSpec(BrainInputSpec):
    gre_magnitude = File(exists=True, mandatory=True, desc='3D magnitude, bias field removed')


class _AlignGreOutputSpec(JudgedOutputSpec, RecordedOutputSpec):
    gre_to_t1w_xfm = File(desc='rigid transform')
    t1w_to_gre_xfm = File(desc='the same, inverted')


class AlignGre(EngineStep):
    """Align a gradient-echo magnitude rigidly with the T1w image."""

    input_spec = _AlignGreInputSpec
    output_spec = _AlignGreOutputSpec

    def _run_interface(self, runtime):
        paths = (self.inputs.gre_magnitude, self.inputs.t1w, self.inputs.brain_mask, runtime.cwd)
        pair, quality = align_gre(*map(Path, paths), self._engine, self._preset)
        self._results.update(
            gre_to_t1w_xfm=str(pair.inverse),
            t1w_to_gre_xfm=str(pair.forward),
            quality=quality,
            warnings=gre_warnings(quality),
            parameters=self._parameters('gre_to_t1w'),
        )
        return runtime


def gre_warnings(quality: Mapping[str, float]) -> list[str]:
    """Sentences on a rigid alignment that looks wrong."""
    warnings = []
    if quality['nmi'] < LEAST_NMI:
        warnings.append(
            f'gradient echo and T1w agree little after registration (normalised mutual '
            f'information {quality["nmi"]:.3f}, below {LEAST_NMI}): it has probably failed; look '
            'at the report'
        )
    if quality['nmi'] < quality['nmi_headers'] - _NMI_LOSS:
        warnings.append(
            f'gradient echo and T1w agree less after registration ({quality["nmi"]:.3f}) than by '
            f'their headers ({quality["nmi_headers"]:.3f}); look at the report'
        )
    if shows_another_head(quality):
        warnings.append(
            f'gradient echo and T1w seem to show different heads: an affine refinement moves the '
            f'brain by {quality["misfit_mm"]:.1f} mm and stretches it by '
            f'{100 * (quality["stretch"] - 1):.0f} % (at most {MOST_MISFIT_MM} mm or '
            f'{100 * (MOST_STRETCH - 1):.0f} % in images of one head); check that both are of '
            'the same person'
        )
    shift, turn = quality['shift_mm'], quality['turn_deg']
    if shift > MOST_MOTION_MM or turn > MOST_TURN_DEG:
        warnings.append(
            f'between T1w and gradient echo the head seems to have moved by {shift:.0f} mm and '
            f'{turn:.0f} degrees; check that both show the same person'
        )
    return warnings


def shows_another_head(quality: Mapping[str, Any]) -> bool:
    """Whether `affine_change` says that the gradient echo is of another head than the T1w."""
    misfit, stretch = quality.get('misfit_mm'), quality.get('stretch')
    if misfit is None or stretch is None:
        return False
    return bool(misfit > MOST_MISFIT_MM and stretch > MOST_STRETCH)
