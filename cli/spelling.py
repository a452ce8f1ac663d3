"""Spellings that users of other BIDS-Apps bring: taken where they mean the same, else refused."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

SAME = {
    '--n-cpus': '--nprocs',
    '--n-procs': '--nprocs',
    '--nthreads': '--nprocs',
    '--n-jobs': '--nprocs',
    '--omp-threads': '--omp-nthreads',
    '--mem-mb': '--mem',
    '--work': '--work-dir',
    '--bids-filter': '--bids-filter-file',
    '--skip-bids-validator': '--skip-bids-validation',
    '--participant': '--participant-label',
    '--session': '--session-label',
    '--harmonize': '--harmonise',
}
"""Options of other programs (with hyphens) that are called otherwise here."""
ADVICE = {
    '--low-mem': '--mem 8G (or --nprocs 1) limits the memory',
    '--mem-per-cpu': '--mem 8G limits the memory of the whole run',
    '--output-spaces': 'results are in the space of the scan, transforms to the template beside',
    '--fs-license-file': 'nigra needs no FreeSurfer; leave it out',
    '--sloppy': '--registration testing only shows that all runs',
    '--notrack': 'nigra sends nothing anywhere; leave it out',
    '--longitudinal': 'sessions are measured one by one',
    '--resource-monitor': 'leave it out',
    '--reports-only': 'pages are made with the results and are of the same version; delete a page '
    'and give the same command again: where --keep-workdir kept the steps that takes seconds and '
    'leaves the maps as they are, else all steps of that participant are run',
}
"""What serves in place of options of other programs that nigra does not have."""


class Parser(argparse.ArgumentParser):
    """A parser of whole names that takes underscores for hyphens and knows other programs'."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does, after `respelt`."""
        if args is None:
            args = sys.argv[1:]
        return super().parse_known_args(
            list(respelt(args, self._option_string_actions)), namespace
        )

    def error(self, message: str) -> NoReturn:
        """Say what is meant where an option is not known, and end."""
        found = re.search(r'unrecognized arguments: (--[^\s=]+)', message)
        advice = self._advice(found[1]) if found else ''
        super().error(f'{message} ({advice})' if advice else message)

    def _advice(self, option: str) -> str:
        known = ADVICE.get(option.replace('_', '-'))
        if known:
            return known
        similar = difflib.get_close_matches(option, self._option_string_actions, n=1)
        return f'did you mean {similar[0]}?' if similar else 'see nigra --help'


def respelt(arguments: Sequence[str], known: Any) -> Iterator[str]:
    """Arguments with options by the names that are known; what is no option stays.

    Examples
    --------
    >>> list(respelt(['my_bids', '--n_cpus=2', '--mem_gb', '8'], ['--nprocs', '--mem-gb']))
    ['my_bids', '--nprocs=2', '--mem-gb', '8']
    """
    for place, text in enumerate(arguments):
        if text == '--':
            yield from arguments[place:]
            return
        name, equals, value = text.partition('=')
        hyphens = '--' + name[2:].replace('_', '-')
        if not name.startswith('--') or name in known:
            yield text
        elif hyphens in known or SAME.get(hyphens) in known:
            yield f'{SAME.get(hyphens, hyphens)}{equals}{value}'
        else:
            yield text
