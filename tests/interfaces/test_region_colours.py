"""Colours of nuclei: the same everywhere, and told apart."""

from nigra.interfaces.anatomy.label_gre import label_table
from nigra.interfaces.region_colours import REGION_COLOURS, region_colours


def test_nuclei_keep_their_colour_whatever_else_is_shown():
    alone = region_colours(['putamen'])
    names = ['putamen', *(f'own {i}' for i in range(9))]
    among = region_colours(names)
    assert among['putamen'] == alone['putamen']
    assert len(set(among.values())) == len(names)


def test_tables_of_labels_have_the_colours_of_the_pages():
    table = label_table()
    found = dict(zip(table.region, table.color, strict=True))
    assert found['putamen'] == REGION_COLOURS['putamen']
    assert table.color.str.fullmatch('#[0-9A-F]{6}').all()
    assert (table.groupby('region').color.nunique() == 1).all()
