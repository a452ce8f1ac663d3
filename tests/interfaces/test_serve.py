"""The server of the viewer: files below a folder, on this machine, for nobody else."""

import http.client
import threading

import pytest

from nigra.interfaces.serve import LOOPBACK, make_server
from nigra.nodes.errors import InputError


@pytest.fixture
def server(tmp_path):
    root = tmp_path / 'out'
    (root / 'sub-01').mkdir(parents=True)
    (root / 'index.html').write_text('everybody')
    (root / 'sub-01' / 'map.nii.gz').write_bytes(b'\x1f\x8b')
    (tmp_path / 'secret.txt').write_text('secret')
    (root / 'link.txt').symlink_to(tmp_path / 'secret.txt')
    with make_server(root) as made:
        threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
        yield made
        made.shutdown()


def ask(server, path, method='GET', **headers):
    connection = http.client.HTTPConnection(LOOPBACK, server.server_port, timeout=5)
    connection.putrequest(method, path, skip_host='Host' in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, answer.read(), answer.headers


def test_files_below_the_folder_are_served_as_they_are(server):
    assert ask(server, '/index.html')[:2] == (200, b'everybody')
    status, body, headers = ask(server, '/sub-01/map.nii.gz')
    assert (status, body, headers['Content-Encoding']) == (200, b'\x1f\x8b', None)
    assert headers['Content-Type'] == 'application/gzip'


@pytest.mark.parametrize(
    'path',
    ['/../secret.txt', '/%2e%2e/secret.txt', '/sub-01/../../secret.txt', '/..%2fsecret.txt',
     '//../secret.txt', '/link.txt', '/', '/sub-01/', '/sub-01'],
)  # fmt: skip
def test_nothing_else_is_served(server, path):
    status, body, _ = ask(server, path)
    assert status == 404
    assert b'secret' not in body.replace(b'secret.txt', b'')
    assert b'map.nii.gz' not in body


def test_pages_of_elsewhere_cannot_read_by_a_name_of_their_own(server):
    assert ask(server, '/index.html', Host='evil.example')[0] == 403
    assert ask(server, '/index.html', Host=f'localhost:{server.server_port}')[0] == 200


def test_nothing_can_be_written(server):
    assert ask(server, '/index.html', 'PUT')[0] == 501
    assert ask(server, '/index.html', 'POST')[0] == 501


def test_only_this_machine_is_listened_to(server):
    assert server.server_address[0] == '127.0.0.1'
    with pytest.raises(InputError, match='--port'):
        make_server(server.RequestHandlerClass.keywords['directory'], server.server_port)
