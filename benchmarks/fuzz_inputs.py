"""Strategies of `fuzz`: what is right, near to it, or nothing of the kind."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from hypothesis import strategies as st

from nigra.cli.arguments import build_parser

ODD = st.text(st.characters(codec='utf-8'), max_size=8)
WORDS = st.sampled_from(
    ['', 'n/a', '-1', '0', '1', '89+', 'nan', 'inf', '1e999', '"', "'", '=1+1', '../x', '<b>', 'ü']
)
CELLS = st.one_of(WORDS, ODD, st.integers(-5, 200).map(str), st.floats().map(str))
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ODD,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(ODD, inner, max_size=2),
    max_leaves=4,
)  # fmt: skip


def image_bytes() -> bytes:
    """A small image."""
    data = np.arange(210, dtype=np.int16).reshape(6, 7, 5)
    return nib.Nifti1Image(data, np.diag([2.0, 2.0, 2.0, 1.0])).to_bytes()


IMAGE = image_bytes()
PLAIN = st.booleans() | st.integers(-2, 9) | st.floats() | st.sampled_from(['', 'a', 'tv', '8G'])
"""Values that TOML has."""
FLAGS = sorted(f for f in build_parser()._option_string_actions if f not in ('-h', '--help'))
PAIRS = (
    ('--nprocs', '2'), ('--n_cpus=3',), ('--mem', '8G'), ('--mem_gb', '4.5'), ('--regions', 'x'),
    ('--covariates',), ('--set', 'inversion.penalty=3'), ('--inversion', 'tv'),
    ('--smoothing', '0'),
    ('--voxelwise',), ('--permutations', '0'), ('--random_seed', '7'), ('--analysis-name', 'x1'),
)  # fmt: skip
"""Options with values that fit."""
VALUES = st.one_of(CELLS, st.sampled_from(['pdf', 'tv', 'auto', '8G', '3', 'age', 'fast']))


@st.composite
def command_lines(draw: Any) -> list[str]:
    """Options, whole and misspelt, with values that fit or do not."""
    words = [w for pair in draw(st.lists(st.sampled_from(PAIRS), max_size=4)) for w in pair]
    for _ in range(draw(st.sampled_from([0, 0, 1, 3]))):
        flag = draw(st.sampled_from(FLAGS) | ODD.map(lambda t: f'--{t}'))
        if flag in ('--version', '--config-file'):
            continue
        words += [flag, *draw(st.lists(VALUES, max_size=2))]
    levels = draw(st.sampled_from([['group'], ['participant', 'group'], ['group'], ['x'], []]))
    return ['raw', 'out', *levels, *words]


def toml(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


FITTING = {'nprocs': 2, 'mem': '8G', 'covariates': ['age'], 'smoothing': 1.5, 'voxelwise': 100,
           'inversion': 'tv', 'dry-run': True, 'groups': ['A', 'B'], 'random_seed': 3}  # fmt: skip
NEAR = st.sets(st.sampled_from(sorted(FITTING))).map(lambda keys: {k: FITTING[k] for k in keys})
OPTIONS = st.sampled_from([flag.lstrip('-') for flag in FLAGS])

HEADS = st.sampled_from([
    ['participant_id', 'group', 'age'], ['participant_id', 'group', 'sex', 'edss'],
    ['participant_id', 'arm', 'Age'], ['group', 'participant_id'], ['participant_id'],
])  # fmt: skip
LIKELY = st.sampled_from(['A', 'B', '30', '45.5', 'n/a', 'F', 'M', '2'])


def write_person(root: Path, names: dict[str, dict[str, Any] | None], who: str = '01') -> None:
    """Images of a participant by name, each with a sidecar or none."""
    folder = root / f'sub-{who}' / 'anat'
    folder.mkdir(parents=True)
    for name, entries in names.items():
        (folder / f'{name}.nii').write_bytes(IMAGE)
        if entries is not None:
            (folder / f'{name}.json').write_text(json.dumps(entries), encoding='utf-8')


TIMES = st.sampled_from([0.02, 0.02, 0.03, 20, 0, -1, True, '0.02']) | st.floats(0, 1) | JUNK
FIELDS = st.sampled_from([3, 1.5, 7, 3.0, 15000, 0, '3']) | st.floats(0, 13) | JUNK
FREQUENCIES = st.sampled_from([None, None, 63.9, 123.2, '123']) | JUNK

GOOD_LABELS = st.sampled_from(['1', '01', 'a', 'A', 'x'])
LABELS = st.one_of(
    GOOD_LABELS,
    GOOD_LABELS,
    GOOD_LABELS,
    st.sampled_from(['1', '01', 'a', 'A', 'x' * 90, '', 'a b', 'ü', '٣', 'a+b', '1\n', '..']),
    st.text(st.characters(codec='utf-8', exclude_characters='/\x00'), max_size=6),
)
USUAL = st.sampled_from(['acq', 'run', 'echo', 'ce', 'rec', 'dir'])
ENTITIES = USUAL | USUAL | st.sampled_from(['ses', 'sub', 'part', 'foo'])

COLUMNS = st.sampled_from([
    ['index', 'name'], ['index', 'name', 'hemisphere'], ['name', 'index', 'region'],
])  # fmt: skip
NAMES = st.sampled_from(['1', '2', '3', 'Left_X', 'x_R', 'Dentate', 'L', 'R', 'n/a']) | CELLS
