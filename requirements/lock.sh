#!/bin/sh
# Makes the locked requirement files. Reads only the default package index, so that hashes do not depend on a machine's
# own extra indexes; PYTHON is the oldest supported interpreter.
set -eu
cd "$(dirname "$0")/.."
mkdir -p build
"${PYTHON:-python3}" -m venv build/lock-venv
build/lock-venv/bin/pip install --quiet pip-tools==7.6.2
export PIP_CONFIG_FILE=/dev/null PIP_FIND_LINKS=
lock() {
    target=$1
    shift
    build/lock-venv/bin/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-header \
        --no-emit-index-url --no-emit-trusted-host --no-emit-find-links "$@" --output-file "requirements/$target.txt" pyproject.toml
    echo "requirements/$target.txt"
}
lock run
lock test --extra dev --constraint requirements/run.txt
lock bench --extra dev --extra bench --constraint requirements/test.txt
