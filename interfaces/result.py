"""What a reconstruction in memory gives back: maps, how they were made, and files on request."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..nodes.errors import NigraError
from ..nodes.stages import Scan
from .files import save_image, save_json
from .methods import Methods
from .reconstruction import Made

if TYPE_CHECKING:
    import nibabel

MAPS = {'chimap': 'ppm', 'localfield': 'ppm', 'totalfield': 'ppm', 'r2star': '1/s', 'mask': ''}
"""Images of a reconstruction that become files, with their units."""


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """Maps of one scan, (x, y, z), on the grid of its phase.

    Attributes
    ----------
    chimap
        Susceptibility, ppm, float32; zero outside the mask.
    mask
        Where it is known, bool.
    totalfield
        Field of all sources, ppm of B0, float32.
    localfield
        Field of the brain's own sources, ppm; None where a method takes it in one step.
    r2star
        Effective transverse relaxation rate, 1/s; None of one echo.
    magnitude
        Root of the sum of squares over echoes.
    brain
        The mask that was given, bool.
    affine
        Voxel-to-world matrix, mm.
    methods
        Methods text with references, Markdown.
    parameters
        Method and settings of each step, what was found in the phase, reference and offset.
    warnings
        Sentences that the user should read.
    """

    chimap: NDArray[np.float32]
    mask: NDArray[np.bool_]
    totalfield: NDArray[np.float32]
    localfield: NDArray[np.float32] | None
    r2star: NDArray[np.float32] | None
    magnitude: NDArray[np.float32]
    brain: NDArray[np.bool_]
    affine: NDArray[np.float64]
    methods: str
    parameters: dict[str, Any]
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, made: Made, brain: NDArray[np.bool_], affine: NDArray[np.float64], scan: Scan,
        text: str,
    ) -> Reconstruction:  # fmt: skip
        """The result of what a reconstruction has made; `text` is its methods text."""
        data = made.data
        return cls(
            data['chimap'], data['mask'], data['totalfield'], data.get('localfield'),
            data.get('r2star'), data['combined_magnitude'], brain, affine, text, made.parameters,
            tuple(made.warnings),
        )  # fmt: skip

    def nifti(self, name: str = 'chimap') -> nibabel.Nifti1Image:
        """One of the maps as an image of nibabel.

        Parameters
        ----------
        name
            `chimap`, `localfield`, `totalfield`, `r2star` or `mask`.

        Raises
        ------
        NigraError
            There is no such map.
        """
        import nibabel

        data = getattr(self, name) if name in MAPS else None
        if data is None:
            raise NigraError(f'there is no map {name!r}; choose from {", ".join(self._there())}')
        kind = np.uint8 if data.dtype == bool else np.float32
        return nibabel.Nifti1Image(data.astype(kind), self.affine)

    def save(self, folder: str | Path) -> list[Path]:
        """Write all maps as `NAME.nii.gz`, with `chimap.json` and `methods.md` beside them.

        Returns
        -------
        list
            Files written.

        Raises
        ------
        InputError
            The folder cannot be written.
        """
        target = Path(folder).expanduser()
        written = []
        for name in self._there():
            data = getattr(self, name)
            kind = np.uint8 if data.dtype == bool else np.float32
            written.append(save_image(data, self.affine, target / f'{name}.nii.gz', dtype=kind))
        record = {'units': 'ppm', 'steps': self.parameters, 'warnings': list(self.warnings)}
        (target / 'methods.md').write_text(self.methods, encoding='utf-8')
        return [*written, save_json(record, target / 'chimap.json'), target / 'methods.md']

    def __repr__(self) -> str:
        """Maps and warnings; all voxels would fill the page of a notebook."""
        shape = ' x '.join(map(str, self.chimap.shape))
        count = len(self.warnings)
        told = f'{count} warning{"s" * (count != 1)}'
        return f'<Reconstruction of {shape} voxels: {", ".join(self._there())}; {told}>'

    def _there(self) -> list[str]:
        return [name for name in MAPS if getattr(self, name) is not None]


def describe(methods: Methods, scan: Scan, *, drawn: bool) -> str:
    """Methods text of a reconstruction, Markdown; `drawn` where the reference region was given."""
    from .. import __version__
    from .reports.boilerplate import describe_scan

    return describe_scan(methods, scan.echo_times, region=drawn, version=__version__).markdown
