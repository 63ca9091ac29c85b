#!/usr/bin/env bash
# Usage: make-venv.sh VENV runtime|dev. Every file pip installs is checked against a hash in requirements/.
set -euo pipefail
venv=$1 kind=$2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$here"

# The distribution's own interpreter first: it gets the distribution's security updates, and it is built with the
# compiler's profile feedback, which one built from source by hand usually is not (docs/decisions/0025). Among those that
# are new enough the first that can make environments; a complete one may be anywhere on the path.
python="" whole=""
for candidate in "${PYTHON:-}" /usr/bin/python3.11 python3.11 /usr/bin/python3 python3; do
  [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 || continue
  "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || continue
  python=${python:-$candidate}
  if "$candidate" -c 'import ensurepip' 2>/dev/null; then whole=$candidate; break; fi
  # Debian keeps ensurepip in a package of its own, which only root can add.
  [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null || break
done
python=${whole:-$python}
[ -n "$python" ] || { echo "Mailward needs Python 3.11 or newer (python3); none was found." >&2; exit 1; }

if [ ! -x "$venv/bin/pip" ]; then
  echo "Making the virtual environment in $venv ..."
  if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
      apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y install python3-venv >/dev/null
    else
      echo "Python's venv module is incomplete here. On Debian: apt-get install python3-venv" >&2; exit 1
    fi
  fi
  "$python" -m venv "$venv"
fi

pip() {
  "$venv/bin/python" -m pip --quiet --disable-pip-version-check --no-input "$@" 2> >(grep -v "file: URL\|Location 'file:" >&2 || true)
}

echo "Installing requirements/$kind.txt (pinned, hashes checked) ..."
pip install --require-hashes --no-deps -r requirements/build.txt
if [ "$kind" = runtime ]; then
  pip install --require-hashes --no-deps --only-binary :all: -r requirements/runtime.txt
  # Only where the processor has the instructions for it (docs/decisions/0029), and not with MULTIBUFFER=no.
  if [ "${MULTIBUFFER:-yes}" != no ] && grep -qsE '^flags.* (avx512ifma|avx_ifma)( |$)' /proc/cpuinfo; then
    pip install --require-hashes --no-deps --only-binary :all: -r requirements/multibuffer.txt ||
      echo "requirements/multibuffer.txt could not be installed: signatures are made one by one." >&2
  fi
  pip install --no-build-isolation --no-deps --no-index -e .
else
  # A source package (dkimpy) is built with the pinned setuptools above, not with one fetched unpinned.
  pip install --require-hashes --no-deps --no-build-isolation --use-pep517 -r requirements/dev.txt
fi
