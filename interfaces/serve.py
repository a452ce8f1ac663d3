"""Serve a study's pages and images to browsers on this machine, and to nobody else."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ..nodes.errors import InputError

LOOPBACK = '127.0.0.1'
"""The only address that is listened to; others cannot reach it."""


class _Files(SimpleHTTPRequestHandler):
    """Files below a folder: no listings, no links that lead out, no names of other machines."""

    def send_head(self) -> Any:
        port = self.connection.getsockname()[1]
        # a page of elsewhere can make its own name stand for the loopback address
        if self.headers.get('Host') not in {f'{LOOPBACK}:{port}', f'localhost:{port}'}:
            self.send_error(HTTPStatus.FORBIDDEN)
            return None
        root, path = Path(self.directory).resolve(), Path(self.translate_path(self.path))
        if not path.resolve().is_relative_to(root) or not path.is_file():
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        return super().send_head()

    def guess_type(self, path: Any) -> str:
        """Compressed images are files of their own, not texts that a browser unpacks."""
        return 'application/gzip' if str(path).endswith('.gz') else super().guess_type(path)

    def log_message(self, *args: Any) -> None:
        """Requests are not told."""


def make_server(root: Path, port: int = 0) -> ThreadingHTTPServer:
    """A server of the files below a folder on the loopback address; it does not serve yet.

    Parameters
    ----------
    root
        The folder.
    port
        To listen to; a free one if 0.

    Raises
    ------
    InputError
        The port is taken.
    """
    try:
        return ThreadingHTTPServer((LOOPBACK, port), partial(_Files, directory=str(root)))
    except (OSError, OverflowError) as error:
        reason = getattr(error, 'strerror', None) or str(error)
        raise InputError(
            '--port', f'{port} cannot be listened to ({reason})', 'leave it out for a free one'
        ) from error
