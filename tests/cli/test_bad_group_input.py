"""The group level as its users call it, on everything that can be wrong with a study's tables.

Each test names what a user would see: one sentence with file, value and fix, and exit status 1; or
a warning, and a result.
"""

import json

import numpy as np
import pandas as pd
import pytest
from toy_cohort import (
    REGIONS,
    make_people,
    region_rows,
    timeless,
    write_participants,
    write_study,
    write_visit,
)

from nigra.cli import main
from nigra.interfaces.methods import Methods
from nigra.interfaces.reports import boilerplate
from nigra.interfaces.tables import read_table

QUICK = ['--permutations', '0', '--bootstraps', '0', '--nprocs', '1']


@pytest.fixture
def study(tmp_path):
    people = make_people()
    out = tmp_path / 'out'
    return out, people, write_study(out, people, shifts={'RRMS': -25.0})


def run(out, caplog, *options):
    """Exit status and everything told."""
    caplog.clear()
    caplog.set_level('INFO', logger='nigra')
    status = main([str(out.parent / 'raw'), str(out), 'group', *QUICK, *options])
    return status, caplog.text


def refused(out, caplog, capsys, *options):
    """What a refusal says; nothing may have been left that looks like a result."""
    status, told = run(out, caplog, *options)
    assert status == 1
    assert not (out / 'group.html').exists()
    return told + capsys.readouterr().err


def change(file, **columns):
    """Write participants.tsv again with some columns changed."""
    table = pd.read_csv(file, sep='\t', dtype=str, keep_default_na=False)
    table.assign(**columns).to_csv(file, sep='\t', index=False)


def change_sidecar(out, who, **entries):
    path = next(out.glob(f'{who}/**/*_regions.json'))
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


def told_of(out):
    """Warnings of a finished run, as its report shows them."""
    page = (out / 'group.html').read_text()
    return page[page.index('aria-label="Warnings"') :].split('</ul>')[0]


def test_no_table_of_participants(study, caplog, capsys):
    out, _, file = study
    file.unlink()
    told = refused(out, caplog, capsys)
    assert 'participants.tsv: is missing; add it with the columns participant_id and group' in told


@pytest.mark.parametrize(('separator', 'word'), [(',', 'commas'), (';', 'semicolons')])
def test_other_separators(study, caplog, capsys, separator, word):
    out, _, file = study
    file.write_text(file.read_text().replace('\t', separator))
    told = refused(out, caplog, capsys)
    assert f'participants.tsv: is separated by {word}; save it separated by tabs' in told


def test_byte_order_mark_and_windows_line_ends_are_read(study, caplog):
    out, _, file = study
    file.write_bytes(b'\xef\xbb\xbf' + file.read_bytes().replace(b'\n', b'\r\n'))
    assert run(out, caplog)[0] == 0
    assert len(read_table(out / 'group_models.tsv')) == len(REGIONS) * 2 * 3


def test_a_participant_twice(study, caplog, capsys):
    out, people, file = study
    write_participants(file, pd.concat([people, people.iloc[[2]]]))
    assert 'names sub-003 more than once; keep one row for each' in refused(out, caplog, capsys)


def test_a_participant_whom_the_table_does_not_know(study, caplog, capsys):
    out, people, file = study
    write_participants(file, people.iloc[1:])
    told = refused(out, caplog, capsys)
    assert 'has no row for sub-001, of whom there are region tables' in told


def test_no_group_column(study, caplog, capsys):
    out, _, _ = study
    told = refused(out, caplog, capsys, '--group-column', 'diagnosis')
    assert "has no column 'diagnosis'; give --group-column one of group, age, sex, edss" in told


def test_a_misspelt_level(study, caplog, capsys):
    out, people, file = study
    change(file, group=people.group.where(people.index != 3, 'rr ms'))
    change(file, group=people.group.where(people.index != 6, 'rrms'))
    told = refused(out, caplog, capsys)
    assert "holds both 'RRMS' and 'rrms'; spell them alike" in told
    file.with_suffix('.json').write_text(
        json.dumps({'group': {'Levels': {'NMO': '', 'RRMS': '', 'HC': ''}}})
    )
    told = refused(out, caplog, capsys)
    assert "group of sub-007 is 'rrms', which participants.json does not list" in told


def test_a_single_level(study, caplog, capsys):
    out, _, file = study
    change(file, group='NMO')
    assert run(out, caplog)[0] == 0
    assert 'holds only &#39;NMO&#39; among' in told_of(out)
    assert read_table(out / 'group_contrasts.tsv').empty
    slopes = read_table(out / 'group_covariates.tsv')
    assert slopes.slope.notna().all()
    assert 'nothing was compared' in (out / 'logs' / 'CITATION.md').read_text()


def test_two_people_are_no_group(study, caplog):
    out, people, file = study
    change(file, group=people.group.where(~people.index.isin([0, 1, 2]), 'n/a'))
    assert run(out, caplog)[0] == 0
    assert 'Groups with fewer than 3 participants' in told_of(out)
    rows = read_table(out / 'group_contrasts.tsv')
    assert rows[rows.contrast.str.contains('NMO')].p.isna().all()
    assert rows[rows.contrast == 'RRMS - HC'].p.notna().all()


def test_age_or_sex_unknown(study, caplog):
    out, _, file = study
    table = pd.read_csv(file, sep='\t', dtype=str, keep_default_na=False)
    table.loc[0, 'age'] = table.loc[7, 'sex'] = 'n/a'
    table.to_csv(file, sep='\t', index=False)
    assert run(out, caplog)[0] == 0
    left = read_table(out / 'exclusions.tsv')
    assert left.to_numpy().tolist() == [
        ['sub-001', 'age n/a', 'all'],
        ['sub-008', 'sex n/a', 'all'],
    ]
    models = read_table(out / 'group_models.tsv')
    assert (models.n == 14).all()
    assert (models.n_excluded == 2).all()


def test_ages_that_may_not_be_told(study, caplog):
    out, _, file = study
    table = pd.read_csv(file, sep='\t', dtype=str, keep_default_na=False)
    table.loc[4, 'age'] = '89+'
    table.to_csv(file, sep='\t', index=False)
    assert run(out, caplog)[0] == 0
    assert 'age is 89+ for sub-005' in told_of(out)
    assert (
        read_table(out / 'group_regions.tsv').query("participant_id == 'sub-005'").age.eq(89).all()
    )


@pytest.mark.parametrize(
    ('column', 'options', 'match'),
    [
        (lambda p: '3', ['--covariates', 'extra'], "covariate 'extra' has one value only"),
        (lambda p: (2 * p.age).astype(str), ['--covariates', 'age', 'extra'],
         "covariate 'extra' adds nothing to the group and the covariates before it"),
        (lambda p: p.group, ['--covariates', 'extra'], "covariate 'extra' adds nothing"),
    ],
)  # fmt: skip
def test_covariates_that_say_nothing(study, caplog, capsys, column, options, match):
    out, people, file = study
    change(file, extra=column(people))
    assert match in refused(out, caplog, capsys, *options)


@pytest.mark.parametrize('score', ['10.5', '-1'])
def test_scores_that_cannot_be(study, caplog, capsys, score):
    out, _, file = study
    table = pd.read_csv(file, sep='\t', dtype=str, keep_default_na=False)
    table.loc[1, 'edss'] = score
    table.to_csv(file, sep='\t', index=False)
    told = refused(out, caplog, capsys)
    assert f'edss of sub-002 is {score}; give 0 to 10 points, or n/a where unknown' in told


def test_healthy_people_need_no_score(study, caplog):
    out, people, _ = study
    assert people.edss[people.group == 'HC'].isna().all()
    assert run(out, caplog)[0] == 0
    assert 'HC' not in set(read_table(out / 'group_correlations.tsv', text=('group',)).group)


def test_participants_without_derivatives(study, caplog):
    out, people, file = study
    more = people.iloc[:2].assign(participant_id=['sub-101', 'sub-102'])
    write_participants(file, pd.concat([people, more]))
    assert run(out, caplog)[0] == 0
    assert 'without a region table, who are left out (2): sub-101, sub-102' in told_of(out)
    assert set(read_table(out / 'exclusions.tsv').participant_id) == {'sub-101', 'sub-102'}


def test_mixed_field_strengths_and_versions(study, caplog):
    out, _, _ = study
    change_sidecar(out, 'sub-004', MagneticFieldStrength=3.0)
    change_sidecar(out, 'sub-009', NigraVersion='0.0.9')
    assert run(out, caplog)[0] == 0
    told = told_of(out)
    assert 'differ in field strength (T): 3 in sub-004; 1.5 in the others' in told
    assert 'differ in the version of nigra: 0.0.9 in sub-009; 0.1.0 in the others' in told


def citation(out):
    return (out / 'logs' / 'CITATION.md').read_text()


def test_results_of_an_older_version_do_not_get_the_methods_of_the_command(study, caplog):
    out, people, _ = study
    for who in people.participant_id:
        flat = {'BackgroundRemoval': 'pdf', 'Inversion': 'tkd' if who == 'sub-003' else 'tv'}
        change_sidecar(out, who, Methods=None, **flat)
    assert run(out, caplog)[0] == 0
    assert 'version of nigra does; process these participants again.' in told_of(out)
    page = (out / 'group.html').read_text()
    for text in (page, citation(out)):
        assert 'made is not known' in text
        assert 'Susceptibility was reconstructed' not in text
        assert 'Benjamini' in text


def test_mixed_methods_reach_the_page_and_the_methods_text(study, caplog):
    out, _, _ = study
    other = Methods(inversion='tv', settings={'inversion': {'penalty': 9.0}})
    change_sidecar(out, 'sub-001', Methods=other.record())
    assert run(out, caplog)[0] == 0
    setting = 'Participants differ in the setting inversion.penalty: '
    assert setting + '9.0 in sub-001; not set in the others.' in told_of(out)
    assert setting + '`9.0` in sub-001; `not set` in the others.' in citation(out)
    assert 'Settings that differ from the defaults' not in citation(out)
    assert setting + '<code>9.0</code>' in (out / 'group.html').read_text()


def test_atlases_are_told_by_the_group_level_alone(study, caplog):
    out, people, _ = study
    for who in people.participant_id:
        mine = Methods(inversion='tv', atlases=(out / 'seg-mine_dseg.nii.gz',))
        change_sidecar(out, who, Methods=mine.record())
    assert run(out, caplog)[0] == 0
    assert 'Regions of `seg-mine_dseg.nii.gz` were carried' in citation(out)


def test_another_methods_text_is_no_run_with_nothing_to_do(study, caplog, monkeypatch):
    out, _, _ = study
    assert run(out, caplog)[0] == 0
    monkeypatch.setitem(boilerplate._REFERENCE, 'brain', 'In words of tomorrow.')
    assert run(out, caplog)[0] == 0
    assert 'In words of tomorrow.' in (out / 'group.html').read_text()


def test_the_methods_text_is_whole_after_a_run_with_nothing_to_do(study, caplog):
    out, _, _ = study
    assert run(out, caplog)[0] == 0
    text = citation(out)
    (out / 'logs' / 'CITATION.md').write_text('that of the participant level')
    assert run(out, caplog)[0] == 0
    assert 'nothing to do' in caplog.text
    assert citation(out) == text


@pytest.mark.parametrize(
    ('entry', 'words'),
    [({'Methods': Methods(reference='csf').record()}, "Methods.reference is 'csf'"),
     ({'Units': 'ppm'}, "Units is 'ppm'")],
    ids=['zero', 'unit'],
)  # fmt: skip
def test_values_that_cannot_be_compared(study, caplog, capsys, entry, words):
    out, _, _ = study
    change_sidecar(out, 'sub-004', **entry)
    told = refused(out, caplog, capsys)
    assert 'sub-004_seg-dgm_regions.json' in told
    assert words in told
    assert 'process all participants alike' in told


def test_raw_data_are_not_needed(study, caplog):
    out, _, _ = study
    assert not (out.parent / 'raw').exists()
    assert run(out, caplog)[0] == 0


def test_after_a_crash_the_same_command_gives_the_same(study, caplog):
    out, _, _ = study
    damaged = next(out.glob('sub-002/**/*_regions.tsv'))
    whole = damaged.read_text()
    damaged.write_text(whole[:-20])
    assert run(out, caplog)[0] == 1
    assert 'sub-002_seg-dgm_regions.tsv' in caplog.text
    damaged.write_text(whole)
    assert run(out, caplog)[0] == 0
    first = timeless(out.glob('group*'))
    assert run(out, caplog)[0] == 0
    assert 'nothing to do' in caplog.text
    (out / 'group_contrasts.tsv').unlink()
    assert run(out, caplog)[0] == 0
    assert timeless(out.glob('group*')) == first


def test_sessions_are_kept_apart(study, caplog, capsys):
    """The first visit is modelled, or the one asked for; never the mean."""
    out, _, _ = study
    rng = np.random.default_rng(5)
    for session, shift in (('ses-1', 100.0), ('ses-2', 500.0)):
        write_visit(out, region_rows('sub-001', rng, session=session, shift=shift))
    next(out.glob('sub-001/anat/*_regions.tsv')).unlink()
    assert run(out, caplog)[0] == 0
    assert 'Participants with several sessions or runs (1)' in told_of(out)

    def thalamus():
        rows = read_table(out / 'group_values.tsv')
        own = rows[(rows.participant_id == 'sub-001') & (rows.region == 'thalamus')]
        return own[(own.measure == 'chi_mean') & (own.hemisphere == 'both')].value.item()

    assert 100 < thalamus() < 200
    (out / 'group.html').unlink()
    told = refused(out, caplog, capsys, '--session-label', '3')
    assert '--session-label 3: is in no region table; use n/a, ses-1, ses-2' in told


def test_what_a_page_calls_a_problem_is_told_everywhere(study, caplog):
    """Case 78: console, exit, group page and table of quality."""
    out, people, _ = study
    for who in people.participant_id:
        quality = {'participant_id': who, 'iron_contrast_ppb': 60.0}
        if who == 'sub-003':
            quality |= {
                'iron_contrast_ppb': -40.0,
                'problems': ['region_missing', 'iron_contrast'],
            }
        (out / who / 'anat' / f'{who}_quality.json').write_text(json.dumps(quality))
    status, told = run(out, caplog)
    assert status == 0
    for sentence in ('1 of 16 runs have a nucleus without a value (sub-003).',
                     '1 of 16 runs show the pallidum darker than the thalamus'):  # fmt: skip
        assert sentence in told
        assert sentence in told_of(out)
    last = [record.getMessage() for record in caplog.records][-2:]
    assert '1 of 16 runs, which show problems: sub-003 (region_missing; iron_contrast)' in last[0]
    rows = read_table(out / 'group_quality.tsv', text=('problems', 'flags'))
    marked = rows.set_index('participant_id').problems.dropna()
    assert marked.to_dict() == {'sub-003': 'region_missing; iron_contrast'}
    page = (out / 'group.html').read_text()
    section = page[page.index('<section id="quality">') :]
    assert section.index('sub-003') < section.index('sub-001')


def test_protocols_that_differ_between_groups_are_told_by_the_group_level(study, caplog):
    """Case 80, of the derivatives alone."""
    out, people, _ = study
    for who, group in zip(people.participant_id, people.group, strict=True):
        change_sidecar(
            out, who, EchoTimes=[0.02 if group == 'HC' else 0.04], VoxelSize=[1.0, 1.0, 2.0001]
        )
    assert run(out, caplog)[0] == 0
    told = told_of(out)
    assert 'differ in echo times (ms): 20 in' in told
    assert '40 in the others, and each group has one value' in told
    assert 'voxel size' not in told


def test_the_table_that_was_compared_is_kept_and_the_list_shows_its_groups(study, caplog):
    out, people, file = study
    given = out.parent / 'raw' / 'participants.tsv'
    write_participants(given, people.assign(group=people.group.replace('RRMS', 'PPMS')))
    before = file.read_text()
    assert run(out, caplog, '--analysis-name', 'other')[0] == 0
    assert file.read_text() == before
    assert run(out, caplog)[0] == 0
    assert file.read_text() == given.read_text() != before
    index = (out / 'index.html').read_text()
    assert 'PPMS' in index
    assert 'RRMS' not in index
