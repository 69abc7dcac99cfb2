#!/bin/sh
# Builds the wheel, installs it in a clean environment, and runs the command there, away from the checkout.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$here/.venv/bin/uv" build --quiet --wheel --out-dir "$work" "$here"
"$here/.venv/bin/uv" venv --quiet "$work/venv"
wheel=$(ls "$work"/*.whl)
VIRTUAL_ENV=$work/venv "$here/.venv/bin/uv" pip install --quiet "$wheel[postgres,dns]"
cd "$work"
"$work/venv/bin/seawall" --version
"$work/venv/bin/seawall" validate "$here/runbooks/shop.yaml"
