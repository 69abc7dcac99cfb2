#!/bin/sh
# The tests of the Web UI want Chromium. As root on Debian it is installed; elsewhere the tests say why they skip.
set -eu
for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null; then exit 0; fi
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing Chromium for the tests of the Web UI."
    apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-noto-color-emoji >/dev/null
else
    echo "No Chromium here: the tests of the Web UI will be skipped. On Debian: apt-get install chromium" >&2
fi
