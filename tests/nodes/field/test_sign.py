import numpy as np
import pytest
from phantoms import ball, ball_field, coordinates, real_head

from nigra.nodes.errors import NigraError
from nigra.nodes.field.filtered import is_filtered, names_filtered, smooth_ratio
from nigra.nodes.field.sign import SignVerdict, judge_sign, sign_evidence
from nigra.nodes.grid import Grid
from nigra.nodes.numerics.kernels import forward_field


@pytest.fixture(scope='module')
def scan():
    return real_head()


@pytest.mark.parametrize('b0_dir', [(0, 0, 1), (0, 0.3, 1)])
def test_the_heads_own_field_tells_the_sign(b0_dir):
    scan = real_head(b0_dir=b0_dir)
    right = sign_evidence(**scan)
    assert right > 0.5
    scan['totalfield'] = -scan['totalfield']
    assert sign_evidence(**scan) == pytest.approx(-right)


def test_shims_do_not_speak(scan):
    x, y, z = coordinates(scan['grid'])
    shimmed = scan['totalfield'] + np.where(scan['mask'], 1 - 0.02 * y + 1e-4 * (x * z - y**2), 0)
    assert sign_evidence(**scan | {'totalfield': shimmed}) == pytest.approx(
        sign_evidence(**scan), abs=0.01
    )


def test_a_head_that_the_image_cuts_tells_as_well(scan):
    cut = (slice(None), slice(None), slice(18, 34))
    part = {name: scan[name][cut] for name in ('totalfield', 'magnitude', 'mask')}
    # a head that ended at the cut would have .28
    assert sign_evidence(**part, grid=Grid((56, 64, 16), (3.0, 3.0, 3.0))) > 0.9


def test_a_field_that_is_not_the_heads_says_nothing(scan):
    other = ball_field(scan['grid'], 30, (-90, -90, -90))[0]
    assert abs(sign_evidence(**scan | {'totalfield': other})) < 0.25
    few = np.zeros_like(scan['mask'])
    few[28, 32, 24] = True
    assert sign_evidence(**scan | {'mask': few}) == 0


@pytest.mark.parametrize(
    ('correlation', 'manufacturer', 'verdict'),
    [
        (0.58, 'Philips', SignVerdict.RIGHT),
        (0.47, 'GE', SignVerdict.RIGHT),
        (0.18, 'Siemens', SignVerdict.UNCLEAR),
        (0.0, 'GE MEDICAL SYSTEMS', SignVerdict.UNCLEAR),
        (-0.15, '', SignVerdict.UNCLEAR),
        (-0.15, 'GE MEDICAL SYSTEMS', SignVerdict.INVERTED),
        (-0.47, '', SignVerdict.INVERTED),
    ],
)
def test_the_vendor_tips_the_scale_and_no_more(correlation, manufacturer, verdict):
    assert judge_sign(correlation, manufacturer) is verdict


def test_filtered_phase_has_no_smooth_field(scan):
    given = (scan['mask'], scan['grid'])
    assert not is_filtered(smooth_ratio(scan['totalfield'], *given), hinted=True)
    nuclei = 0.12 * ball(scan['grid'], 8, (15, 0, 5)) + 0.12 * ball(scan['grid'], 8, (-15, 0, 5))
    local = np.where(scan['mask'], forward_field(nuclei, scan['grid']), 0)
    assert is_filtered(smooth_ratio(local, *given))


def test_the_masks_border_does_not_count_as_fine_field(scan):
    x, _, _ = coordinates(scan['grid'])
    ramp = np.where(scan['mask'], 5 + x / 100, 0)
    assert smooth_ratio(ramp, scan['mask'], scan['grid']) > 20


def test_where_nothing_can_be_told_nothing_is(scan):
    few = np.zeros_like(scan['mask'])
    few[28, 32, 24] = True
    assert np.isnan(smooth_ratio(scan['totalfield'], few, scan['grid']))
    assert not is_filtered(float('nan'), hinted=True)


@pytest.mark.parametrize(
    ('texts', 'speaks'),
    [(['SWI_Pha_Images'], True), (['ORIGINAL', 'MINIP', 'SWI'], True), (['t2_swan'], True),
     (['MEGRE', 'ORIGINAL', 'P'], False), ([], False)],
)  # fmt: skip
def test_names_of_filtered_products_are_known(texts, speaks):
    assert names_filtered(*texts) is speaks


def test_shapes_that_do_not_fit_are_refused(scan):
    wrong = scan | {'mask': scan['mask'][1:]}
    with pytest.raises(NigraError, match='do not fit together'):
        sign_evidence(**wrong)
    with pytest.raises(NigraError, match='do not fit together'):
        smooth_ratio(wrong['totalfield'], wrong['mask'], wrong['grid'])
