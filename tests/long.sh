#!/usr/bin/env bash
# The long proofs: the marker `long`, which tests/run.sh leaves out. Takes an hour or more; needs what that has set up,
# and root for a small disk of its own.
set -euo pipefail
cd "$(dirname "$0")/.."

[ -x .venv/bin/python ] || { echo "Run tests/run.sh first: it sets up .venv." >&2; exit 1; }
[ "$(id -u)" -eq 0 ] || { echo "The proof on a full disk mounts one, which takes root." >&2; exit 1; }
if ! command -v strace >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq strace >/dev/null
fi
exec .venv/bin/python -m pytest -m long "$@"
