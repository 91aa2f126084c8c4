#!/bin/sh
# Makes .venv with everything that demo, test and check need, from the hash-locked list; called by
# `make setup` before every target that runs Python. When nothing has changed it ends at once.
# It names no package registry: pip asks the one that this machine is set up with.
set -eu
cd "$(dirname "$0")/.."

LOCK=requirements/dev.txt
VENV=.venv
STAMP=$VENV/.stamp

# The folder belongs to the key: the scripts of a venv hold its absolute path.
key="$(cat $LOCK pyproject.toml tools/setup.sh | cksum) $PWD"
if [ -f $STAMP ] && [ "$(cat $STAMP)" = "$key" ] && $VENV/bin/python -c '' 2>/dev/null; then
    exit 0
fi

# A version manager may have put a shim on PATH that cannot run, so each candidate is tried.
USABLE='import sys, ensurepip; sys.exit(sys.version_info < (3, 11))'
RECENT='import sys; sys.exit(sys.version_info < (3, 11))'
python=
no_ensurepip=
for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3}; do
    if "$candidate" -c "$USABLE" >/dev/null 2>&1; then
        python=$candidate
        break
    elif [ -z "$no_ensurepip" ] && "$candidate" -c "$RECENT" >/dev/null 2>&1; then
        no_ensurepip=$candidate
    fi
done
if [ -z "$python" ]; then
    if [ -n "$no_ensurepip" ]; then
        echo "setup: $no_ensurepip has no ensurepip, which makes virtual environments. On Debian or Ubuntu type:" >&2
        echo "    sudo apt install $("$no_ensurepip" -c 'import sys; print("python3.%d-venv" % sys.version_info[1])')" >&2
    else
        echo "setup: no Python >= 3.11 was found (tried: ${PYTHON:-python3.13 python3.12 python3.11 python3})." >&2
        echo "    Install one, or name it: make setup PYTHON=/path/to/python3" >&2
    fi
    exit 1
fi

# A user's own pip settings hold, but for the one that no virtual environment can follow.
export PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1
if ! $VENV/bin/python -m pip --version >/dev/null 2>&1; then
    echo "setup: first go, with $("$python" --version): about 195 MB to download, 750 MB in $VENV, one or two minutes."
    rm -rf $VENV
    "$python" -m venv $VENV
fi
rm -f $STAMP
started=$(date +%s)
$VENV/bin/python -m pip install --quiet --require-hashes -r $LOCK
# The build backend is in the lock too, so this step downloads nothing.
$VENV/bin/python -m pip install --quiet --no-deps --no-build-isolation -e .
echo "$key" > $STAMP
echo "setup: done in $(($(date +%s) - started)) s; the program is $VENV/bin/pilot-tui"
