#!/bin/sh
# Resolves anew into requirements/: dev.txt is every package that demo, test and check need, the build
# backend included (from pyproject.toml); bench.txt is what `make bench` compares with,
# local.txt what `make demo-local` adds. Each has the
# hashes of all its files, so that one list serves Python 3.11 to 3.13 on Linux and macOS, x86_64 and
# aarch64. Versions in the present lock are kept unless they are forbidden by now; `make lock
# UPGRADE=1` takes the newest of everything.
# The resolver lives in a folder of its own: the project does not depend on it.
set -eu
cd "$(dirname "$0")/.."

RESOLVER=uv==0.13.9
TOOL=.cache/lock

[ -x $TOOL/bin/uv ] || ${PYTHON:-python3} -m venv $TOOL
$TOOL/bin/python -m pip install --quiet --disable-pip-version-check "$RESOLVER"

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT

# lock NAME WHAT.. resolves anew into requirements/NAME.txt.
lock() {
    name=$1
    file=requirements/$name.txt
    shift
    [ -n "${UPGRADE:-}" ] || [ ! -f "$file" ] || cp "$file" "$fresh/$name.txt"
    $TOOL/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
        "$@" --output-file "$fresh/$name.txt"
    {
        echo "# Made by \`make lock\`; not to be edited by hand."
        # Every line carries the same marker for the two platforms: it says nothing here.
        sed "s/ ; sys_platform == 'darwin' or sys_platform == 'linux' / /" "$fresh/$name.txt"
    } > "$file"
    echo "lock: $(grep -c '^[a-z]' "$file") packages in $file"
}

lock dev --group dev pyproject.toml
# In an environment of its own, so nothing in here has to agree with ours.
lock bench requirements/bench.in
# Without what it depends on: see there.
lock local --no-deps requirements/local.in
