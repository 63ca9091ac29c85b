#!/usr/bin/env bash
# The real counterparts that the tests and the bench talk to. Does nothing when all are here; as root on Debian it
# installs what is missing; otherwise it says what to install. No daemon is started.
# Usage: install-test-deps.sh [packages]. With the word Debian's packages alone: two of its installers cannot run at once.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

declare -A package_of=(
  [postconf]=postfix [smtp-source]=postfix [opendkim]=opendkim [opendkim-testmsg]=opendkim-tools
  [swaks]=swaks [unbound]=unbound [dig]=bind9-dnsutils [chromium]=chromium [node]=nodejs [npm]=npm [curl]=curl
  [pgbouncer]=pgbouncer [/usr/lib/postgresql/15/bin/postgres]=postgresql-15
  [clamd]=clamav-daemon [rspamd]=rspamd [pebble]=pebble [nft]=nftables [systemd-analyze]=systemd
)
PATH=$PATH:/usr/sbin:/sbin
missing=()
for command in "${!package_of[@]}"; do
  command -v "$command" >/dev/null 2>&1 || missing+=("${package_of[$command]}")
done
python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
perl -MMail::DKIM::Verifier -e1 2>/dev/null || missing+=(libmail-dkim-perl)

if [ ${#missing[@]} -gt 0 ]; then
  mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "The tests need these Debian packages: ${missing[*]}" >&2
    echo "Install them (as root: apt-get install ${missing[*]}) and run this again." >&2
    exit 1
  fi
  echo "Installing with apt-get: ${missing[*]}"
  # A package that starts its daemon on installation would take ports the tests look at.
  guard=/usr/sbin/policy-rc.d placed=""
  if [ ! -e "$guard" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$guard"; chmod 755 "$guard"; placed=$guard
  fi
  trap '[ -z "$placed" ] || rm -f "$placed"' EXIT
  log=$(mktemp)
  export DEBIAN_FRONTEND=noninteractive
  echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections
  if ! { apt-get -q update && apt-get -q -y --no-install-recommends install "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 30 "$log" >&2; exit 1
  fi
  rm -f "$log"
fi
tools/install-messages.sh
[ "${1:-}" = packages ] && exit 0
tools/install-node.sh clients
tools/install-node.sh observatory
tools/install-scanner.sh
