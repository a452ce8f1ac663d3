"""The commands: arguments to settings, settings to graphs, graphs to results."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

from .signals import for_any_reader

LOGGER = logging.getLogger('nigra')


@for_any_reader
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 means that everything asked for exists and is complete."""
    from ..interfaces.processes import one_thread_of_algebra, search_garbage_rarely

    one_thread_of_algebra()
    search_garbage_rarely()
    try:
        from .arguments import parse_settings

        settings = parse_settings(argv)
        logging.basicConfig(format='%(message)s', stream=sys.stderr)
        LOGGER.setLevel(logging.INFO)
        from .app import run_levels
        from .signals import signals_stop_the_run
        from .told import refusal_kept

        with signals_stop_the_run(), refusal_kept(settings):
            if settings.submits:
                from .cluster.submit import submit_levels

                return submit_levels(settings)
            return run_levels(settings)
    except ValueError as error:
        from ..nodes.errors import NigraError

        if not isinstance(error, NigraError):
            raise
        sys.stderr.write(f'nigra: error: {error}\n')
        return 1
    except KeyboardInterrupt as error:
        sys.stderr.write('nigra: interrupted; the same command takes up where it stopped.\n')
        return int(getattr(error, 'status', 130))
