#!/bin/sh
# Installs l1chain into a prefix: the steps of the image, and of a clean machine.
#
#   docker/install.sh PREFIX [EXTRA,...] [SOURCE]
#
# PREFIX gets a virtual environment (PREFIX/bin/l1chain). EXTRAs are those of pyproject.toml (e.g. monitor,scale).
# SOURCE is a checkout or a wheel; by default the checkout that this script is in. Needs Python 3.11 or newer with venv,
# and no compiler.
set -eu

prefix=${1:?"usage: docker/install.sh PREFIX [EXTRA,...] [SOURCE]"}
extras=${2:-}
here=$(cd "$(dirname "$0")/.." && pwd)
source=${3:-$here}
python=${PYTHON:-python3}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "install.sh: $python is older than Python 3.11; set PYTHON to a newer one" >&2
    exit 2
}
[ ! -e "$prefix/bin/l1chain" ] || {
    echo "install.sh: $prefix has an l1chain already; remove it, or name another folder" >&2
    exit 2
}
"$python" -m venv "$prefix"
# The versions that the tests ran with; only wheels, so nothing is compiled.
"$prefix/bin/python" -m pip install --quiet --no-cache-dir --disable-pip-version-check \
    --prefer-binary --constraint "$here/constraints.txt" "$source${extras:+[$extras]}"
"$prefix/bin/l1chain" --version
