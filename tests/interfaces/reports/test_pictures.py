"""Pictures of a participant: what there is is shown, with its controls, and nothing else."""

from xml.etree import ElementTree

import numpy as np
import pytest
from toy_page import NAMES, write_visit

from nigra.interfaces.reports.map_pictures import CHI_LIMIT, own_window, run_pictures
from nigra.interfaces.reports.pictures import anatomy_pictures
from nigra.nodes.grid import hz_per_ppm

SCALES = ('own scale, to 0.15', 'fixed, ±0.15 ppm')


@pytest.fixture(scope='module')
def visit(tmp_path_factory):
    return write_visit(tmp_path_factory.mktemp('visit'))


def anatomy(given, **changes):
    return anatomy_pictures(**{
        'brain_mask': given['t1w_brain_mask'], 'names': NAMES,
        **{k: given[k] for k in ('t1w', 'template_in_t1w', 'labels_in_t1w')}, **changes,
    })  # fmt: skip


def texts(picture):
    return [e.text for e in ElementTree.fromstring(picture.svg).iter() if e.tag.endswith('text')]


def test_anatomy_shows_labels_where_there_are_some(visit):
    given, _ = visit
    titles = [p.title for p in anatomy(given)]
    assert titles == ['Brain mask', 'T1w to template', 'Deep grey nuclei on the T1w image']
    assert [p.title for p in anatomy(given, labels_in_t1w=None)] == titles[:2]


def test_alignment_can_be_faded_and_outlines_switched_off(visit):
    given, run = visit
    pictures = {p.title: p for p in [*anatomy(given), *run_pictures(run, NAMES)]}
    assert {t: p.fade for t, p in pictures.items() if p.fade} == {
        'T1w to template': ('T1w', 'template'),
        'Gradient echo to T1w': ('magnitude', 'T1w'),
        'Deep grey nuclei on the susceptibility map': SCALES,
        'Susceptibility map': SCALES,
    }
    for title, picture in pictures.items():
        drawn = list(ElementTree.fromstring(picture.svg).iter())
        lines = [line for e in drawn if e.get('class') == 'outlines' for line in e]
        assert picture.outlined == bool(lines), title
        assert bool(picture.fade) == any(e.get('class') == 'layer over' for e in drawn), title


def test_nuclei_are_named_in_their_colours(visit):
    _, run = visit
    legend = run_pictures(run, NAMES)[0].legend
    assert [name for name, _ in legend] == ['caudate', 'pallidum']
    assert len({colour for _, colour in legend}) == 2


@pytest.mark.parametrize(
    ('absent', 'title'), [('localfield', 'Local field'), ('totalfield', 'Total field'),
                          ('r2star', 'R2*')],
)  # fmt: skip
def test_maps_that_a_run_lacks_are_left_out(visit, absent, title):
    _, run = visit
    every = [p.title for p in run_pictures(run, NAMES)]
    fewer = [p.title for p in run_pictures(run | {absent: None}, NAMES)]
    assert [t for t in every if t not in fewer] == [title]


def test_scales_have_their_units(visit):
    _, run = visit
    pictures = {p.title: texts(p) for p in run_pictures(run, NAMES)}
    assert {'ppm', f'{CHI_LIMIT:g}', f'−{CHI_LIMIT / 2:g}'} <= set(pictures['Susceptibility map'])
    hertz = next(float(t.split()[0][1:]) for t in pictures['Total field'] if t.endswith(' Hz'))
    ends = [float(t) for t in pictures['Total field'] if t.replace('.', '').isdigit()]
    assert hertz == pytest.approx(max(ends) * hz_per_ppm(1.5), rel=0.01)
    unknown = run_pictures(run | {'facts': {}}, NAMES)
    assert not any(t.endswith(' Hz') for p in unknown for t in texts(p))


@pytest.mark.parametrize(('iron', 'high'), [(0.05, CHI_LIMIT), (0.24, 0.3)])
def test_no_nucleus_is_white_on_the_scale_of_its_map(iron, high):
    values = np.zeros((10, 10, 10))
    values[4:6] = iron
    assert own_window(values, values > 0) == (-high / 2, high)


def test_parts_reference_and_own_atlases_are_drawn(visit, tmp_path):
    _, run = visit
    (tmp_path / 'sub-01_seg-mine_dseg.tsv').write_text('index\tregion\n1\tleft one\n')
    run = run | {
        'paramagnetic': run['chimap'], 'diamagnetic': run['chimap'],
        'reference_region': run['dseg'], 'atlas_labels': [run['dseg']],
        'atlas_tables': [str(tmp_path / 'sub-01_seg-mine_dseg.tsv')],
    }  # fmt: skip
    pictures = {p.title: p for p in run_pictures(run, NAMES)}
    assert {'Paramagnetic part', 'Diamagnetic part', 'Regions of the atlas mine'} <= set(pictures)
    assert tuple(name for name, _ in pictures['Regions of the atlas mine'].legend)[:2] == (
        'left one',
        'label 2',
    )
    assert 'reference region' in pictures['Susceptibility map'].svg
    whole = run_pictures(run | {'reference_region': run['qsm_mask']}, NAMES)
    assert not any('reference region' in p.svg for p in whole)
