#!/usr/bin/env bash
# Client libraries from the field, unmodified, against the binary.
#
#   MARATHON_BIN=target/release/marathon tests/compatibility/run.sh
#
# MARATHON_BIN  the binary to judge (default: the release build of this checkout)
# PYTHON        the interpreter to make the environment with (default: python3)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
binary=${MARATHON_BIN:-$here/../../target/release/marathon}
MARATHON_BIN=$(realpath -e "$binary") || { echo "no binary at $binary: cargo build --release -p marathon" >&2; exit 1; }
export MARATHON_BIN

home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
"${PYTHON:-python3}" -m venv "$home/python"
"$home/python/bin/pip" install --quiet --disable-pip-version-check marathon==0.13.0
PYTHONDONTWRITEBYTECODE=1 "$home/python/bin/python" "$here/python_marathon/run.py"
