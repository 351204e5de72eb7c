#!/bin/sh
# Installs the pinned packages into a virtual environment: with uv, which takes a third of pip's time, or with pip
# where uv cannot be had or does not reach the package index. Both install the very versions of the lock file.
#
# Usage: dev/install.sh <folder of the environment>
set -u
bin=$1/bin
wanted="--requirement requirements-dev.txt --constraint constraints.txt"

# uv does not read pip's settings; an index of one's own is the one that matters.
index=${PIP_INDEX_URL:-$("$bin/python" -m pip config get global.index-url 2>/dev/null)}
if [ -n "$index" ]; then
    export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"
fi

# The words are split on purpose: each is an option or a file's name without spaces.
# shellcheck disable=SC2086
if "$bin/python" -m pip install --quiet --disable-pip-version-check uv --constraint constraints.txt &&
    "$bin/uv" pip install --python "$bin/python" --quiet --compile-bytecode $wanted; then
    exit 0
fi
echo "uv could not install them; pip does it now (one to three minutes)"
# shellcheck disable=SC2086
exec "$bin/python" -m pip install --quiet --disable-pip-version-check $wanted
