#!/usr/bin/env bash
# One stage, dipole; `nigra-stage` reads params.json and the overrides of config.json itself.
set -euo pipefail
exec nigra-stage dipole "${1:-/input}" "${2:-/output}" --nthreads "$(nproc)"
