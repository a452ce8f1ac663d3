#!/usr/bin/env bash
# One stage, field-mapping; `nigra-stage` reads params.json and the overrides of config.json itself.
set -euo pipefail
exec nigra-stage field-mapping "${1:-/input}" "${2:-/output}" --nthreads "$(nproc)"
