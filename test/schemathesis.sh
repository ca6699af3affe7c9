#!/usr/bin/env bash
# Requests by the thousand, made from /openapi.json by schemathesis, against a shop of its own: no 5xx, and every answer is one that the
# description has. Usage: test/schemathesis.sh [seconds], 60 unless said. Needs Python 3.10 or newer with venv, and a built shop.
set -euo pipefail
cd "$(dirname "$0")/.."

version=4.32.5
venv="${TMPDIR:-/tmp}/tillroll-schemathesis-$version"

if [ ! -x "$venv/bin/schemathesis" ]; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check "schemathesis==$version"
fi

SCHEMATHESIS="$venv/bin/schemathesis" SECONDS_TO_RUN="${1:-60}" exec node --import tsx test/http/schemathesis.ts
