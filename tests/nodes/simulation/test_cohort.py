import numpy as np
import pytest

from nigra.interfaces.study import read_study
from nigra.nodes.errors import NigraError
from nigra.nodes.simulation.cohort import GroupModel, RegionModel, draw_cohort

REGIONS = {'putamen': RegionModel(40, chi_sd_ppb=5), 'thalamus': RegionModel(20, chi_sd_ppb=5)}
HC = GroupModel('HC', 200, (45, 10), 60, ('a', 'b'))
MS = GroupModel('MS', 200, (45, 10), 75, ('a',), (10, 0.5), (3, 1.5),
                chi_ppb={'thalamus': -8}, volume_percent={'thalamus': -20},
                edss_ppb={'putamen': 4})  # fmt: skip


def chi(people, region):
    return np.array([np.mean([p.chi_ppb[region, s] for s in 'LR']) for p in people])


@pytest.fixture(scope='module')
def cohort():
    return draw_cohort([HC, MS], REGIONS, 7)


def test_group_effects_are_present_and_only_where_named(cohort):
    hc, ms = cohort[:200], cohort[200:]
    assert chi(ms, 'thalamus').mean() - chi(hc, 'thalamus').mean() == pytest.approx(-8, abs=1.2)
    assert chi(ms, 'putamen').mean() - chi(hc, 'putamen').mean() == pytest.approx(0, abs=1.5)
    volumes = [np.mean([p.volume_factor['thalamus'] for p in g]) for g in (hc, ms)]
    assert volumes[1] / volumes[0] == pytest.approx(0.8, abs=0.01)


def test_scores_move_susceptibility_by_the_slope_asked_for(cohort):
    ms = cohort[200:]
    slope = np.polyfit([p.edss for p in ms], chi(ms, 'putamen'), 1)[0]
    assert slope == pytest.approx(4, abs=0.6)


def test_age_and_sex_effects():
    regions = {'putamen': RegionModel(40, 1.0, age_ppb_per_decade=5, male_ppb=10)}
    people = draw_cohort([GroupModel('HC', 300, (50, 15), 50, ('a',))], regions, 1)
    design = np.array([[1, (p.age - 45) / 10, p.sex == 'M'] for p in people], float)
    fit = np.linalg.lstsq(design, chi(people, 'putamen'), rcond=None)[0]
    assert fit == pytest.approx([40, 5, 10], abs=0.5)


def test_small_groups_have_the_demographics_asked_for():
    people = draw_cohort([GroupModel('MS', 3, (44, 8), 67, ('x', 'y'), (10, 0.5), (3, 1.6))],
                         REGIONS, 5)  # fmt: skip
    assert np.mean([p.age for p in people]) == pytest.approx(44, abs=0.5)
    assert sorted(p.sex for p in people) == ['F', 'F', 'M']
    assert sorted(p.edss for p in people) == [1.5, 3.0, 4.5]
    assert [p.protocol for p in people] == ['x', 'y', 'x']
    assert all(p.disease_duration < p.age - 14 for p in people)


def test_healthy_people_have_no_clinical_scores(cohort):
    assert all(np.isnan(p.edss) and np.isnan(p.disease_duration) for p in cohort[:200])


def test_the_same_seed_gives_the_same_people_and_labels_are_unique(cohort):
    again = draw_cohort([HC, MS], REGIONS, 7)
    assert [p.chi_ppb for p in again] == [p.chi_ppb for p in cohort]
    assert len({p.label for p in cohort}) == 400
    other = draw_cohort([HC, MS], REGIONS, 8)
    assert chi(other, 'putamen').tolist() != chi(cohort, 'putamen').tolist()


def test_an_unknown_region_in_a_group_is_refused():
    with pytest.raises(NigraError, match='cerebellum'):
        draw_cohort([GroupModel('A', 1, (40, 5), 50, ('a',), chi_ppb={'cerebellum': 3})],
                    REGIONS, 0)  # fmt: skip


def test_the_published_pattern_is_in_the_published_study():
    study = read_study('pudlac2020')
    people = draw_cohort(list(study.groups.values()), study.regions, study.seed)
    groups = {g: [p for p in people if p.group == g] for g in study.groups}
    assert {g: len(p) for g, p in groups.items()} == {'NMO': 20, 'RRMS': 40, 'HC': 20}
    mean = {(g, r): chi(p, r).mean() for g, p in groups.items() for r in study.regions}
    assert mean['NMO', 'substantia_nigra'] > mean['HC', 'substantia_nigra']
    assert mean['RRMS', 'thalamus'] < min(mean['HC', 'thalamus'], mean['NMO', 'thalamus'])
    for region in ('thalamus', 'pulvinar', 'putamen'):
        volume = {g: np.mean([x.volume_factor[region] for x in p]) for g, p in groups.items()}
        assert volume['RRMS'] < min(volume['HC'], volume['NMO'])
    ms = groups['RRMS']
    assert np.corrcoef([p.edss for p in ms], chi(ms, 'putamen'))[0, 1] > 0.2
