#!/bin/sh
# Makes the environment: Python 3.11 or newer, and the exact packages of uv.lock.
set -eu
venv=$1
python=${PYTHON:-}
if [ -z "$python" ]; then
    for candidate in python3 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            python=$candidate
            break
        fi
    done
fi
if [ -z "$python" ]; then
    echo "Seawall wants Python 3.11 or newer; none was found. Install it, or name it: make PYTHON=/path/to/python3.11" >&2
    exit 1
fi
if ! "$python" -m venv --clear "$venv" 2>/dev/null; then
    echo "$python cannot make virtual environments. On Debian: apt-get install python3-venv" >&2
    exit 1
fi
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check uv
VIRTUAL_ENV=$venv "$venv/bin/uv" sync --locked --all-extras --inexact --quiet --active --compile-bytecode
# A worker that was killed is back sooner when nothing has to be compiled, even where Python may not keep what it compiles.
"$venv/bin/python" -m compileall -q activities infra workers workflows
echo "Installed in $venv."
