#!/usr/bin/env bash
# Writes the table of real files in docs/reference/formats.md anew, from what this checkout does with them.
set -euo pipefail
cd "$(dirname "$0")/.."
PATHSERVE_UPDATE_FORMATS=1 exec .venv/bin/python -m pytest -q tests/flows/test_every_file.py
