#!/bin/sh
# The tests of the page for break-glass type its commands: dig, nsupdate, psql, curl and fuser. As root on Debian they are
# installed; elsewhere the tests that want them are skipped, and say so.
set -eu
missing=""
for pair in dig:bind9-dnsutils nsupdate:bind9-dnsutils psql:postgresql-client curl:curl fuser:psmisc; do
    command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair#*:}"
done
if [ -z "$missing" ]; then exit 0; fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing$missing for the tests of the page for break-glass."
    # shellcheck disable=SC2086
    apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    echo "Some tests of the page for break-glass will be skipped. On Debian: apt-get install$missing" >&2
fi
