"""What the tests of `nigra-stage` run on; others here have a head and folder of their own."""

import pytest
from phantoms import head
from stage_folder import write_stage


@pytest.fixture(scope='module')
def phantom():
    return head(b0_dir=(0.2, 0, 1))


@pytest.fixture
def folder(tmp_path, phantom):
    return write_stage(tmp_path, phantom)
