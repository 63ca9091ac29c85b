#!/usr/bin/env bash
# Usage: lock-requirements.sh PIP_COMPILE. Writes requirements/*.txt from *.in: exact versions with the hash of every
# file, and no word about where they were fetched. Run it on Python 3.11, the oldest supported.
set -euo pipefail
compile=$(realpath "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/../requirements"
upgrade=(); [ "${UPGRADE:-}" = 1 ] && upgrade=(--upgrade)
for name in build runtime multibuffer dev scanner; do
  "$compile" --quiet --strip-extras --generate-hashes --allow-unsafe --no-emit-index-url --no-emit-trusted-host \
    --no-emit-find-links --no-header --no-annotate "${upgrade[@]}" -o "$name.txt" "$name.in"
done
if grep -nE 'https?://|file://|--(extra-)?index-url|--find-links' ./*.txt; then
  echo "A requirements file names where packages come from; remove that before committing." >&2; exit 1
fi
