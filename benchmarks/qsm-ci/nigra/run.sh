#!/usr/bin/env bash
# One stage, end-to-end; `nigra-stage` reads params.json and the overrides of config.json itself.
set -euo pipefail
exec nigra-stage end-to-end "${1:-/input}" "${2:-/output}" --nthreads "$(nproc)"
