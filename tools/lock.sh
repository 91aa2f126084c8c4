#!/bin/sh
# Resolves pyproject.toml anew into requirements/dev.txt: every package that demo, test and check need, the
# build backend included, each with the hashes of all its files, so that one list serves Python 3.11
# to 3.13 on Linux and macOS, x86_64 and aarch64. Versions in the present lock are kept unless
# pyproject.toml forbids them; `make lock UPGRADE=1` takes the newest of everything.
# The resolver lives in a folder of its own: the project does not depend on it.
set -eu
cd "$(dirname "$0")/.."

RESOLVER=uv==0.13.9
LOCK=requirements/dev.txt
TOOL=.cache/lock

[ -x $TOOL/bin/uv ] || ${PYTHON:-python3} -m venv $TOOL
$TOOL/bin/python -m pip install --quiet --disable-pip-version-check "$RESOLVER"

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
[ -n "${UPGRADE:-}" ] || [ ! -f $LOCK ] || cp $LOCK "$fresh/dev.txt"
$TOOL/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
    --group dev pyproject.toml --output-file "$fresh/dev.txt"

{
    echo "# Made by \`make lock\` from pyproject.toml; not to be edited by hand."
    # Every line carries the same marker for the two platforms: it says nothing here.
    sed "s/ ; sys_platform == 'darwin' or sys_platform == 'linux' / /" "$fresh/dev.txt"
} > $LOCK
echo "lock: $(grep -c '^[a-z]' $LOCK) packages in $LOCK"
