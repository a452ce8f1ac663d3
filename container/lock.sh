#!/bin/sh
# Choose the newest versions that go together, and write them down with their hashes:
# requirements.lock for the image (and for whoever wants the same), build.lock to make the wheel.
# Needs uv. One lock holds for Python 3.11 to 3.13.
set -eu
cd "$(dirname "$0")/.."
lock() {
    uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
        --no-config --custom-compile-command container/lock.sh "$@"
}
lock pyproject.toml --extra excel --extra harmonise --output-file container/requirements.lock
lock container/build.in --output-file container/build.lock
