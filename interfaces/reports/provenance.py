"""Which data set a page is of, and when and by which command it was made."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...nodes.errors import NigraError
from ..files import read_json

SIMULATOR = 'nigra-simulate'
"""Where `GeneratedBy` of a data set names it, nobody was scanned."""


@dataclass(frozen=True)
class Provenance:
    """What stands at the top of every page.

    Attributes
    ----------
    data_set
        Name of the data set; empty where it is not known.
    simulated
        Whether it was simulated.
    command
        As typed; empty where there was none.
    made
        Day and time, local.
    """

    data_set: str = ''
    simulated: bool = False
    command: str = ''
    made: str = ''

    @classmethod
    def now(cls, study: Mapping[str, Any]) -> Provenance:
        """Of a page that is being made, from what `describe_study` tells."""
        made = datetime.datetime.now().astimezone().strftime('%-d %B %Y, %H:%M')
        return cls(**study, made=made)


def describe_study(bids_dir: str | Path, command: str = '') -> dict[str, Any]:
    """Name of a data set, whether it was simulated, and the command, for `Provenance.now`.

    Parameters
    ----------
    bids_dir
        Root of the data set; nothing is known of one without a readable description.
    command
        As typed.
    """
    try:
        about = read_json(Path(bids_dir) / 'dataset_description.json')
    except NigraError:
        about = {}
    about = about if isinstance(about, dict) else {}
    makers = about.get('GeneratedBy')
    listed = makers if isinstance(makers, list) else []
    names = [maker.get('Name') for maker in listed if isinstance(maker, dict)]
    name = str(about.get('Name') or '')
    if SIMULATOR in names:  # what the page says by a mark of its own
        name = name.removesuffix(' (simulated)')
    return {'data_set': name, 'simulated': SIMULATOR in names, 'command': command}
