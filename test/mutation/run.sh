#!/usr/bin/env bash
# Breaks src/domain in a thousand ways, one at a time, and runs its tests on each: where none fails, something is not tested.
# Prints what survived, and ends with an error where fewer than 80 % were noticed. Takes some minutes, so it is run by hand.
# Its tools need other versions of TypeScript and mocha than the rest, so they are installed beside, into a folder of their own.
# What a file does once, as it is loaded, is not broken: each such change would need a process of its own.
set -euo pipefail
cd "$(dirname "$0")/../.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir -p "$folder/test"
cp -r src tsconfig.json "$folder"
cp -r test/domain test/support "$folder/test"
cp test/mutation/*.json "$folder"
cd "$folder"
npm ci --ignore-scripts --no-audit --no-fund
npx stryker run "$@"
