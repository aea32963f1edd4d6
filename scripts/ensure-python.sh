#!/bin/sh
# Creates a virtual environment in target/python for the tests: redis-py runs the code that `rcup env` prints, pytest and
# xdist test the plugin in python/, check-jsonschema checks workflows, and kubernetes-validate checks the manifests of
# `rcup export kubernetes`.
set -eu
cd "$(dirname "$0")/.."

say() { printf 'ensure-python: %s\n' "$*" >&2; }

venv=target/python
if "$venv/bin/python" -c 'import redis.cluster, pytest, xdist, check_jsonschema, kubernetes_validate' 2>/dev/null; then
    exit 0
fi
if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    if ! command -v apt-get >/dev/null 2>&1; then
        say "install Python 3 with the venv module"
        exit 1
    fi
    sudo=
    [ "$(id -u)" -eq 0 ] || sudo=sudo
    say "installing python3-venv"
    $sudo apt-get install -y -q python3-venv >&2 || {
        $sudo apt-get update -q >&2
        $sudo apt-get install -y -q python3-venv >&2
    }
fi
say "installing redis-py, pytest, check-jsonschema and kubernetes-validate into $venv"
rm -rf "$venv"
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check \
    'redis>=5' 'pytest>=7' 'pytest-xdist>=3' 'check-jsonschema>=0.28' 'kubernetes-validate==1.37.*' >&2
