"""The viewer in a real browser: without a network, and with the values that nibabel reads."""

import json
import re
import shutil
import threading
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from toy_axe import AXE, needs_axe, violations
from toy_browser import BROWSER, browse, driven, in_frames
from toy_cohort import make_people, write_study
from toy_page import write_visit

from nigra.interfaces.files import save_image
from nigra.interfaces.names import output_name, outputs
from nigra.interfaces.reports import viewer_page
from nigra.interfaces.reports.report import render_page
from nigra.interfaces.reports.viewer_files import needs_server, page_to_open
from nigra.interfaces.reports.viewer_page import ParticipantViewer
from nigra.interfaces.serve import make_server
from nigra.nodes.errors import InputError
from nigra.workflows.group import init_group_wf

pytestmark = pytest.mark.skipif(not BROWSER, reason='no Chromium on this machine')
GL = ('--enable-unsafe-swiftshader', '--virtual-time-budget=60000')
TURN = np.array([[0.96, -0.28, 0, 3.0], [0.28, 0.96, 0, -2.0], [0, 0, 1, 5.0], [0, 0, 0, 1]])
SHOWN = ('chimap', 'localfield', 'totalfield')
VISIT = """
  const points = POINTS, told = [], at = (id) => document.getElementById(id);
  const wait = setInterval(() => {
    if (document.documentElement.dataset.ready !== 'yes') return;
    clearInterval(wait);
    for (const point of points) {
      ['x', 'y', 'z'].forEach((id, i) => { at(id).value = point[i]; });
      at('x').dispatchEvent(new Event('change'));
      told.push([at('voxel').textContent.split(', ').map(Number), at('where').textContent,
        [...at('values').rows].map((r) => [r.cells[0].textContent, Number(r.cells[1].dataset.v),
          r.cells[1].textContent, r.cells[2].textContent])]);
    }
    document.documentElement.dataset.told = JSON.stringify(told).replaceAll('"', "'");
  }, 20);
"""


def write_output(root, orientation='RAS', noise=0.0):
    """A visit as the participant level leaves it, and the files that the viewer is given."""
    (root / 'anat').mkdir(parents=True)
    _, run = write_visit(root)
    files = []
    rng = np.random.default_rng(3)
    fields = ('chimap', 'totalfield', 'localfield', 'qsm_mask', 'dseg')
    target = nib.orientations.axcodes2ornt(orientation)
    for name in (*fields, 't1w_in_gre'):
        image = nib.load(run[name])
        image = image.as_reoriented(
            nib.orientations.ornt_transform(nib.io_orientation(image.affine), target)
        )
        data = np.asarray(image.dataobj)
        dtype = np.dtype(outputs('scan')[name].dtype if name in fields else 'float32')
        if dtype.kind == 'f':
            data = data + noise * (data != 0) * rng.normal(size=data.shape)
        out = root / 'anat' / f'sub-01{output_name(name)}' if name in fields else run[name]
        save_image(data, TURN @ image.affine, out, dtype=dtype)
        files += [str(out)] if name in fields else []
    table = root / 'anat' / f'sub-01{output_name("dseg_tsv")}'
    rows = ['1\tcaudate\tL', '2\tcaudate\tR', '3\tpallidum\tL', '4\tpallidum\tR']
    table.write_text('index\tregion\themisphere\n' + '\n'.join(rows) + '\n')
    return run, [*files, str(table)]


def make_viewer(root, run, files):
    return ParticipantViewer(
        participant_id='sub-01', runs=[run], files=files, out_file=str(root / 'sub-01_viewer.html')
    ).run().outputs.out_viewer  # fmt: skip


def positions(chi, count=20):
    """Voxels in the mask drawn at random, and places inside them, mm."""
    rng = np.random.default_rng(11)
    voxels = rng.permutation(np.argwhere(np.asarray(chi.dataobj) != 0))[:count]
    inside = voxels + rng.uniform(-0.4, 0.4, voxels.shape)
    return voxels, nib.affines.apply_affine(chi.affine, inside).round(4).tolist()


def told_at(page, points):
    told = driven(page, VISIT.replace('POINTS', json.dumps(points)), *GL)
    return json.loads(told.replace("'", '"'))


def saved_images(root):
    return {name: nib.load(root / 'anat' / f'sub-01{output_name(name)}') for name in SHOWN}


@pytest.mark.parametrize('orientation', ['RAS', 'LPS', 'PSR'])
def test_the_crosshair_has_the_values_that_nibabel_reads(tmp_path, orientation):
    page = tmp_path / 'sub-01_viewer.html'
    make_viewer(tmp_path, *write_output(tmp_path, orientation, noise=1e-3))
    images = saved_images(tmp_path)
    labels = np.asarray(nib.load(tmp_path / 'anat' / f'sub-01{output_name("dseg")}').dataobj)
    voxels, points = positions(images['chimap'])
    names = ['none', 'caudate left', 'caudate right', 'pallidum left', 'pallidum right']
    for voxel, (place, region, rows) in zip(voxels, told_at(page, points), strict=True):
        assert place == voxel.tolist()
        assert region == names[labels[tuple(voxel)]]
        found = {title: value for title, value, *_ in rows}
        for title, name in zip(
            ('Susceptibility', 'Local field', 'Total field'), SHOWN, strict=True
        ):
            assert found[title] == float(images[name].dataobj[tuple(voxel)])
        assert [unit for *_, unit in rows] == ['ppm', '', 'Hz', 'Hz']


def test_what_is_too_large_is_rounded_to_the_digits_that_are_shown(tmp_path, monkeypatch):
    page = tmp_path / 'sub-01_viewer.html'
    run, files = write_output(tmp_path, noise=1e-3)
    make_viewer(tmp_path, run, files)
    exact = page.stat().st_size
    monkeypatch.setattr(viewer_page, 'LARGEST', exact - 100_000)
    make_viewer(tmp_path, run, files)
    assert page.stat().st_size < exact - 100_000
    chi = nib.load(tmp_path / 'anat' / 'sub-01_Chimap.nii.gz')
    voxels, points = positions(chi)
    for voxel, (_, _, rows) in zip(voxels, told_at(page, points), strict=True):
        _, value, text, _ = rows[0]
        assert len(text.split('.')[1]) == 5
        assert value == pytest.approx(float(chi.dataobj[tuple(voxel)]), abs=0.50001e-5)


@pytest.fixture
def beside(tmp_path, monkeypatch):
    """A visit whose images are too large for its page."""
    run, files = write_output(tmp_path / 'out', 'LPS', noise=1e-3)
    page = make_viewer(tmp_path / 'out', run, files)
    inside = sum(map(len, re.findall('"bytes":"([^"]*)"', Path(page).read_text('utf-8'))))
    largest = Path(page).stat().st_size - inside + 90_000
    monkeypatch.setattr(viewer_page, 'LARGEST', largest)
    make_viewer(tmp_path / 'out', run, files)
    assert Path(page).stat().st_size < largest
    return tmp_path / 'out'


def test_images_beside_the_page_are_served_with_the_same_values(beside):
    page = page_to_open(beside, '01')
    assert needs_server(beside, page)
    chi = nib.load(beside / 'anat' / 'sub-01_Chimap.nii.gz')
    voxels, points = positions(chi)
    with make_server(beside) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f'http://127.0.0.1:{server.server_port}'
        told = driven(page, VISIT.replace('POINTS', json.dumps(points)), *GL, address=address)
        server.shutdown()
    for voxel, (place, _, rows) in zip(voxels, json.loads(told.replace("'", '"')), strict=True):
        assert place == voxel.tolist()
        assert rows[0][1] == float(chi.dataobj[tuple(voxel)])


def test_from_disk_such_a_page_says_what_to_do(beside):
    dom, errors = browse(beside / 'sub-01_viewer.html', *GL)
    assert errors == []
    assert 'open this page by nigra-view' in re.search(r'id="told"[^>]*>([^<]*)', dom)[1]


@pytest.fixture(scope='module')
def page(tmp_path_factory):
    root = tmp_path_factory.mktemp('viewer')
    make_viewer(root, *write_output(root))
    return root / 'sub-01_viewer.html'


def test_a_page_is_filled_once(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(
        viewer_page, 'render_page', lambda *a, **k: made.append(render_page(*a, **k)) or made[-1]
    )
    page = make_viewer(tmp_path, *write_output(tmp_path))
    marks = re.findall('<!-- (?:images|beside|connect) -->', made[0])
    assert (len(made), len(marks)) == (1, 3)
    assert not set(marks) & set(re.findall('<!--.*?-->', Path(page).read_text('utf-8')))


def test_it_opens_without_errors_and_asks_no_network(page, tmp_path):
    log = tmp_path / 'net.json'
    dom, errors = browse(page, *GL, f'--log-net-log={log}')
    assert errors == []
    assert 'data-ready="yes"' in dom
    requests = set(re.findall(r'"url":"(\w+:[^"]{0,80})', log.read_text(errors='replace')))
    own = [r for r in requests if not r.startswith(('file:', 'data:', 'chrome', 'blob:'))]
    # the browser's own errands go to its maker, whatever the page
    assert [r for r in own if 'google' not in r and 'gvt1' not in r] == []
    policy = re.search(r'Content-Security-Policy" content="([^"]*)', dom)[1]
    assert "default-src 'none'" in policy
    assert 'connect-src' not in policy


def test_window_overlay_image_and_region_are_chosen(page):
    told = driven(page, """
      const at = (id) => document.getElementById(id), set = (id, value, kind = 'change') => {
        at(id).value = value; at(id).dispatchEvent(new Event(kind)); };
      const wait = setInterval(() => {
        if (document.documentElement.dataset.ready !== 'yes') return;
        clearInterval(wait);
        const names = (id) => [...at(id).options].map((o) => o.textContent).join('|');
        const told = [names('base'), names('over')];
        set('region', [...at('region').options].find((o) => o.text === 'caudate right').value);
        told.push(at('where').textContent);
        set('low', '5'); told.push(at('told').textContent);
        set('low', '0.01'); told.push(at('told').textContent);
        at('reset').click(); told.push(at('low').value);
        set('base', '2'); told.push(at('unit').textContent, names('over'),
          at('where').textContent);
        at('planes').dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight'}));
        told.push(at('voxel').textContent);
        document.documentElement.dataset.told = told.join(';');
      }, 20);
    """, *GL)  # fmt: skip
    bases, overs, region, wrong, right, low, unit, others, same, voxel = told.split(';')
    assert bases == 'Susceptibility (ppm)|T1w|Local field (Hz)|Total field (Hz)'
    assert overs == 'none|T1w|Local field (Hz)|Total field (Hz)|Regions (dgm)'
    assert region == same == 'caudate right'
    assert 'lower end' in wrong
    assert right == ''
    assert float(low) == -0.075
    assert unit == 'Hz'
    assert 'Local field' not in others
    labels = np.asarray(nib.load(page.parent / 'anat' / f'sub-01{output_name("dseg")}').dataobj)
    i, j, k = map(int, voxel.split(','))
    assert labels[i - 1, j, k] == 2


TILES = 'JSON.parse(document.getElementById("planes").dataset.tiles)'


@pytest.mark.parametrize('width', [390, 1300])
def test_no_quarter_of_the_picture_is_left_empty(page, width):
    told, errors = in_frames([page], *GL, width=width, code=TILES)
    assert errors == []
    tiles = np.array(told[page][3])
    assert tiles.shape == (3, 4)
    assert (tiles > -1e-9).all()
    ends = tiles[:, :2] + tiles[:, 2:]
    assert (ends < 1).all()
    # the box of all three planes holds little else
    whole = np.prod(ends.max(axis=0) - tiles[:, :2].min(axis=0))
    assert np.prod(tiles[:, 2:], axis=1).sum() > 0.75 * whole


def test_planes_are_drawn_with_both_sides_marked(page, tmp_path):
    from PIL import Image

    shot = tmp_path / 'shot.png'
    browse(page, *GL, f'--screenshot={shot}')
    pixels = np.asarray(Image.open(shot).convert('RGB')).astype(int)
    coloured = (pixels.max(axis=2) - pixels.min(axis=2) > 60).mean()
    assert coloured > 0.01  # nuclei in their colours
    assert (pixels.sum(axis=2) == 0).mean() > 0.05  # the ground of the canvas


def test_group_differences_stand_on_the_template(tmp_path):
    file = write_study(tmp_path, make_people({'NMO': 6, 'HC': 6}), shifts={'NMO': 40.0})
    workflow = init_group_wf(derivatives_dir=tmp_path, participants_file=file, output_dir=tmp_path)
    workflow.base_dir = str(tmp_path / 'work')
    workflow.run()
    page = tmp_path / 'group_viewer.html'
    ((_, region, rows),) = told_at(page, [[-10, -20, 8]])
    import pandas as pd

    table = pd.read_csv(tmp_path / 'group_contrasts.tsv', sep='\t')
    chosen = table[(table.measure == 'chi_mean') & (table.hemisphere == 'both')]
    truth = chosen.set_index('region').effect_size[region.split()[0]]
    assert rows[1][0] == 'Mean susceptibility: NMO - HC'
    assert rows[1][1] == float(np.float32(truth))
    assert page_to_open(tmp_path, 'group') == page
    assert not needs_server(tmp_path, page)
    if AXE:
        assert violations(page, *GL) == []


def test_the_viewer_fits_a_phone_and_asks_for_nothing(page):
    told, errors = in_frames([page], *GL, code='document.getElementById("told").hidden')
    assert errors == []
    assert told[page] == [390, 390, 0, True]


@needs_axe
def test_the_viewer_is_for_everybody(page):
    assert violations(page, *GL) == []


def test_pages_that_are_not_there_are_told(page):
    with pytest.raises(InputError, match='no viewer of sub-07; name one of sub-01'):
        page_to_open(page.parent, '07')
    with pytest.raises(InputError, match='has no index'):
        page_to_open(page.parent)
    for visit in 'abcdefg':
        shutil.copy(page, page.with_name(f'sub-02_ses-{visit}_viewer.html'))
    with pytest.raises(
        InputError, match=r'several viewers of sub-02; name one of sub-02_ses-a, .* and 2 more'
    ):
        page_to_open(page.parent, 'sub-02')
