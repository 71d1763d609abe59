# The Python environment in .venv, exactly as requirements.lock says.
# Sourced by setup.sh, which provides `begin`, `fail` and the scratch folder $work.
# shellcheck shell=bash disable=SC2154

stamp=.venv/plumbline-setup

# Print the first Python that is new enough and can make an environment.
find_python() {
    local name
    for name in python3.11 python3 python3.12 python3.13; do
        if "$name" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return 0
        fi
    done
    return 1
}

# What the environment was built from; a moved or copied folder has another answer.
fingerprint() {
    { pwd && cat pyproject.toml requirements.lock; } | sha256sum | cut -d' ' -f1
}

environment_is_current() {
    [ -x .venv/bin/python ] && [ "$(cat $stamp 2>/dev/null)" = "$(fingerprint)" ] &&
        .venv/bin/python scripts/installed_packages.py requirements.lock && [ -x .venv/bin/plumbline ]
}

build_environment() {
    begin "Creating the Python environment"
    create_environment
    begin "Installing the Python packages of requirements.lock"
    install_locked || fail "the Python packages could not be installed; is PyPI, or the index pip is set to, reachable?"
    .venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable . ||
        fail "Plumbline itself could not be installed into .venv."
    fingerprint >$stamp
}

# What only benchmarks compare with, beside the rest. A later `build_environment` may take it away again.
benchmark_is_current() {
    .venv/bin/python scripts/installed_packages.py requirements-benchmark.lock >/dev/null 2>&1
}

install_benchmark() {
    begin "Installing what the benchmarks compare with"
    configure_uv_like_pip
    .venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --require-hashes -r requirements-benchmark.lock ||
        pip_install -r requirements-benchmark.lock ||
        fail "the packages of requirements-benchmark.lock could not be installed; is PyPI, or the index pip is set to, reachable?"
}

# Nothing is asked of the network when every package is there. uv is much faster; pip knows every way in which a site may
# have configured its index.
install_locked() {
    .venv/bin/python scripts/installed_packages.py requirements.lock >/dev/null 2>&1 && return 0
    configure_uv_like_pip
    .venv/bin/uv pip sync --compile-bytecode --python .venv/bin/python --require-hashes requirements.lock && return 0
    echo "uv could not; trying pip ..."
    pip_install -r requirements.lock
}

# What pip complains of is told in one sentence by the caller.
pip_install() {
    .venv/bin/python -m pip install --disable-pip-version-check --require-hashes --no-deps "$@" 2>"$work/pip.log" |
        sed -u '/^Requirement already satisfied/d; /^Ignoring /d; /^Looking in /d'
}

# Keep an environment that still runs and belongs to this folder; uv comes from PyPI, held to its hash in the lock.
create_environment() {
    if ! environment_runs; then
        rm -rf .venv
        python=$(find_python) || fail "Python 3.11 or newer with its venv module is needed, and none was found on PATH."
        "$python" -m venv .venv || fail "'$python -m venv .venv' failed."
    fi
    .venv/bin/uv --version 2>/dev/null | grep -qF "uv $(locked_version uv) " && return 0
    sed -n '/^uv==/,/[^\\]$/p' requirements.lock >"$work/uv.txt"
    pip_install --force-reinstall -r "$work/uv.txt" >/dev/null ||
        fail "pip could not install uv; is PyPI, or the index pip is set to, reachable?"
}

environment_runs() {
    [ "$(.venv/bin/python -c 'import pip, sys; print(sys.version_info >= (3, 11), sys.prefix)' 2>/dev/null)" = "True $PWD/.venv" ]
}

locked_version() {
    sed -n "s/^$1==\([^ ]*\).*/\1/p" requirements.lock
}

# uv does not read pip's configuration: hand it the index and the certificates that pip would use. The machine's own
# certificates count too, as behind a proxy that has its own authority.
configure_uv_like_pip() {
    local index certificates
    index=$(pip_setting index-url)
    certificates=$(pip_setting cert)
    [ -z "$index" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"
    [ -z "$certificates" ] || export SSL_CERT_FILE="${SSL_CERT_FILE:-$certificates}"
    [ ! -s /etc/ssl/certs/ca-certificates.crt ] || export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"
    export UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-120}" UV_PYTHON_DOWNLOADS=never
}

# Print what pip uses for a setting, from its environment first; nothing when it is not set.
pip_setting() {
    local variable="PIP_${1^^}" place
    variable=${variable//-/_}
    [ -z "${!variable:-}" ] || { echo "${!variable}" && return 0; }
    for place in install global; do
        .venv/bin/python -m pip config get "$place.$1" 2>/dev/null && return 0
    done
    return 0
}
