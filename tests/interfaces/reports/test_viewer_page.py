"""What the viewer of a participant is given, before any browser."""

import nibabel as nib
import numpy as np
import pytest
from toy_page import write_visit

from nigra.interfaces.files import save_image
from nigra.interfaces.names import output_name
from nigra.interfaces.reports.viewer_page import run_images


def test_the_slices_that_are_shown_hold_the_brain_and_little_else(tmp_path):
    _, run = write_visit(tmp_path)
    made = tmp_path / 'anat'
    made.mkdir()
    mask = np.zeros((44, 40, 20), bool)
    mask[30:40, 4:12, 6:9] = True
    files = []
    for name in ('chimap', 'qsm_mask', 'dseg'):
        image = nib.load(run[name])
        data = mask if name == 'qsm_mask' else np.asarray(image.dataobj)
        dtype = np.uint8 if name in ('qsm_mask', 'dseg') else np.float32
        files.append(str(save_image(data, image.affine, made / f'sub-01{output_name(name)}',
                                    dtype=dtype)))  # fmt: skip
    table = made / f'sub-01{output_name("dseg_tsv")}'
    table.write_text('index\tregion\themisphere\n1\tcaudate\tL\n')
    images, box = run_images(run, [*files, str(table)], tmp_path, 'run')
    # six mm more on every side, of voxels of 1.5 x 1.8 x 3.5 mm
    assert box == (slice(26, 44), slice(1, 15), slice(4, 11))
    # the window of the T1w is that of the brain in it
    t1w = next(image for image in images if image.title == 'T1w')
    assert t1w.window[1] == pytest.approx(60, abs=1)
