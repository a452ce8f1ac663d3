"""Group level on disk: derivative folders in, tables with dictionaries out, good and bad."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from toy_cohort import (
    make_people,
    region_rows,
    write_participants,
    write_study,
    write_visit,
)

from nigra.interfaces.gather import GatherRegions, gather_regions, read_region_tables
from nigra.interfaces.methods import Methods
from nigra.interfaces.stats import GroupModels
from nigra.interfaces.tables import read_table
from nigra.nodes.errors import InputError
from nigra.nodes.statistics.correlations import CORRELATION_COLUMNS
from nigra.nodes.statistics.group_models import CONTRAST_COLUMNS, MODEL_COLUMNS
from nigra.nodes.statistics.sample import EXCLUSION_COLUMNS
from nigra.nodes.statistics.values import REGION_COLUMNS


@pytest.fixture
def study(tmp_path):
    people = make_people()
    return tmp_path, people, write_study(tmp_path, people, shifts={'RRMS': -25.0})


def one_file(root, who='sub-002'):
    return next(root.glob(f'{who}/**/*_regions.tsv'))


def change_sidecar(root, who, **entries):
    path = one_file(root, who).with_suffix('.json')
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


def test_everything_is_gathered(study):
    root, people, file = study
    found = gather_regions(root, file)
    assert tuple(found.regions.columns[:13]) == REGION_COLUMNS
    assert list(found.regions.columns[13:]) == ['group', 'age', 'sex', 'edss', 'volume_normalised']
    assert len(found.regions) == 10 * len(people)
    assert found.warnings == ()
    assert found.exclusions.empty
    assert found.provenance['ReferenceRegion'] == 'whole brain'
    own = pd.read_csv(one_file(root), sep='\t', keep_default_na=False)
    rows = found.regions[found.regions.participant_id == 'sub-002']
    np.testing.assert_allclose(rows.chi_mean, own.chi_mean, equal_nan=False)


def test_raw_data_are_not_needed(study, tmp_path_factory):
    root, _, file = study
    elsewhere = tmp_path_factory.mktemp('elsewhere') / 'table.tsv'
    elsewhere.write_bytes(file.read_bytes())
    file.unlink()
    assert len(gather_regions(root, elsewhere).regions) == 160


def test_sessions_and_runs_are_kept(study):
    root, _, file = study
    rng = np.random.default_rng(0)
    for session, run in (('ses-2', 'n/a'), ('ses-1', 'run-2'), ('ses-1', 'run-1')):
        write_visit(root, region_rows('sub-001', rng, session=session, run=run))
    found = gather_regions(root, file).regions
    assert len(found) == 160 + 30
    own = found[found.participant_id == 'sub-001']
    assert len(own.drop_duplicates(['session_id', 'run_id'])) == 4
    assert own.volume_normalised[own.region != 'brain'].nunique() == 36


def test_participant_without_derivatives(study):
    root, people, file = study
    extra = pd.DataFrame([{'participant_id': 'sub-999', 'group': 'HC', 'age': 50.0}])
    write_participants(file, pd.concat([people, extra]))
    found = gather_regions(root, file)
    assert found.exclusions.to_numpy().tolist() == [
        ['sub-999', 'no region table of a finished visit in the derivatives', 'all']
    ]
    assert 'sub-999' in found.warnings[0]
    assert 'sub-999' not in set(found.regions.participant_id)


def test_unknown_participant(study):
    root, people, file = study
    write_participants(file, people[2:])
    with pytest.raises(InputError, match=r'participants.tsv: has no row for sub-001, sub-002'):
        gather_regions(root, file)


def test_no_derivatives(tmp_path):
    file = write_participants(tmp_path / 'participants.tsv', make_people())
    with pytest.raises(InputError, match='run the participant level first'):
        gather_regions(tmp_path, file)


@pytest.mark.parametrize(
    ('entry', 'key', 'value'),
    [({'Methods': Methods(inversion='tv', reference='csf').record()}, 'Methods.reference', 'csf'),
     ({'Units': 'another'}, 'Units', 'another')],
)  # fmt: skip
def test_mixed_references_or_units_are_refused(study, entry, key, value):
    root, _, file = study
    change_sidecar(root, 'sub-005', **entry)
    with pytest.raises(InputError, match=f"sub-005.*json: {key} is '{value}', but"):
        gather_regions(root, file)


def test_the_reference_is_compared_by_its_name_and_by_words_where_that_is_not_known(study):
    root, people, file = study
    change_sidecar(root, 'sub-005', ReferenceRegion='mean over the whole brain, in new words')
    assert gather_regions(root, file).warnings == ()
    for who in people.participant_id:
        change_sidecar(root, who, Methods=None)
    with pytest.raises(InputError, match=r"sub-005.*json: ReferenceRegion is 'mean over"):
        gather_regions(root, file)


def test_wrong_unit_everywhere_is_refused(study):
    root, people, file = study
    for who in people.participant_id:
        change_sidecar(root, who, Units='ppm')
    with pytest.raises(InputError, match="Units is 'ppm'"):
        gather_regions(root, file)


@pytest.mark.parametrize(
    ('key', 'value', 'words'),
    [('MagneticFieldStrength', 3, 'field strength (T): 3 in sub-005; 1.5 in the others'),
     ('NigraVersion', '0.2.0', 'the version of nigra: 0.2.0 in sub-005; 0.1.0 in the others'),
     ('Methods', Methods(inversion='tkd').record(),
      'inversion: tkd in sub-005; tv in the others'),
     ('Methods', Methods(inversion='tv', settings={'inversion': {'penalty': 9}}).record(),
      'the setting inversion.penalty: 9 in sub-005; not set in the others')],
)  # fmt: skip
def test_mixed_scanners_or_methods_are_told(study, key, value, words):
    root, _, file = study
    change_sidecar(root, 'sub-005', **{key: value})
    found = gather_regions(root, file)
    (warning,) = found.warnings
    (key,) = (k for k, entry in found.provenance.items() if isinstance(entry, list))
    assert warning == f'Participants differ in {words}.'
    assert len(found.provenance[key]) == 2


def test_field_strength_that_goes_with_the_group(study):
    root, people, file = study
    for who in people.participant_id[people.group == 'HC']:
        change_sidecar(root, who, MagneticFieldStrength=3.0)
    (warning,) = gather_regions(root, file).warnings
    assert 'groups differ by it too' in warning


def test_missing_sidecar_is_told(study):
    root, _, file = study
    one_file(root).with_suffix('.json').unlink()
    unknown, silent = gather_regions(root, file).warnings
    assert unknown.startswith('How the results of sub-002 were made is not known')
    assert silent.startswith('Sidecars of sub-002 do not tell ReferenceRegion, Units, Magn')


def test_half_written_tables_are_not_read(study):
    root, _, file = study
    path = one_file(root)
    left = path.parent / '.part-x1' / path.name
    left.parent.mkdir()
    left.write_text(path.read_text()[:100])
    assert gather_regions(root, file).warnings == ()


def test_group_column_with_a_taken_name(study):
    root, people, file = study
    write_participants(file, people.rename(columns={'group': 'region'}))
    with pytest.raises(InputError, match="column 'region' is also one of the region tables"):
        gather_regions(root, file, group_column='region')


def test_column_with_a_taken_name(study):
    root, people, file = study
    write_participants(file, people.assign(coverage='full'))
    found = gather_regions(root, file)
    assert 'coverage' in found.warnings[0]
    assert found.regions.coverage.eq(1).all()


@pytest.mark.parametrize(
    ('change', 'match'),
    [
        (lambda t: t[: len(t) // 2], 'damaged'),
        (lambda t: t.split('\n')[0], 'holds no rows'),
        (lambda t: '', 'holds no rows'),
        (lambda t: t.replace('chi_mean', 'chi'), 'no column chi_mean'),
        (lambda t: t.replace('sub-002', 'sub-003'), 'rows of sub-003; put it where it belongs'),
        (lambda t: t.replace('\t1.0\t', '\tfull\t'), "has 'full' as coverage"),
    ],
)
def test_damaged_tables_are_named(study, change, match):
    root, _, file = study
    path = one_file(root)
    path.write_text(change(path.read_text()))
    with pytest.raises(InputError, match=match) as caught:
        gather_regions(root, file)
    assert path.name in str(caught.value)


def test_tables_with_further_columns_join(study):
    root, _, _ = study
    path = one_file(root)
    table = pd.read_csv(path, sep='\t', keep_default_na=False).assign(iron=3.0)
    table.to_csv(path, sep='\t', index=False)
    found = read_region_tables(sorted(root.glob('sub-*/**/*_regions.tsv')))
    assert found.participant_id.is_monotonic_increasing
    assert found.iron.notna().sum() == 10


def test_interfaces_write_tables_and_dictionaries(study, monkeypatch):
    root, people, file = study
    monkeypatch.chdir(root)
    extra = people.iloc[:1].assign(participant_id='sub-999')
    write_participants(file, pd.concat([people.assign(notes='<b>x</b>'), extra]))
    file.with_suffix('.json').write_text(json.dumps({'notes': {'Description': 'free text'}}))
    gathered = GatherRegions(derivatives_dir=str(root), participants_file=str(file)).run().outputs
    dictionary = json.loads(Path(gathered.regions_json).read_text())
    columns = list(read_table(gathered.regions_tsv).columns)
    assert list(dictionary)[: len(columns)] == columns
    assert dictionary['notes'] == {'Description': 'free text'}
    assert dictionary['chi_mean']['Units'] == 'ppb'
    assert len(dictionary['Warnings']) == len(gathered.warnings) == 1
    found = GroupModels(
        regions_tsv=gathered.regions_tsv, exclusions_tsv=gathered.exclusions_tsv
    ).run().outputs  # fmt: skip
    expected = {
        'models': MODEL_COLUMNS, 'contrasts': CONTRAST_COLUMNS,
        'correlations': CORRELATION_COLUMNS, 'exclusions': EXCLUSION_COLUMNS,
    }  # fmt: skip
    for name, order in expected.items():
        table = read_table(getattr(found, f'{name}_tsv'))
        assert tuple(table.columns) == order
        content = json.loads(Path(getattr(found, f'{name}_json')).read_text())
        assert tuple(content)[: len(order)] == order
        assert all(content[column]['Description'] for column in order)
    assert read_table(found.exclusions_tsv).participant_id.tolist() == ['sub-999']
    assert found.settings['reference_group'] == 'HC'
    contrasts = read_table(found.contrasts_tsv)
    hits = contrasts[(contrasts.p_adjusted < 0.05) & (contrasts.hemisphere == 'both')]
    assert set(zip(hits.region, hits.contrast, strict=True)) == {
        ('thalamus', 'NMO - RRMS'), ('thalamus', 'RRMS - HC')
    }  # fmt: skip


def test_groups_called_like_numbers_or_nothing(study, monkeypatch):
    root, people, file = study
    monkeypatch.chdir(root)
    names = {'NMO': '1', 'RRMS': 'None', 'HC': '0'}
    write_participants(file, people.assign(group=people.group.map(names)))
    gathered = GatherRegions(derivatives_dir=str(root), participants_file=str(file)).run().outputs
    question = {'covariates': [], 'scores': [], 'reference_group': '0'}
    found = GroupModels(regions_tsv=gathered.regions_tsv, question=question).run().outputs
    contrasts = read_table(found.contrasts_tsv)
    assert list(contrasts.contrast[:3]) == ['1 - 0', 'None - 0', '1 - None']
    assert set(read_table(found.models_tsv).formula) == {'value ~ C(group)'}
