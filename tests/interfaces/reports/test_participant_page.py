"""Participant pages: everything is shown, safe with any name, numbers as in the table."""

import nibabel as nib
import numpy as np
import pytest
from toy_page import EVIL, Page, check_alone, region_rows

from nigra.interfaces.reports.participant_page import fact_pairs, run_page
from nigra.interfaces.reports.report import ParticipantReport, render_participant
from nigra.nodes.errors import NigraError

NAMES = {1: 'caudate', 2: 'caudate', 3: 'pallidum', 4: 'pallidum'}


def save(path, data, affine, dtype=np.float32):
    nib.save(nib.Nifti1Image(np.asarray(data).astype(dtype), affine), path)
    return str(path)


@pytest.fixture(scope='module')
def visit(tmp_path_factory):
    """A ball of a brain with two pairs of nuclei, T1w and an anisotropic gradient echo."""
    root = tmp_path_factory.mktemp('visit')
    rng = np.random.default_rng(0)

    def world(shape, zooms):
        affine = np.diag([*zooms, 1.0])
        affine[:3, 3] = -np.array(zooms) * (np.array(shape) - 1) / 2
        places = zip(shape, zooms, affine[:3, 3], strict=True)
        axes = np.meshgrid(*(np.arange(n) * z + o for n, z, o in places), indexing='ij')
        radius = np.sqrt(sum(a**2 for a in axes))
        labels = np.zeros(shape, np.uint8)
        for value, (x, y) in {1: (-15, 10), 2: (15, 10), 3: (-15, -8), 4: (15, -8)}.items():
            labels[(axes[0] - x) ** 2 + (axes[1] - y) ** 2 + axes[2] ** 2 < 49] = value
        return affine, radius, labels

    affine, radius, labels = world((36, 40, 36), (2.0, 2.0, 2.0))
    brain = radius < 30
    t1w = np.where(brain, 60 + 40 * (radius < 20), 5) + rng.normal(size=radius.shape)
    given = {
        't1w': save(root / 't1w.nii.gz', t1w, affine),
        't1w_brain_mask': save(root / 'mask.nii.gz', brain, affine, np.uint8),
        'template_in_t1w': save(root / 'template.nii.gz', t1w * brain, affine),
        'labels_in_t1w': save(root / 'labels.nii.gz', labels, affine, np.uint8),
    }
    affine, radius, labels = world((44, 40, 20), (1.5, 1.8, 3.5))
    mask = radius < 28
    chi = np.where(labels > 2, 0.13, 0.02) * (labels > 0) + 0.005 * rng.normal(size=mask.shape)
    maps = {'magnitude': 100 * mask, 't1w_in_gre': np.where(mask, 60 + 40 * (radius < 20), 5),
            'qsm_mask': mask, 'totalfield': 0.3 * mask * radius / 30,
            'localfield': 0.02 * chi * mask, 'chimap': chi * mask, 'r2star': 20 * mask,
            'dseg': labels}  # fmt: skip
    run = {k: save(root / f'{k}.nii.gz', v, affine) for k, v in maps.items()}
    run |= {
        'regions_tsv': str(root / 'regions.tsv'),
        'entities': {'prefix': 'sub-01'},
        'facts': {'MagneticFieldStrength': 1.5, 'EchoTimes': [0.02, 0.04],
                  'VoxelSize': [1.5, 1.8, 3.5], 'B0Direction': [0, 0, 1], 'Shape': [44, 40, 20]},
        'parameters': {'inversion': {'weight': 0.0004}},
        'quality': {'overlap': 0.93},
        'load_warnings': [f'phase of {EVIL} was rescaled'],
        'field_warnings': None,
    }  # fmt: skip
    region_rows().to_csv(root / 'regions.tsv', sep='\t', index=False, na_rep='n/a')
    return given, run


def render(visit, **changes):
    given, run = visit
    return render_participant(
        participant_id='sub-01', runs=[run | changes], names=NAMES, versions={'nigra': '9.9'},
        warnings=[f'two T1w images {EVIL}'], methods_html='<p>as <b>told</b></p>', **given,
    )  # fmt: skip


def test_participant_page_stands_alone_and_shows_everything(visit):
    html = render(visit)
    page = check_alone(html)
    for text in ('Brain mask', 'T1w to template', 'Deep grey nuclei on the T1w image',
                 'Gradient echo to T1w', 'Deep grey nuclei on the susceptibility map',
                 'Susceptibility map', 'Local field', 'Total field', 'R2*', '1.5 T', '20, 40 ms',
                 '1.5 × 1.8 × 3.5 mm', 'inversion.weight', '0.0004', '9.9', 'Overlap', 'as told',
                 '±0.15'[1:], 'brain mask'):  # fmt: skip
        assert text in page.words, text
    assert f'two T1w images {EVIL}' in page.words
    assert f'phase of {EVIL} was rescaled' in page.words
    assert html == render(visit)
    assert len(html) < 1_000_000


def test_region_table_has_full_numbers(visit):
    page = check_alone(render(visit))
    rows = [row for row in page.tables if row and row[0] in ('caudate', 'pallidum', 'brain')]
    expected = region_rows()
    assert len(rows) == len(expected)
    for row, (_, truth) in zip(rows, expected.iterrows(), strict=True):
        assert row[:2] == [truth.region, truth.hemisphere]
        numbers = ['n_voxels', 'volume_mm3', 'coverage', 'chi_mean', 'chi_median', 'chi_sd']
        np.testing.assert_array_equal(np.array(row[2:8], float), truth[numbers].to_numpy(float))


def test_one_echo_and_no_labels(visit):
    given, run = visit
    given = {k: v for k, v in given.items() if k != 'labels_in_t1w'}
    html = render_participant(
        participant_id='sub-01', runs=[run | {'r2star': None}], names=NAMES, **given
    )
    words = check_alone(html).words
    assert 'R2* Enlarge' not in words
    assert 'on the T1w image outlines' not in words


def test_one_step_reconstruction_has_no_local_field(visit):
    given, run = visit
    html = render_participant(
        participant_id='sub-01', runs=[run | {'localfield': None}], names=NAMES, **given
    )
    words = check_alone(html).words
    assert 'Local field Enlarge' not in words
    assert 'Total field Enlarge' in words


def test_runs_have_their_own_sections(visit):
    given, run = visit
    runs = [run | {'entities': {'prefix': f'sub-01_run-{i}'}} for i in (1, 2)]
    html = render_participant(participant_id='sub-01', runs=runs, names=NAMES, **given)
    assert check_alone(html).words.count('Gradient echo run-2') >= 2
    assert {'#run-1', '#run-2'} <= set(Page(html).links)


def test_participant_interface_writes_the_page(visit, tmp_path):
    given, run = visit
    out = tmp_path / 'deep' / 'sub-01.html'
    result = ParticipantReport(
        participant_id='sub-01', runs=[run], warnings=['one'], anat_warnings=['two'],
        versions={'nigra': '1'}, out_file=str(out), **given,
    ).run()  # fmt: skip
    assert result.outputs.out_report == str(out)
    words = check_alone(out.read_text(encoding='utf-8')).words
    assert 'one two' in words


def test_runs_of_a_page_are_summed_up_with_the_visit(visit):
    given, run = visit
    runs = [run | {'entities': {'prefix': f'sub-01_run-{i}'}} for i in (1, 2)]
    runs[0]['load_warnings'] = None
    html = render_participant(
        participant_id='sub-01', runs=runs, names=NAMES, warnings=['one', 'two'], **given
    )
    words = check_alone(html).words
    assert '▲ review Warnings on the visit 2 warnings, listed below' in words
    assert '✓ ok Gradient echo run-1 all checks passed' in words
    assert '▲ review Gradient echo run-2 1 check to review' in words


def test_what_the_page_would_not_show_is_refused(visit):
    _, run = visit
    with pytest.raises(NigraError, match='does not show new_warnings'):
        run_page(run | {'new_warnings': ['x']}, 1, NAMES, title='x')


def test_facts_are_shown_with_their_units():
    quality = {'etiv_ml': 1500.0, 'snr': 54.25, 'own_measure': 1}
    pairs = dict(fact_pairs({'MagneticFieldStrength': 3, 'Coil': 'head'}, quality))
    assert pairs == {
        'Field strength': '3 T', 'Coil': 'head', 'eTIV': '1500 mL', 'SNR': '54.25',
        'Own measure': '1',
    }  # fmt: skip
