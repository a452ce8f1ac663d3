"""Region statistics against values known by construction."""

import json
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from nigra.interfaces.anatomy.atlas import load_dgm_atlas
from nigra.interfaces.methods import Methods
from nigra.interfaces.regions import RegionTable
from nigra.interfaces.sidecars import Plan, region_provenance
from nigra.nodes.anatomy.regions import COLUMNS, Fine, Maps, Region, measure_regions
from nigra.nodes.errors import InputError, NigraError

REGIONS = [Region('a', 'L', (1,)), Region('a', 'R', (2,)), Region('ab', 'L', (1, 3))]


def example():
    """Two sides of unlike size and value, a third label, a mask that misses some."""
    labels = np.zeros((6, 6, 6), np.int16)
    labels[:2], labels[2, :, :3], labels[3] = 1, 2, 3
    chi = np.zeros(labels.shape, np.float32)
    chi[labels == 1], chi[labels == 2], chi[labels == 3] = 0.1, 0.02, -0.05
    mask = np.ones(labels.shape, bool)
    mask[0] = False
    return labels, chi, mask


def row(rows, region, hemisphere):
    (found,) = [r for r in rows if (r['region'], r['hemisphere']) == (region, hemisphere)]
    return found


def test_values_volumes_and_coverage():
    labels, chi, mask = example()
    rows = measure_regions(Maps(chi, mask, 2.0), labels, REGIONS)
    assert all(tuple(r) == COLUMNS for r in rows)
    left, right, both = (row(rows, 'a', side) for side in ('L', 'R', 'both'))
    assert (left['n_voxels'], left['volume_mm3'], left['coverage']) == (72, 144.0, 0.5)
    assert left['chi_mean'] == pytest.approx(100, abs=1e-4)  # ppb
    assert right['coverage'] == 1.0
    # 36 covered voxels of 100 ppb and 18 of 20 ppb
    assert both['chi_mean'] == pytest.approx((36 * 100 + 18 * 20) / 54, abs=1e-4)
    assert both['chi_median'] == pytest.approx(100, abs=1e-4)
    assert both['n_voxels'] == left['n_voxels'] + right['n_voxels']


def test_spread_is_that_of_a_sample():
    rng = np.random.default_rng(1)
    labels, _, mask = example()
    chi = rng.normal(size=labels.shape).astype(np.float32)
    values = chi[(labels == 2) & mask].astype(float) * 1e3
    found = row(measure_regions(Maps(chi, mask, 1.0), labels, REGIONS), 'a', 'R')
    assert found['chi_sd'] == pytest.approx(np.sqrt(((values - values.mean()) ** 2).sum() / 17))


def test_a_whole_made_of_parts():
    labels, chi, mask = example()
    rows = measure_regions(Maps(chi, mask, 1.0), labels, REGIONS)
    assert row(rows, 'ab', 'L')['n_voxels'] == 72 + 36


def test_empty_or_uncovered_regions_stay_as_rows():
    labels, chi, _ = example()
    labels[labels == 2] = 0
    rows = measure_regions(Maps(chi, np.zeros(labels.shape, bool), 1.0), labels, REGIONS)
    empty, uncovered = row(rows, 'a', 'R'), row(rows, 'a', 'L')
    assert empty['n_voxels'] == 0
    assert np.isnan(empty['coverage'])
    assert uncovered['coverage'] == 0
    assert np.isnan(uncovered['chi_mean'])


def test_nan_in_the_map_is_not_covered():
    labels, chi, mask = example()
    chi[2, 0, 0] = np.nan
    found = row(measure_regions(Maps(chi, mask, 1.0), labels, REGIONS), 'a', 'R')
    assert found['coverage'] == pytest.approx(17 / 18)
    assert found['chi_mean'] == pytest.approx(20, abs=1e-4)


def test_brain_row_and_r2star():
    labels, chi, mask = example()
    rates = np.full(chi.shape, 30.0)
    maps = Maps(chi, mask, 1.0, rates)
    rows = measure_regions(maps, labels, REGIONS, brain_mask=labels >= 0)
    assert row(rows, 'brain', 'both')['volume_mm3'] == 216
    assert row(rows, 'a', 'L')['r2star_mean'] == 30


def test_quantiles_and_the_upper_quarter_are_those_of_the_covered_voxels():
    rng = np.random.default_rng(2)
    labels, _, mask = example()
    chi = rng.normal(size=labels.shape).astype(np.float32)
    values = 1e3 * chi[(labels == 1) & mask].astype(float)
    found = row(measure_regions(Maps(chi, mask, 1.0), labels, REGIONS), 'a', 'L')
    q25, q75 = np.percentile(values, (25, 75))
    assert found['chi_iqr'] == pytest.approx(q75 - q25)
    assert found['chi_p5'] == pytest.approx(np.percentile(values, 5))
    assert found['chi_p95'] == pytest.approx(np.percentile(values, 95))
    assert found['chi_high'] == pytest.approx(values[values >= q75].mean())


def test_eroded_mean_leaves_the_rim_out():
    labels = np.zeros((9, 9, 9), int)
    labels[2:7, 2:7, 2:7] = 1
    chi = np.where(ndimage.binary_erosion(labels == 1), 0.1, 0.02)
    everywhere = np.ones(labels.shape, bool)
    regions = [Region('a', 'L', (1,))]
    found = row(measure_regions(Maps(chi, everywhere, 1.0), labels, regions), 'a', 'L')
    assert found['chi_eroded'] == pytest.approx(100)
    assert found['chi_mean'] == pytest.approx((27 * 100 + 98 * 20) / 125)
    thin = np.where(np.arange(9)[:, None, None] == 4, labels, 0)
    found = row(measure_regions(Maps(chi, everywhere, 1.0), thin, regions), 'a', 'L')
    assert np.isnan(found['chi_eroded'])


@pytest.mark.parametrize(
    ('labels_in_view', 'covered', 'counts', 'reason'),
    [
        (0, 0, {}, 'no voxel carries the label'),
        (0, 0, {1: 40}, 'outside the field of view'),
        (8, 3, {1: 40}, '3 of 8 voxels inside the mask, 5 are needed'),
        (8, 6, {1: 40}, None),
    ],
)
def test_a_region_without_statistics_says_why(labels_in_view, covered, counts, reason):
    labels, mask = np.zeros(27, int), np.zeros(27, bool)
    labels[:labels_in_view], mask[:covered] = 1, True
    labels, mask = labels.reshape(3, 3, 3), mask.reshape(3, 3, 3)
    maps = Maps(np.full(labels.shape, 0.05), mask, 2.0)
    (found, *_) = measure_regions(maps, labels, [Region('a', 'L', (1,))], fine=Fine(counts=counts))
    assert found['reason'] == reason
    assert np.isnan(found['chi_mean']) == (reason is not None)
    if counts:
        assert found['volume_mm3'] == 80
        assert found['coverage'] == covered / 40


SPLIT = [Region('a', 'L', (1,)), Region('a', 'R', (2,)), Region('b', 'R', (2,))]


@pytest.mark.parametrize(
    ('covered', 'counts', 'reason'),
    [
        (4, {}, 'right: 4 of 32 voxels inside the mask, 5 are needed'),
        (5, {}, None),
        (None, {}, 'right: no voxel carries the label'),
        (None, {2: 40}, 'right: outside the field of view'),
    ],
)
def test_both_sides_have_no_value_where_one_has_none(covered, counts, reason):
    labels = np.repeat([1, 2], 32).reshape(4, 4, 4)
    mask = labels == 1
    mask[labels == 2] = np.arange(32) < (covered or 0)
    labels[labels == 2] *= covered is not None
    images = np.full((2, 4, 4, 4), 30.0)
    maps = Maps(labels / 20, mask, 2.0, *images, noise=2.0)
    rows = measure_regions(maps, labels, SPLIT, fine=Fine(counts=counts, volumes={1: 90, 2: 70}))
    left, right, both = (row(rows, 'a', side) for side in ('L', 'R', 'both'))
    assert left['reason'] is None
    assert both['reason'] == reason
    for name in ('chi_mean', 'chi_p95', 'chi_high', 'r2star_mean', 'snr'):
        assert np.isfinite(left[name])
        assert np.isnan(both[name]) == np.isnan(right[name]) == bool(reason)
    assert both['volume_mm3'] == 160
    alone = row(rows, 'b', 'both')  # the atlas has one side
    assert alone['reason'] == (reason and reason.removeprefix('right: '))
    assert np.isnan(alone['chi_mean']) == bool(reason)


def test_a_part_without_sides_may_come_first():
    labels = np.repeat([1, 2], 32).reshape(4, 4, 4)
    mixed = [Region('a', 'both', (2,)), Region('a', 'L', (1,))]
    rows = measure_regions(Maps(labels / 20, labels > 0, 1.0), labels, mixed)
    assert [(r['hemisphere'], r['n_voxels']) for r in rows] == [('L', 32), ('both', 64)]


def test_both_sides_lack_a_column_that_one_lacks():
    labels = np.zeros((9, 9, 9), int)
    labels[:4], labels[8] = 1, 2  # the right one has no core
    everywhere = np.ones(labels.shape, bool)
    rows = measure_regions(Maps(labels / 20, everywhere, 1.0), labels, SPLIT)
    left, right, both = (row(rows, 'a', side) for side in ('L', 'R', 'both'))
    assert (left['chi_eroded'], right['chi_mean']) == pytest.approx((50, 100))
    assert np.isnan(both['chi_eroded'])
    assert np.isfinite(both['chi_mean'])
    assert both['reason'] is None


def test_volumes_of_the_finer_grid_take_precedence():
    labels, chi, mask = example()
    fine = Fine(volumes={1: 1000.0, 2: 300.0})
    rows = measure_regions(Maps(chi, mask, 2.0), labels, REGIONS, fine=fine)
    assert row(rows, 'a', 'both')['volume_mm3'] == 1300
    assert row(rows, 'ab', 'L')['volume_mm3'] == 1000  # label 3 is unknown there


def test_snr_is_the_magnitude_over_its_noise():
    labels, chi, mask = example()
    maps = Maps(chi, mask, 1.0, magnitude=np.where(labels == 2, 300.0, 100.0), noise=4.0)
    rows = measure_regions(maps, labels, REGIONS, brain_mask=labels >= 0)
    assert row(rows, 'a', 'R')['snr'] == 75
    assert row(rows, 'a', 'L')['snr'] == 25


@pytest.mark.parametrize('name', ['mask', 'labels', 'brain_mask'])
def test_shapes_must_agree(name):
    labels, chi, mask = example()
    arrays = {'mask': mask, 'labels': labels, 'brain_mask': mask}
    arrays[name] = arrays[name][:-1]
    with pytest.raises(NigraError, match=name):
        measure_regions(
            Maps(chi, arrays['mask'], 1.0),
            arrays['labels'],
            REGIONS,
            brain_mask=arrays['brain_mask'],
        )


def write(path, data, affine):
    nib.save(nib.Nifti1Image(data, affine), path)
    return str(path)


@pytest.fixture
def files(tmp_path):
    """Atlas labels on a coarse grid, so that every region is there."""
    atlas = load_dgm_atlas().image
    labels = np.asanyarray(atlas.dataobj)[60:140:2, 80:160:2, 40:120:2]
    affine = atlas.affine @ np.diag([2, 2, 2, 1])
    chi = (labels * 0.01).astype(np.float32)
    ones = np.ones(labels.shape, np.uint8)
    return {
        'chimap': write(tmp_path / 'chi.nii.gz', chi, affine),
        'dseg': write(tmp_path / 'dseg.nii.gz', labels, affine),
        'mask': write(tmp_path / 'mask.nii.gz', ones, affine),
        'brain_mask': write(tmp_path / 'brain.nii.gz', ones, affine),
    }


def test_table_on_disk(files, tmp_path):
    out_file = tmp_path / 'out' / 'sub-01_seg-dgm_regions.tsv'
    RegionTable(
        **files, participant_id='sub-01', provenance={'Units': 'ppb'}, out_file=str(out_file)
    ).run()
    table = pd.read_csv(out_file, sep='\t', keep_default_na=False, na_values=['n/a'])
    assert list(table.columns) == [
        'participant_id', 'session_id', 'run_id', 'atlas', 'region', 'hemisphere', 'n_voxels',
        'volume_mm3', 'coverage', 'chi_mean', 'chi_median', 'chi_sd', 'chi_iqr', 'chi_p5',
        'chi_p95', 'chi_pvc', 'chi_eroded', 'chi_high', 'r2star_mean', 'snr', 'iron_mean',
        'iron_sd', 'reason',
    ]  # fmt: skip
    assert set(table.region) == {
        'caudate', 'putamen', 'pallidum', 'thalamus', 'pulvinar', 'thalamus_whole',
        'substantia_nigra', 'red_nucleus', 'accumbens', 'brain', 'pallidum_externus',
        'pallidum_internus', 'substantia_nigra_compacta', 'substantia_nigra_reticulata',
        'ventral_tegmental_area',
    }  # fmt: skip
    assert len(table) == 14 * 3 + 1
    side = table[(table.region == 'putamen') & (table.hemisphere == 'R')].iloc[0]
    assert side.chi_mean == pytest.approx(40, abs=1e-3)  # label 4
    whole = table[(table.region == 'thalamus_whole') & (table.hemisphere == 'both')].iloc[0]
    parts = table[table.region.isin(['thalamus', 'pulvinar']) & (table.hemisphere == 'both')]
    assert whole.n_voxels == parts.n_voxels.sum()
    dictionary = json.loads(out_file.with_suffix('.json').read_text())
    assert dictionary['Units'] == 'ppb'
    assert set(table.columns) <= set(dictionary)


@pytest.mark.parametrize('reference', ['none', 'csf'])
def test_iron_needs_a_reference(files, tmp_path, reference):
    out_file = tmp_path / 'x.tsv'
    scan = SimpleNamespace(
        b0=3.0, echo_times=(0.01, 0.02), phase=(Path(files['chimap']),), metadata={}
    )
    plan = Plan(tmp_path, tmp_path, Methods(reference=reference), nthreads=1, version='0')
    provenance = region_provenance(scan, SimpleNamespace(brain_mask=None), plan)
    RegionTable(
        **files, participant_id='sub-01', provenance=provenance, out_file=str(out_file)
    ).run()  # fmt: skip
    table = pd.read_csv(out_file, sep='\t').set_index('region')
    assert table.iron_mean.notna().any() == (reference != 'none')
    assert table.iron_sd.notna().any() == (reference != 'none')
    assert table.loc['thalamus', 'iron_mean'].isna().all()


def test_brain_volume_comes_from_the_t1w_mask(files, tmp_path):
    whole = write(
        tmp_path / 't1w.nii.gz', np.ones((50, 60, 40), np.uint8), np.diag([3, 3, 3, 1.0])
    )
    out_file = tmp_path / 'x.tsv'
    RegionTable(
        **files, t1w_brain_mask=whole, participant_id='sub-01', out_file=str(out_file)
    ).run()
    table = pd.read_csv(out_file, sep='\t').set_index('region')
    assert table.loc['brain', 'volume_mm3'] == 27 * 120000
    assert table.loc['brain', 'n_voxels'] == 40 * 40 * 40


def test_labels_on_another_grid_are_refused(files, tmp_path):
    image = nib.load(files['dseg'])
    moved = image.affine.copy()
    moved[0, 3] += 2
    files['dseg'] = write(tmp_path / 'moved.nii.gz', np.asanyarray(image.dataobj), moved)
    with pytest.raises(InputError, match=r'moved\.nii\.gz'):
        RegionTable(**files, participant_id='sub-01', out_file=str(tmp_path / 'x.tsv')).run()
