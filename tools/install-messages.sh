#!/usr/bin/env bash
# The real messages that the demo and the tests submit: Python's own test data, which Debian keeps in a package apart.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
where='import test.test_email'
for python in .venv/bin/python python3.11 python3; do
  if command -v "$python" >/dev/null 2>&1 && "$python" -c "$where" 2>/dev/null; then exit 0; fi
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "Installing with apt-get: libpython3.11-testsuite"
  apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y install libpython3.11-testsuite >/dev/null
else
  echo "Python's own test data is not here. As root: apt-get install libpython3.11-testsuite" >&2; exit 1
fi
