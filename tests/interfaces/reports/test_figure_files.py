"""Pictures of the group page as files: each can be read alone, and none is of an earlier page."""

from xml.etree import ElementTree

import pandas as pd
import pytest
from test_report import study

from nigra.interfaces.reports.figure_files import write_group_figures
from nigra.interfaces.reports.group_data import GroupData
from nigra.interfaces.reports.group_page import group_context
from nigra.interfaces.reports.quality_part import MOST_ROWS, page_name, quality_table
from nigra.interfaces.reports.report import render_group

SVG = '{http://www.w3.org/2000/svg}'


@pytest.fixture
def context(tmp_path):
    return group_context(GroupData.read(study(tmp_path), {}))


def test_every_picture_is_a_file_that_stands_alone(context, tmp_path):
    made = write_group_figures(context, tmp_path)
    names = {path.name for path in made}
    assert {
        'group_mean-susceptibility_putamen.svg', 'group_mean-susceptibility_forest.svg',
        'group_mean-susceptibility_map.svg', 'group_edss_mean-susceptibility_putamen.svg',
    } <= names  # fmt: skip
    assert any('slices' in name for name in names)
    for path in made:
        root = ElementTree.parse(path).getroot()
        assert root.tag == f'{SVG}svg'
        style = root.find(f'{SVG}style').text
        assert '--ink' in style
        assert '.point' in style
        assert 'body' not in style


def test_pictures_of_an_earlier_page_go_and_others_stay(context, tmp_path):
    folder = tmp_path / 'figures'
    folder.mkdir()
    for name in ('group_old.svg', 'sub-01_thumbnail.png'):
        (folder / name).write_text('x')
    write_group_figures(context, tmp_path)
    assert not (folder / 'group_old.svg').exists()
    assert (folder / 'sub-01_thumbnail.png').exists()


def quality(path, n):
    frame = pd.DataFrame({
        'participant_id': [f'sub-{i:04d}' for i in range(n)], 'session_id': 'ses-1',
        'run_id': None, 'snr': 50.0, 'problems': None,
        'flags': [*[None] * (n - 1), 'snr (-4.0)'],
    })  # fmt: skip
    frame.to_csv(path, sep='\t', index=False, na_rep='n/a')
    return path


def test_quality_leads_to_pages_and_does_not_grow_with_the_study(tmp_path):
    table = quality_table(quality(tmp_path / 'q.tsv', MOST_ROWS + 50))
    assert (len(table.rows), table.rest) == (MOST_ROWS, 50)
    first = table.rows[0][0]
    assert first.text == f'sub-{MOST_ROWS + 49:04d}'
    assert first.href == f'{first.text}_ses-1.html'
    away = quality_table(tmp_path / 'q.tsv', '../../').rows[0][0]
    assert away.href == f'../../{first.text}_ses-1.html'
    assert page_name({'participant_id': 'sub-1', 'session_id': float('nan')}) == 'sub-1.html'


def test_the_page_says_how_many_rows_it_leaves_to_the_file(tmp_path):
    tables = study(tmp_path) | {'quality': quality(tmp_path / 'q.tsv', MOST_ROWS + 50)}
    assert '50 rows more are in the file' in render_group(tables)


def test_panels_of_scores_that_show_nothing_are_folded(tmp_path):
    paths = study(tmp_path)
    table = pd.read_csv(paths['correlations'], sep='\t')
    for p, expected in ((0.2, (0, 1)), (0.01, (1, 0))):
        table.assign(p=p).to_csv(paths['correlations'], sep='\t', index=False)
        (part,) = group_context(GroupData.read(paths, {}))['scores']
        ((_, shown, folded),) = part['blocks']
        assert (len(shown), len(folded)) == expected
