#!/usr/bin/env bash
# Usage: install-node.sh clients|observatory|haraka. npm packages the tests and the bench (haraka) use, into .tools/.
# `--before` pins the whole tree to a day on which it is known to install; no package's install script runs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
name=$1 target=.tools/$1
want=$(sha256sum "tools/node/$name/package.json" | cut -d' ' -f1)
[ "$(cat "$target/.installed" 2>/dev/null || true)" = "$want" ] && exit 0
echo "Installing npm packages for: $name"
mkdir -p "$target"
cp "tools/node/$name/package.json" "$target/package.json"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! npm install --prefix "$target" --ignore-scripts --no-package-lock --no-audit --no-fund --omit=dev \
    --before=2026-10-15 >"$log" 2>&1; then
  tail -n 30 "$log" >&2; exit 1
fi
echo "$want" >"$target/.installed"
