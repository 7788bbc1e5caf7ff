#!/bin/sh
# environment.sh DIR: make the virtual environment DIR, or bring it up to date. Uses uv where it is installed, else pip.
set -eu
venv=$1
python=${PYTHON:-python3}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || {
    echo "manualgrad needs Python 3.10 or newer; name one with: make PYTHON=/path/to/python3" >&2
    exit 1
}

# pip_setting NAME: what pip's configuration files and environment say, separated by spaces. uv reads none of it.
pip_setting() {
    "$python" -m pip config list 2>/dev/null | sed -n "s/^[^=]*\.$1='\(.*\)'$/\1/p" | sed 's/\\n/ /g' | xargs
}

# pass NAME VALUE: export NAME for uv, unless it is set already or there is no value.
pass() {
    if [ -n "$2" ] && ! printenv "$1" >/dev/null; then export "$1=$2"; fi
}

echo "Making the environment in $venv (once; about a minute) ..."
if command -v uv >/dev/null; then
    pass UV_FIND_LINKS "$(pip_setting find-links | tr ' ' ',')"
    pass UV_DEFAULT_INDEX "$(pip_setting index-url)"
    pass UV_INDEX "$(pip_setting extra-index-url)"
    pass SSL_CERT_FILE "$(pip_setting cert | cut -d ' ' -f 1)"
    export UV_INDEX_STRATEGY="${UV_INDEX_STRATEGY:-unsafe-best-match}" # the best version over all indexes, as pip does
    export UV_COMPILE_BYTECODE="${UV_COMPILE_BYTECODE:-1}"
    uv venv --quiet --allow-existing --python "$python" "$venv"
    uv pip install --quiet --python "$venv/bin/python" --constraint constraints.txt --editable '.[dev]'
else
    "$python" -m venv "$venv"
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check \
        --constraint constraints.txt --editable '.[dev]'
fi
