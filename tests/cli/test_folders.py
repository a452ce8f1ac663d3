"""Whether output and working folder can serve."""

import pytest
from test_cli import describe

from nigra.cli.arguments import parse_settings
from nigra.cli.folders import check_places
from nigra.nodes.errors import InputError


def check(*arguments, levels=('participant',)):
    check_places(parse_settings([*map(str, arguments), *levels]))


def test_other_peoples_files_are_left_alone(tmp_path):
    out = tmp_path / 'pictures'
    check('raw', out)  # new
    out.mkdir()
    check('raw', out)  # empty
    for name in ('logs', 'scratch'):
        (out / name).mkdir()
    (out / '.snapshot').touch()
    check('raw', out, '-w', out / 'scratch')  # of a scheduler, and our own
    with pytest.raises(InputError, match=r'that nigra did not make \(scratch\); give a new'):
        check('raw', out)
    for name in ('a.png', 'b.png'):
        (out / name).touch()
    with pytest.raises(InputError, match=r'pictures: holds files .* \(a.png and 2 more\)'):
        check('raw', out)
    describe(out, 'nigra')
    check('raw', out)  # of an earlier run


@pytest.mark.parametrize('letter', list(',[]'))
def test_characters_that_ants_cannot_read(tmp_path, letter):
    out = tmp_path / f'a{letter}b'
    with pytest.raises(InputError) as caught:
        check('raw', out)
    assert f'has {letter} in its path, which ANTs cannot read' in str(caught.value)
    check('raw', out, '-w', tmp_path / 'w%x')
