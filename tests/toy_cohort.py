"""A small made-up study: region tables and participants without any image."""

import json
import re

import numpy as np
import pandas as pd

from nigra.interfaces.methods import Methods
from nigra.nodes.statistics.values import REGION_COLUMNS

REGIONS = ('caudate', 'putamen', 'thalamus')
PROVENANCE = {
    'ReferenceRegion': 'whole brain', 'Units': 'ppb', 'MagneticFieldStrength': 1.5,
    'NigraVersion': '0.1.0', 'Methods': Methods(inversion='tv').record(),
}  # fmt: skip


def make_people(sizes=None, *, seed=0):
    """Participants with group, age, sex and edss (healthy people have none)."""
    sizes = {'NMO': 5, 'RRMS': 6, 'HC': 5} if sizes is None else sizes
    rng = np.random.default_rng(seed)
    group = np.repeat(list(sizes), list(sizes.values()))
    n = len(group)
    edss = np.where(group == 'HC', np.nan, rng.integers(0, 19, n) / 2)
    return pd.DataFrame({
        'participant_id': [f'sub-{i:03d}' for i in range(1, n + 1)],
        'group': group, 'age': rng.integers(20, 80, n).astype(float),
        'sex': np.where(np.arange(n) % 3 == 0, 'M', 'F'), 'edss': edss,
    })  # fmt: skip


def region_rows(person, rng, *, session='n/a', run='n/a', shift=0.0):
    """Region table of one visit; `shift` ppb is added to the thalamus."""
    rows = []
    for region in REGIONS:
        for side in ('L', 'R', 'both'):
            volume = (2 if side == 'both' else 1) * rng.normal(4000, 300)
            chi = rng.normal(40, 5) + (shift if region == 'thalamus' else 0)
            rows.append((person, session, run, 'dgm', region, side, int(volume), volume, 1.0,
                         chi, chi, 8.0, np.nan))  # fmt: skip
    brain = rng.normal(1.3e6, 1e5)
    rows.append((person, session, run, 'dgm', 'brain', 'both', int(brain), brain, 1.0, 0.0, 0.0,
                 20.0, np.nan))  # fmt: skip
    return pd.DataFrame(rows, columns=list(REGION_COLUMNS))


def make_regions(people, *, seed=1, shifts=None):
    """Region tables of everyone, joined with the participants' columns."""
    rng = np.random.default_rng(seed)
    tables = [
        region_rows(p.participant_id, rng, shift=(shifts or {}).get(p.group, 0.0))
        for p in people.itertuples()
    ]
    return pd.concat(tables, ignore_index=True).merge(people, on='participant_id')


def write_visit(root, table, **changes):
    """Write the table of one visit and its sidecar where the participant level would."""
    person, session, run = table[['participant_id', 'session_id', 'run_id']].iloc[0]
    parts = [p for p in (person, session, run) if p != 'n/a']
    folder = root.joinpath(*(p for p in (person, session) if p != 'n/a'), 'anat')
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ('_'.join(parts) + '_seg-dgm_regions.tsv')
    table.to_csv(path, sep='\t', na_rep='n/a', index=False)
    path.with_suffix('.json').write_text(json.dumps({**PROVENANCE, **changes}))
    return path


def write_study(root, people, *, seed=1, shifts=None):
    """Write derivatives and `participants.tsv` of everyone; returns that file."""
    rng = np.random.default_rng(seed)
    for p in people.itertuples():
        shift = (shifts or {}).get(p.group, 0.0)
        write_visit(root, region_rows(p.participant_id, rng, shift=shift))
    return write_participants(root / 'participants.tsv', people)


def write_twice(folder):
    """Derivatives below `out` of everybody measured twice, and the table below `raw`: people."""
    rng, people = np.random.default_rng(1), make_people({'MS': 4, 'HC': 4})
    for person in people.participant_id:
        for session in ('ses-2', 'ses-10'):
            write_visit(folder / 'out', region_rows(person, rng, session=session))
    write_participants(folder / 'raw' / 'participants.tsv', people)
    return people


def write_participants(path, people):
    """Write a table of participants."""
    path.parent.mkdir(parents=True, exist_ok=True)
    people.to_csv(path, sep='\t', na_rep='n/a', index=False)
    return path


def timeless(paths):
    """Content of files by name, without the minute in which pages were made."""
    made = re.compile(rb'made \d+ \w+ \d{4}, \d\d:\d\d')
    return {path.name: made.sub(b'', path.read_bytes()) for path in paths}
