"""What groups can be compared in: one table of measures, which every text about them reads.

It feeds the region tables' dictionary, `--measures` and its help, the group tables' dictionaries
and the group page. A new measure is a row here, and a column of `anatomy.regions.measure_regions`
or a function in `values.DERIVED`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_PPB_HINT = 'parts per billion, relative to the reference region'


@dataclass(frozen=True)
class Measure:
    """One property of a region.

    Attributes
    ----------
    name
        In tables and options.
    title
        For people, to stand within a sentence.
    unit
        In data dictionaries.
    meaning
        In data dictionaries, with all that matters for its use.
    hint
        On pages, to stand within a sentence.
    symbol
        Unit on pages and charts, where it is shorter there.
    more, less
        Words for a difference.
    default
        Whether it is compared where nothing else is asked for.
    in_region_table
        Whether it is a column of the region tables; others are derived from these.
    of_volume
        Whether it is made of the volume, so that nothing is compared at equal volume.
    """

    name: str
    title: str
    unit: str
    meaning: str
    hint: str
    symbol: str = ''
    more: str = 'higher'
    less: str = 'lower'
    default: bool = False
    in_region_table: bool = True
    of_volume: bool = False

    @property
    def page_unit(self) -> str:
        """Unit on pages and charts."""
        return self.symbol or self.unit

    @property
    def dictionary(self) -> dict[str, str]:
        """As BIDS describes a column."""
        return {'Description': self.meaning, 'Units': self.unit}


_TABLE = (
    Measure(
        'chi_mean', 'mean susceptibility', 'ppb',
        'Mean susceptibility of the covered voxels',
        _PPB_HINT, default=True,
    ),
    Measure(
        'chi_median', 'median susceptibility', 'ppb',
        'Median susceptibility of the covered voxels',
        _PPB_HINT,
    ),
    Measure(
        'chi_pvc', 'corrected susceptibility', 'ppb',
        'Susceptibility of the region itself, freed from what shares its voxels: robust '
        'regression of the map on the fractions of voxels that the region, its neighbours and the '
        'rest fill',
        'parts per billion, freed from what shares the voxels of the nucleus',
    ),
    Measure(
        'chi_eroded', "susceptibility of the region's core", 'ppb',
        'Mean susceptibility of the voxels whose six neighbours belong to the region too; n/a '
        'where these are too few',
        'mean of the voxels that no other tissue touches',
    ),
    Measure(
        'chi_high', 'susceptibility of the iron-rich part', 'ppb',
        'Mean of the uppermost quarter of the covered voxels: the iron-rich part',
        'mean of the uppermost quarter of the voxels',
    ),
    Measure(
        'chi_total', 'total susceptibility', 'ppb mL',
        'Mean susceptibility times volume: iron of the whole nucleus, relative to the reference '
        'region',
        'mean susceptibility times volume', in_region_table=False, of_volume=True,
    ),
    Measure(
        'r2star_mean', 'R2*', '1/s',
        'Mean R2* of the covered voxels; n/a for one echo',
        'mean transverse relaxation rate',
    ),
    Measure(
        'iron_mean', 'iron', 'mg per kg wet tissue',
        'Iron above that of the reference region, by the calibration of Langkammer et al. 2012 '
        '(0.97 ppb per mg/kg); n/a where iron does not dominate the susceptibility (thalamus, '
        'pulvinar, brain) and where there is no reference region',
        'milligrams per kilogram of wet tissue, above the reference region', symbol='mg/kg',
    ),
    Measure(
        'volume_mm3', 'volume', 'mm^3',
        'Volume of the whole region on the T1w image, even where the gradient-echo slab cuts it; '
        'on the gradient echo where there are no labels on the T1w image',
        'mm³ of nucleus, not normalised', symbol='mm³', more='larger', less='smaller',
        of_volume=True,
    ),
    Measure(
        'volume_normalised', 'normalised volume', 'mm^3 per litre of brain',
        'Volume of the region over the volume of the brain (row `brain` of the region table) of '
        'the same session and run',
        'mm³ of nucleus per litre of brain', symbol='mm³/L', more='larger', less='smaller',
        default=True, in_region_table=False, of_volume=True,
    ),
)  # fmt: skip

MEASURES: Mapping[str, Measure] = MappingProxyType({m.name: m for m in _TABLE})
"""All that can be compared, by name."""

DEFAULT_MEASURES = tuple(name for name, measure in MEASURES.items() if measure.default)
"""What is compared where nothing else is asked for."""
