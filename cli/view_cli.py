"""Command line that opens the viewer: `nigra-view OUTPUT_DIR [PARTICIPANT]`."""

from __future__ import annotations

import argparse
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from .. import __version__
from .signals import for_any_reader


def parser() -> argparse.ArgumentParser:
    """Options of `nigra-view`."""
    out = argparse.ArgumentParser(
        allow_abbrev=False,
        prog='nigra-view',
        description="Open a person's images, or the list of all, in a browser.",
        epilog='Pages are opened from disk. Only where images are too large for a page are they '
        'served, on the loopback address, which no other machine reaches, until Ctrl-C.',
    )
    out.add_argument('output_dir', metavar='OUTPUT_DIR', type=Path, help='root of the derivatives')
    out.add_argument(
        'visit', metavar='PARTICIPANT', nargs='?', default='',
        help='sub-01, sub-01_ses-1 or group; everybody by default',
    )  # fmt: skip
    out.add_argument('--serve', action='store_true', help='serve even what opens from disk')
    out.add_argument('--port', type=int, default=0, help='to serve at; a free one by default')
    out.add_argument('--no-browser', action='store_true', help='only tell the address')
    out.add_argument('--version', action='version', version=f'nigra {__version__}')
    return out


@for_any_reader
def main(argv: Sequence[str] | None = None) -> int:
    """Run `nigra-view`; returns its exit status."""
    given = parser().parse_intermixed_args(argv)
    root = given.output_dir.expanduser().absolute()
    from ..interfaces.reports.viewer_files import needs_server, page_to_open
    from ..interfaces.serve import LOOPBACK, make_server
    from ..nodes.errors import NigraError

    try:
        page = page_to_open(root, given.visit)
        serve = given.serve or needs_server(root, page)
        server = make_server(root, given.port) if serve else None
    except NigraError as error:
        print(f'nigra-view: error: {error}', file=sys.stderr)
        return 1
    address = page.as_uri()
    if server:
        address = f'http://{LOOPBACK}:{server.server_port}/{page.name}'
    print(address, flush=True)
    if not given.no_browser:
        webbrowser.open(address)
    if server:
        with server:
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                print('Stopped.')
    return 0


if __name__ == '__main__':
    sys.exit(main())
