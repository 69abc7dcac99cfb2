#!/bin/sh
# The tests of the kind `files` want rsync. As root on Debian it is installed; elsewhere the tests say how to.
set -eu
if command -v rsync >/dev/null; then exit 0; fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing rsync for the tests of the kind files."
    apt-get update -qq && apt-get install -y -qq --no-install-recommends rsync >/dev/null
else
    echo "No rsync here: the tests of the kind files will be skipped. On Debian: apt-get install rsync" >&2
fi
