#!/usr/bin/env bash
# The TLS scanner of the tests (sslyze), into an environment of its own under .tools/: it pins an older cryptography.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=.tools/sslyze
want=$(sha256sum requirements/scanner.txt | cut -d' ' -f1)
[ "$(cat "$target/.installed" 2>/dev/null || true)" = "$want" ] && exit 0
echo "Installing the TLS scanner"
"${PYTHON:-python3.11}" -m venv --clear "$target"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! "$target/bin/pip" install -q --require-hashes -r requirements/scanner.txt >"$log" 2>&1; then
  tail -n 30 "$log" >&2; exit 1
fi
echo "$want" >"$target/.installed"
