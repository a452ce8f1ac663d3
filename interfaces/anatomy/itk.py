"""ANTsPy on files: register, apply, compose, remove bias. No other module calls ANTs.

Every image handed to ANTs is written by `write`, with one affine in both header forms, so that
ITK and nibabel agree on where it lies. Transforms follow the rule of ANTs: a transform "from X to
Y" resamples images of X onto the grid of Y, and so maps *points* of Y to points of X.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...nodes.errors import InputError, NigraError
from ...nodes.numerics.resample import isotropic, isotropic_grid
from ...nodes.volumes import finite
from ..files import data_text, save_image
from ..headers import load_data, read_header

_THREADS = 'ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS'
_WINDOW = 10
"""Iterations over which a metric may gain no more than the threshold of a stage, for it to end."""
_ELSEWHERE = (
    'import json, sys, ants; from nigra.interfaces.processes import leave_signals_to; '
    'leave_signals_to(int(sys.argv[1])); ants.registration(json.load(sys.stdin), None)'
)


@functools.cache
def presets() -> dict[str, Any]:
    """Registration settings by name of preset, from `data/registration.json`."""
    return json.loads(data_text('registration.json'))


def load_preset(name: str) -> dict[str, Any]:
    """Settings of one preset.

    Raises
    ------
    InputError
        There is no such preset.
    """
    known = presets()
    if name not in known:
        raise InputError(
            '--registration', f'{name!r} is no preset', f'use one of {", ".join(known)}'
        )
    return dict(known[name])


@dataclass(frozen=True)
class Engine:
    """How ANTs is run.

    Attributes
    ----------
    nthreads
        Threads of stages with a cross-correlation metric, which cost the most.
    seed
        Of every random sampling.

    Notes
    -----
    With several threads mutual information is summed in another order at each run, and its
    results differ in the second decimal of a millimetre; cross-correlation gives the same bits
    for any number. ITK fixes its threads when a process first uses it. So this process has one,
    and cross-correlation gets a process of its own where more are wanted: results depend on the
    seed only.
    """

    nthreads: int = 1
    seed: int = 1

    def ants(self) -> Any:
        """Import ANTsPy with one thread."""
        os.environ[_THREADS] = '1'
        import ants

        return ants

    def _antsregistration(self, arguments: list[str], *, nthreads: int) -> None:
        if nthreads == 1:
            self.ants().registration(arguments, None)
            return
        done = subprocess.run(
            [sys.executable, '-c', _ELSEWHERE, str(os.getpid())],
            input=json.dumps(arguments),
            env={**os.environ, _THREADS: str(nthreads)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f'exit status {done.returncode}']
            raise RuntimeError(lines[-1])

    def register(
        self,
        fixed: Path,
        moving: Path,
        prefix: Path,
        stages: Sequence[Mapping[str, Any]],
        *,
        initial: Path | None = None,
        fixed_mask: Path | None = None,
        second: tuple[Path, Path] | None = None,
    ) -> tuple[Path, Path]:
        """Register two images by `antsRegistration`.

        Parameters
        ----------
        fixed, moving
            Images; the moving one is resampled onto the fixed one's grid.
        prefix
            Path that the names of the transforms begin with.
        stages
            Entries of a preset: transform, metric, options, iterations, threshold, shrink,
            smoothing_vox.
        initial, fixed_mask
            Transform applied before the first stage, part of the result; where the metric is
            taken.
        second
            Another contrast of both, fixed and moving; each counts as much as the first.

        Returns
        -------
        tuple
            Composite transforms from moving to fixed, and from fixed to moving.

        Raises
        ------
        NigraError
            ANTs gives up.
        """
        arguments = ['--dimensionality', '3', '--float', '1', '--random-seed', str(self.seed)]
        arguments += ['--output', str(prefix), '--write-composite-transform', '1']
        arguments += ['--initial-moving-transform', str(initial)] if initial is not None else []
        pairs = [f'{fixed},{moving}'] + ([','.join(map(str, second))] if second else [])
        for stage in stages:
            arguments += _stage_arguments(stage, pairs, fixed_mask)
        alike = all(stage['metric'] == 'CC' for stage in stages)
        what, fix = f'{moving.name} to {fixed.name}', 'look at both images and at their headers'
        try:
            self._antsregistration(arguments, nthreads=self.nthreads if alike else 1)
        except RuntimeError as error:
            raise NigraError(f'registration of {what} failed ({error}); {fix}') from error
        forward, inverse = (Path(f'{prefix}{end}.h5') for end in ('Composite', 'InverseComposite'))
        if not (forward.is_file() and inverse.is_file()):
            raise NigraError(f'registration of {what} gave no transform; {fix}')
        return forward, inverse

    def resample(
        self,
        moving: Path,
        reference: Path,
        transforms: Sequence[Path],
        *,
        interpolator: str = 'linear',
    ) -> NDArray[np.float32]:
        """Image `moving` on the grid of `reference`.

        Parameters
        ----------
        moving, reference
            Images.
        transforms
            In ANTs' order: points of the reference pass through the last one first.
        interpolator
            As ANTsPy calls it.
        """
        ants = self.ants()
        out = ants.apply_transforms(
            fixed=ants.image_read(str(reference)),
            moving=ants.image_read(str(moving)),
            transformlist=[str(t) for t in transforms],
            whichtoinvert=[False] * len(transforms),
            interpolator=interpolator,
            singleprecision=True,
        )
        return out.numpy()

    def compose(self, transforms: Sequence[Path], reference: Path, out_file: Path) -> Path:
        """One displacement field on the grid of `reference`, as an ITK transform in HDF5.

        Parameters
        ----------
        transforms
            As in `resample`.
        reference
            Image whose grid covers all points that will be mapped: beyond it the field is zero.
        out_file
            Path that ends in `.h5`.
        """
        ants = self.ants()
        grid = ants.image_read(str(reference))
        ants.apply_transforms(
            fixed=grid,
            moving=grid,
            transformlist=[str(t) for t in transforms],
            whichtoinvert=[False] * len(transforms),
            compose=str(out_file),
            singleprecision=True,
        )
        if not out_file.is_file():
            raise NigraError(f'ANTs did not write {out_file}; check the free space there')
        return out_file

    def displacement(self, transforms: Sequence[Path], reference: Path) -> NDArray[np.float32]:
        """Displacement by which transforms move the points of a grid, mm, (3, x, y, z), RAS."""
        import nibabel as nib

        ants = self.ants()
        grid = ants.image_read(str(reference))
        path = ants.apply_transforms(
            fixed=grid,
            moving=grid,
            transformlist=[str(t) for t in transforms],
            whichtoinvert=[False] * len(transforms),
            compose=str(reference.with_name('displacement_')),
            singleprecision=True,
        )
        image: Any = nib.load(path)
        vectors = np.moveaxis(image.get_fdata(dtype=np.float32)[:, :, :, 0], -1, 0)
        return vectors * np.array([-1, -1, 1], np.float32)[:, None, None, None]

    def linear_transform(self, matrix: ArrayLike, path: Path) -> Path:
        """Write a point map in RAS world coordinates (4 x 4, mm) as an ITK affine transform."""
        ants = self.ants()
        flip = np.diag([-1.0, -1.0, 1.0, 1.0])  # ITK's world is left-posterior-superior
        lps = flip @ np.asarray(matrix, float) @ flip
        transform = ants.new_ants_transform(
            precision='double',
            dimension=3,
            transform_type='AffineTransform',
            parameters=np.concatenate([lps[:3, :3].ravel(), lps[:3, 3]]),
        )
        ants.write_transform(transform, str(path))
        return path

    def bias_field(
        self, image: Path, mask: Path, settings: Mapping[str, Any]
    ) -> NDArray[np.float32]:
        """Multiplicative bias field by N4 (Tustison et al. 2010, doi 10.1109/TMI.2010.2046908).

        Parameters
        ----------
        image, mask
            On the coarse grid on which N4 works.
        settings
            Entry `bias` of a preset: spline_mm, iterations, tolerance.
        """
        ants = self.ants()
        field = ants.n4_bias_field_correction(
            ants.image_read(str(image)),
            mask=ants.image_read(str(mask)).threshold_image(0.5, np.inf),
            shrink_factor=1,
            convergence={'iters': list(settings['iterations']), 'tol': settings['tolerance']},
            spline_param=float(settings['spline_mm']),
            return_bias_field=True,
        )
        return field.numpy()


def _stage_arguments(
    stage: Mapping[str, Any], pairs: Sequence[str], fixed_mask: Path | None
) -> list[str]:
    def chain(values: Sequence[float]) -> str:
        return 'x'.join(str(v) for v in values)

    arguments = [
        *('--transform', stage['transform']),
        *(
            word
            for images in pairs
            for word in ('--metric', f'{stage["metric"]}[{images},1,{stage["options"]}]')
        ),
        *('--convergence', f'[{chain(stage["iterations"])},{stage["threshold"]},{_WINDOW}]'),
        *('--shrink-factors', chain(stage['shrink'])),
        *('--smoothing-sigmas', f'{chain(stage["smoothing_vox"])}vox'),
        *('--use-histogram-matching', '0'),
    ]
    return arguments + (['--masks', str(fixed_mask)] if fixed_mask is not None else [])


@dataclass(frozen=True)
class Volume:
    """A 3D image in memory.

    Attributes
    ----------
    data
        (x, y, z), finite.
    affine
        4 x 4 voxel-to-world matrix, mm.
    """

    data: NDArray[Any]
    affine: NDArray[np.float64]

    @property
    def voxel_size(self) -> tuple[float, float, float]:
        """Edge lengths, mm."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)

    def isotropic(self, spacing: float) -> Volume:
        """Same field of view on cubic voxels."""
        return Volume(*isotropic(self.data, self.affine, spacing))

    def isotropic_grid(self, spacing: float) -> Volume:
        """The grid of `isotropic`, all zero."""
        return empty(*isotropic_grid(self.data.shape, self.affine, spacing))


def empty(shape: Sequence[int], affine: NDArray[np.float64]) -> Volume:
    """A grid alone: zeros that take no memory."""
    return Volume(np.broadcast_to(np.uint8(0), tuple(shape)), affine)


def read_volume(path: str | Path, *, canonical: bool = False, must_vary: bool = True) -> Volume:
    """Read a 3D image that registration can use.

    Parameters
    ----------
    path
        NIfTI file; trailing axes of length one are dropped.
    canonical
        Reorder and flip the axes so that they point right, anterior and superior: results then
        do not depend on the order in which a scanner stored the voxels.
    must_vary
        Refuse an image of one value.

    Raises
    ------
    InputError
        Cannot be read to its end, not 3D, sheared, or constant.
    """
    import nibabel as nib

    header = read_header(Path(path))
    shape = header.shape
    if len(shape) != 3:
        raise InputError(path, f'has shape {shape}', 'give a single 3D volume')
    stored = load_data(path, dtype=np.float32).reshape(shape)
    image: Any = nib.Nifti1Image(stored, header.affine)
    if canonical:
        image = nib.as_closest_canonical(image)
    data = finite(np.asarray(image.dataobj, np.float32))
    if must_vary and not float(data.max()) > float(data.min()):
        raise InputError(
            path, f'is {float(data.max()):g} in every voxel', 'give an image with contrast'
        )
    axes = image.affine[:3, :3] / np.linalg.norm(image.affine[:3, :3], axis=0)
    if not np.allclose(axes.T @ axes, np.eye(3), atol=1e-3):
        raise InputError(
            path, 'has axes that are not perpendicular', 'resample it to a regular grid'
        )
    return Volume(data, np.asarray(image.affine, float))


def write(volume: Volume, path: Path, *, dtype: Any = np.float32) -> Path:
    """Write a volume where ANTs will read it."""
    return save_image(volume.data, volume.affine, path, dtype=dtype)


def write_grid(volume: Volume, path: Path) -> Path:
    """Write the grid of a volume, of which ANTs takes nothing but the geometry; all is zero."""
    return write(empty(volume.data.shape, volume.affine), path, dtype=np.uint8)


def write_like(volume: Volume, original: str | Path, path: Path) -> Path:
    """Write a volume that was read in canonical order in the order and place of its original."""
    import nibabel as nib

    image: Any = nib.load(original)
    back = nib.orientations.ornt_transform(
        nib.io_orientation(volume.affine), nib.io_orientation(image.affine)
    )
    stored: Any = nib.Nifti1Image(volume.data, volume.affine).as_reoriented(back)
    return save_image(stored.dataobj, image.affine, path)
