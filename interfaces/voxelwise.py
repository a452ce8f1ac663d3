"""The voxel-wise comparison as a node: maps in template space in, tests and clusters out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    traits,
)
from numpy.typing import NDArray

from ..nodes.errors import InputError, NigraError
from ..nodes.statistics.enhancement import enhancement_test
from ..nodes.statistics.question import GroupContrast, Question
from ..nodes.statistics.sample import Sample
from ..nodes.statistics.voxel_tests import TOO_FEW, VoxelTest, voxel_tests
from ..nodes.statistics.voxelwise import (
    Ground,
    cluster_table,
    covered_maps,
    spread_values,
    stack_known,
    voxel_sample,
)
from .anatomy.atlas import TEMPLATE_SPACE, load_dgm_atlas
from .descriptions import save_described, tell
from .files import save_image, save_json
from .group_tables import GROUP_TABLES
from .headers import load_data
from .names import P_STATISTIC, T_STATISTIC, stat_map
from .processes import in_processes
from .stats import read_question
from .tables import read_table, readable
from .template_maps import GRID_MM, comparison_ground

STEM = f'group_space-{TEMPLATE_SPACE}_res-{GRID_MM}'
"""How the names of all maps begin."""


def cluster_region_names() -> dict[int, str]:
    """Name with its side of every label of the built-in atlas."""
    table = load_dgm_atlas().regions.dropna(subset=['index'])
    return {
        int(row.index_): f'{readable(row.region)} {row.hemisphere}'
        for row in table.rename(columns={'index': 'index_'}).itertuples()
    }


_LONGEST = 40
"""Letters of one side of a contrast in the name of a map; all have room in a file's name."""


def contrast_labels(tests: Sequence[GroupContrast | VoxelTest]) -> list[str]:
    """Names for files: letters and digits of the names, with `v` between the two sides.

    Examples
    --------
    >>> from ..nodes.statistics.question import choose_contrasts
    >>> contrast_labels(choose_contrasts(None, ['NMO', 'H-C']))
    ['NMOvHC']
    """
    labels: list[str] = []
    for number, test in enumerate(tests, start=1):
        sides = (re.sub(r'[^A-Za-z0-9]', '', ''.join(s))[:_LONGEST] for s in test.sides)
        label = 'v'.join(sides)
        # some file systems take upper and lower case for the same
        while label.casefold() in {other.casefold() for other in labels}:
            label = f'{label}{number}'
        labels.append(label)
    return labels


class _VoxelModelsInputSpec(BaseInterfaceInputSpec):
    maps = traits.List(File(exists=True), mandatory=True, desc='from MapInTemplate, ppb')
    participants = traits.List(traits.Str, mandatory=True, desc='of the maps')
    regions_tsv = File(exists=True, mandatory=True, desc='from GatherRegions')
    question = traits.Dict(mandatory=True, desc='from plain_question')
    nthreads = traits.Int(1, usedefault=True, nohash=True, desc='processors to use')
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
        question = read_question(inputs.question)
        regions = read_table(inputs.regions_tsv, text=(question.group_column,))
        ground = comparison_ground()
        read = {
            who: load_data(path, dtype=np.float32)
            for who, path in zip(inputs.participants, inputs.maps, strict=True)
        }
        maps, told = covered_maps(read, ground.mask)
        sample, warnings = voxel_sample(regions, question, list(maps), source=inputs.source)
        warnings += told
        if sample.labels.empty:
            raise NigraError(TOO_FEW)
        values, mask = stack_known([maps[who] for who in sample.labels.index], ground.mask)
        if not mask.any():
            raise InputError(
                'maps of all participants', 'have no voxel in common', 'leave out --voxelwise'
            )
        results = _test_all(sample, values, mask, ground, question, inputs.nthreads)
        facts = _facts(sample, mask, question)
        files = _save_maps(folder, results, values, mask, ground, facts)
        tables = [
            cluster_table(test.columns, t, p, ground.affine, ground.labels, cluster_region_names())
            for test, t, p in results
        ]
        clusters = pd.concat([t for t in tables if len(t)] or tables[:1], ignore_index=True)
        table = GROUP_TABLES['clusters']
        dictionary = table.dictionary(list(clusters.columns))
        tsv, sidecar = save_described(clusters, folder / f'{table.stem}.tsv', dictionary)
        self._results.update(
            out_files=files, clusters_tsv=tsv, clusters_json=sidecar, warnings=tell(warnings)
        )
        return runtime


def _facts(sample: Sample, mask: NDArray[np.bool_], question: Question) -> dict[str, Any]:
    """What sidecars tell of the comparison."""
    return {
        'Participants': list(sample.labels.index),
        'Formula': sample.formula,
        'Permutations': question.voxelwise,
        'Seed': question.seed,
        'SmoothingFWHM': question.smoothing,
        'Voxels': int(mask.sum()),
    }


def _test_all(
    sample: Sample, values: NDArray[np.floating], mask: NDArray[np.bool_], ground: Ground,
    question: Question, nthreads: int,
) -> list[tuple[VoxelTest, NDArray[np.float64], NDArray[np.float64]]]:  # fmt: skip
    """Every test with its t and p on the whole grid; p NaN where nothing was tested."""
    tests = voxel_tests(sample)
    threads = max(1, nthreads // len(tests))

    def run(test: VoxelTest) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return enhancement_test(
            values[test.who], test.tested, test.rest, mask, permutations=question.voxelwise,
            seed=question.seed, nthreads=threads,
        )  # fmt: skip

    return [
        (test, spread_values(t, mask, 0.0), spread_values(p, mask, np.nan))
        for test, (t, p) in zip(tests, in_processes(run, tests, nthreads), strict=True)
    ]


def _save_maps(
    folder: Path, results: Sequence[tuple[VoxelTest, NDArray[np.float64], NDArray[np.float64]]],
    values: NDArray[np.floating], mask: NDArray[np.bool_], ground: Ground, facts: dict[str, Any],
) -> list[str]:  # fmt: skip
    """Images with sidecars: t and p of each test, and everyone's mean."""
    images: dict[str, tuple[NDArray[np.float64], dict[str, Any]]] = {
        'desc-mean_Chimap': (
            spread_values(values.mean(axis=0), mask, 0.0),
            {'Description': 'Mean smoothed susceptibility of the participants', 'Units': 'ppb'},
        )
    }
    labels = contrast_labels([test for test, _, _ in results])
    for label, (test, t, p) in zip(labels, results, strict=True):
        about: dict[str, Any] = {'Contrast': test.name, 'ParticipantsTested': len(test.who)}
        images[f'contrast-{label}{stat_map(T_STATISTIC)}'] = (
            t, {**about, 'Description': f'Student’s t of {test.name}, adjusted for covariates'},
        )  # fmt: skip
        images[f'contrast-{label}{stat_map(P_STATISTIC)}'] = (
            np.nan_to_num(p, nan=1.0),
            {**about,
             'Description': f'Family-wise p of {test.name}, two-sided, by threshold-free '
                            'cluster enhancement and permutation'},
        )  # fmt: skip
    files = []
    for name, (data, words) in images.items():
        path = save_image(data, ground.affine, folder / f'{STEM}_{name}.nii.gz')
        sidecar = save_json({**words, **facts}, folder / f'{STEM}_{name}.json')
        files += [str(path), str(sidecar)]
    return files
