"""The voxel-wise comparison as a node: maps in template space in, tests and clusters out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)
from numpy.typing import NDArray

from ..nodes.errors import InputError, NigraError
from ..nodes.statistics.ancova import make_design
from ..nodes.statistics.question import GroupContrast, Question
from ..nodes.statistics.sample import MIN_GROUP, Sample, make_sample
from ..nodes.statistics.values import name_some
from ..nodes.statistics.voxelwise import cluster_table, partition_design
from .anatomy.atlas import TEMPLATE_SPACE, load_dgm_atlas
from .descriptions import describe_columns, save_described, tell
from .files import save_image, save_json
from .headers import load_data
from .stats import read_question
from .tables import read_table, readable
from .template_maps import GRID_MM, Ground, comparison_ground

STEM = f'group_space-{TEMPLATE_SPACE}_res-{GRID_MM}'
"""How the names of all maps begin."""
LEAST_COVERAGE = 0.8
"""Fraction of the median map's voxels that a map must have for its participant to be compared."""


def cluster_region_names() -> dict[int, str]:
    """Name with its side of every label of the built-in atlas."""
    table = load_dgm_atlas().regions.dropna(subset=['index'])
    return {
        int(row.index_): f'{readable(row.region)} {row.hemisphere}'
        for row in table.rename(columns={'index': 'index_'}).itertuples()
    }


def contrast_labels(contrasts: Sequence[GroupContrast]) -> list[str]:
    """Names for files: letters and digits of the groups, with `v` between the two sides.

    Examples
    --------
    >>> from ..nodes.statistics.question import choose_contrasts
    >>> contrast_labels(choose_contrasts(None, ['NMO', 'H-C']))
    ['NMOvHC']
    """
    labels: list[str] = []
    for number, contrast in enumerate(contrasts, start=1):
        sides = (
            re.sub(r'[^A-Za-z0-9]', '', ''.join(s)) for s in (contrast.first, contrast.second)
        )
        label = 'v'.join(sides)
        labels.append(label if label not in labels else f'{label}{number}')
    return labels


def enhance_contrast(
    values: NDArray[np.floating], matrix: NDArray[np.float64], weights: NDArray[np.float64],
    mask: NDArray[np.bool_], affine: NDArray[np.float64], *, permutations: int, seed: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:  # fmt: skip
    """Student's t of each voxel and its family-wise p by threshold-free cluster enhancement.

    Parameters
    ----------
    values
        (people, voxels of the mask).
    matrix, weights
        Design and contrast.
    mask, affine
        Of the voxels.
    permutations
        Of the residuals (Freedman and Lane 1983).
    seed
        Of the permutations.

    Returns
    -------
    tuple
        (voxels,) each.

    Notes
    -----
    Smith & Nichols 2009, doi 10.1016/j.neuroimage.2008.03.061, by nilearn, with one job, because
    its random numbers depend on the number of jobs.
    """
    import nibabel as nib
    from nilearn.maskers import NiftiMasker
    from nilearn.mass_univariate import permuted_ols

    tested, rest = partition_design(matrix, weights)
    masker = NiftiMasker(mask_img=nib.Nifti1Image(mask.astype(np.uint8), affine)).fit()
    found = permuted_ols(
        tested, np.asarray(values, float), rest, model_intercept=False, n_perm=permutations,
        two_sided_test=True, random_state=seed, n_jobs=1, masker=masker, tfce=True, verbose=0,
    )  # fmt: skip
    return found['t'][0], 10.0 ** -found['logp_max_tfce'][0]


class _VoxelModelsInputSpec(BaseInterfaceInputSpec):
    maps = traits.List(File(exists=True), mandatory=True, desc='from MapInTemplate, ppb')
    participants = traits.List(traits.Str, mandatory=True, desc='of the maps')
    regions_tsv = File(exists=True, mandatory=True, desc='from GatherRegions')
    question = traits.Dict(desc='from plain_question')
    permutations = traits.Int(1000, usedefault=True, desc='of the residuals')
    fwhm = traits.Float(desc='for the sidecars')
    nthreads = traits.Int(1, usedefault=True, nohash=True, desc='contrasts at a time')
    source = traits.Str('participants.tsv', usedefault=True, desc='for messages')


class _VoxelModelsOutputSpec(TraitedSpec):
    out_files = traits.List(File, desc='maps of tests and of the mean, with sidecars')
    clusters_tsv = File(desc='clusters of all contrasts')
    clusters_json = File(desc='data dictionary')
    warnings = traits.List(traits.Str, desc='sentences')


class VoxelModels(SimpleInterface):
    """Compare groups in every voxel near the nuclei."""

    input_spec = _VoxelModelsInputSpec
    output_spec = _VoxelModelsOutputSpec

    def _run_interface(self, runtime):
        inputs, folder = self.inputs, Path(runtime.cwd)
        question = read_question(inputs.question if isdefined(inputs.question) else {})
        regions = read_table(inputs.regions_tsv, text=(question.group_column,))
        ground = comparison_ground()
        maps, told = _read_maps(dict(zip(inputs.participants, inputs.maps, strict=True)), ground)
        sample, warnings = _voxel_sample(regions, question, inputs.source, list(maps))
        warnings += told
        values, mask = _stack([maps[who] for who in sample.labels.index], ground)
        if not mask.any():
            raise InputError(
                'maps of all participants', 'have no voxel in common', 'leave out --voxelwise'
            )
        results = _test_all(sample, values, mask, ground, question.seed, inputs)
        facts = self._facts(sample, mask, question.seed)
        files = _save_maps(folder, results, values, mask, ground, facts)
        tables = [
            cluster_table(
                contrast.name, t, p, ground.affine, ground.labels, cluster_region_names()
            )
            for contrast, (t, p) in results.items()
        ]
        clusters = pd.concat([t for t in tables if len(t)] or tables[:1], ignore_index=True)
        dictionary = describe_columns('clusters', list(clusters.columns))
        tsv, sidecar = save_described(clusters, folder / 'group_clusters.tsv', dictionary)
        self._results.update(
            out_files=files, clusters_tsv=tsv, clusters_json=sidecar, warnings=tell(warnings)
        )
        return runtime

    def _facts(self, sample: Sample, mask: NDArray[np.bool_], seed: int) -> dict[str, Any]:
        """What sidecars tell of the comparison."""
        return {
            'Participants': list(sample.labels.index),
            'Formula': sample.formula,
            'Permutations': self.inputs.permutations,
            'Seed': seed,
            'SmoothingFWHM': self.inputs.fwhm if isdefined(self.inputs.fwhm) else None,
            'Voxels': int(mask.sum()),
        }


def _voxel_sample(
    regions: pd.DataFrame, question: Question, source: str, mapped: Sequence[str]
) -> tuple[Sample, list[str]]:
    """Participants with group, covariates and map; sites enter as a covariate."""
    warnings = []
    if question.harmonise is not None:
        chosen = make_sample(regions, replace(question, harmonise=None), source=source).covariates
        names = [f'C({c.name})' if c.categorical else c.name for c in chosen]
        if question.harmonise not in [c.name for c in chosen]:
            names.append(f'C({question.harmonise})')
        question = replace(question, harmonise=None, covariates=tuple(names))
        warnings.append(
            'The voxel-wise comparison adjusts for differences of the mean between scanners by a '
            'covariate; ComBat is used for regions only.'
        )
    sample = make_sample(regions, question, source=source)
    used = sample.complete & sample.labels.isin(sample.large_groups)
    used &= sample.labels.index.isin(list(mapped))
    kept = sample.labels[used]
    large = [g for g, n in kept.value_counts().items() if n >= MIN_GROUP]
    used &= sample.labels.isin(large)
    return replace(
        sample,
        values=sample.values[used],
        labels=sample.labels[used],
        people=sample.people[used],
        groups=tuple(g for g in sample.groups if g in large),
    ), warnings


def _read_maps(
    paths: Mapping[str, str], ground: Ground
) -> tuple[dict[str, NDArray[np.float32]], list[str]]:
    """Maps of those who have most of what the others have; only what all have is compared."""
    maps = {who: load_data(path, dtype=np.float32) for who, path in paths.items()}
    fractions = {who: float(np.isfinite(m[ground.mask]).mean()) for who, m in maps.items()}
    least = LEAST_COVERAGE * float(np.median(list(fractions.values())))
    short = [who for who, fraction in fractions.items() if fraction < least]
    told = []
    if short:
        told.append(
            f'The maps of {len(short)} participants cover much less of the deep grey matter than '
            f'those of others: left out of the voxel-wise comparison are {name_some(short)}.'
        )
    return {who: m for who, m in maps.items() if who not in short}, told


def _stack(
    maps: Sequence[NDArray[np.float32]], ground: Ground
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Values of everyone where all are known, and that mask."""
    known = ground.mask & np.all([np.isfinite(m) for m in maps], axis=0)
    return np.stack([m[known] for m in maps]), known


def _test_all(
    sample: Sample, values: NDArray[np.float32], mask: NDArray[np.bool_], ground: Ground,
    seed: int, inputs: Any,
) -> dict[GroupContrast, tuple[NDArray[np.float64], NDArray[np.float64]]]:  # fmt: skip
    """T and p on the whole grid, by contrast; NaN where nothing was tested."""
    from joblib import Parallel, delayed

    design = make_design(sample.labels, sample.people, sample.groups, sample.covariates)
    if len(design.groups) < 2 or np.linalg.matrix_rank(design.matrix) < design.matrix.shape[1]:
        raise NigraError('too few participants with maps for a voxel-wise comparison')
    contrasts = [c for c in sample.contrasts if c.groups <= set(design.groups)]
    found = Parallel(n_jobs=inputs.nthreads, max_nbytes=None)(
        delayed(enhance_contrast)(
            values, design.matrix, design.weights(contrast.first, contrast.second), mask,
            ground.affine, permutations=inputs.permutations, seed=seed,
        )
        for contrast in contrasts
    )  # fmt: skip
    return {
        contrast: (_spread(t, mask, 0.0), _spread(p, mask, np.nan))
        for contrast, (t, p) in zip(contrasts, found, strict=True)
    }


def _spread(
    values: NDArray[np.float64], mask: NDArray[np.bool_], rest: float
) -> NDArray[np.float64]:
    out = np.full(mask.shape, rest)
    out[mask] = values
    return out


def _save_maps(
    folder: Path, results: Mapping[GroupContrast, tuple[NDArray[np.float64], NDArray[np.float64]]],
    values: NDArray[np.float32], mask: NDArray[np.bool_], ground: Ground, facts: dict[str, Any],
) -> list[str]:  # fmt: skip
    """Images with sidecars: t and p of each contrast, and everyone's mean."""
    images = {
        'desc-mean_Chimap': (
            _spread(values.mean(axis=0), mask, 0.0),
            {'Description': 'Mean smoothed susceptibility of the participants', 'Units': 'ppb'},
        )
    }
    for label, (contrast, (t, p)) in zip(
        contrast_labels(list(results)), results.items(), strict=True
    ):
        images[f'contrast-{label}_stat-t_statmap'] = (
            t, {'Contrast': contrast.name,
                'Description': f'Student’s t of {contrast.name}, adjusted for covariates'},
        )  # fmt: skip
        images[f'contrast-{label}_stat-pfwe_statmap'] = (
            np.nan_to_num(p, nan=1.0),
            {'Contrast': contrast.name,
             'Description': f'Family-wise p of {contrast.name}, two-sided, by threshold-free '
                            'cluster enhancement and permutation'},
        )  # fmt: skip
    files = []
    for name, (data, words) in images.items():
        path = save_image(data, ground.affine, folder / f'{STEM}_{name}.nii.gz')
        sidecar = save_json({**words, **facts}, folder / f'{STEM}_{name}.json')
        files += [str(path), str(sidecar)]
    return files
