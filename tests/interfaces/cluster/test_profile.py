"""A site's file: read whole, and refused in one sentence."""

from pathlib import Path

import pytest

from nigra.interfaces.cluster.profile import Profile, read_profile
from nigra.nodes.errors import InputError


@pytest.fixture
def site(tmp_path):
    def write(text):
        path = tmp_path / 'site.toml'
        path.write_text(text)
        return path

    return write


def test_everything_a_site_says_is_read(site):
    path = site(
        'scheduler = "sge"\npartition = "long.q"\ntime = "36:00:00"\nmemory-gb = 6.5\ncpus = 2\n'
        'container = "images/nigra.sif"\nmodules = ["apptainer/1.2"]\nwork_dir = "$TMPDIR"\n'
    )
    assert read_profile(path) == Profile(
        scheduler='sge', partition='long.q', time='36:00:00', memory_gb=6.5, cpus=2,
        container=path.parent / 'images' / 'nigra.sif', modules=('apptainer/1.2',),
        work_dir='$TMPDIR',
    )  # fmt: skip


def test_an_empty_file_leaves_everything_open(site):
    assert read_profile(site('')) == Profile()


@pytest.mark.parametrize(
    ('text', 'match'),
    [
        ('partitions = "x"', "unknown entry 'partitions'"),
        ('scheduler = "lsf"', "scheduler = 'lsf'; use one of slurm, pbs, sge"),
        ('time = "4h"', "time = '4h'; write it as"),
        ('cpus = 0', 'cpus = 0; write a number above 0'),
        ('cpus = 1.5', 'cpus = 1.5; write a number'),
        ('cpus = true', 'cpus = True; write a number'),
        ('modules = "apptainer"', "modules = 'apptainer'; write a list of texts"),
        ('partition = "a b"', "partition = 'a b'; write a name without spaces"),
        ('partition = "a\\nrm -rf x"', 'write a name without spaces'),
        ('command = []', 'name the program'),
        ('container = "a"\ncommand = ["b"]', 'both container and command'),
        ('cpus = ', 'cannot be read as TOML'),
    ],
)
def test_what_cannot_serve_is_refused(site, text, match):
    path = site(text)
    with pytest.raises(InputError, match=match) as caught:
        read_profile(path)
    assert str(caught.value).startswith(str(path))


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(InputError, match=r'nowhere.toml: cannot be read'):
        read_profile(Path('nowhere.toml'))
