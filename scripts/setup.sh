#!/usr/bin/env bash
# Install what a target needs and nothing twice: Debian packages from apt, Python packages from requirements.lock.
#
#   scripts/setup.sh check|demo|test|benchmark|make
#
# What is already there is looked up, never remembered, so a removed package or a deleted .venv is put back.
# Ends with 0, or with one sentence that says what is missing and 1.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
work=$(mktemp -d "${TMPDIR:-/tmp}/plumbline-setup.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

step=0
begin() {
    step=$((step + 1))
    printf '%s (%d of %d) ...\n' "$1" "$step" "$steps"
}

fail() {
    printf 'Set-up stopped: %s\n' "$1" >&2
    exit 1
}

# shellcheck source=scripts/debian.sh
source scripts/debian.sh
# shellcheck source=scripts/python.sh
source scripts/python.sh
# shellcheck source=scripts/pages.sh
source scripts/pages.sh

case "${1:-}" in
    make) lists=(make) ;;
    check) lists=() ;;
    demo | benchmark) lists=(demo) ;;
    test) lists=(demo test) ;;
    *) fail "unknown target '${1:-}'; it is one of check, demo, test, benchmark, make." ;;
esac

exec 9<scripts/setup.sh # one set-up at a time in this folder
flock --nonblock 9 || { echo "Waiting for another set-up of this folder ..." && flock 9; }

restore_policy
environment=outdated
if [ "$1" = make ] || environment_is_current; then environment=current; fi
if [ "$environment" = outdated ] && ! environment_runs && ! find_python >/dev/null; then lists+=(python); fi
mapfile -t missing < <(missing_packages "${lists[@]}")

pages=current
case $1 in demo | test) pages_are_current || pages=outdated ;; esac

steps=0
[ ${#missing[@]} -eq 0 ] || steps=$((steps + 2))
[ "$environment" = current ] || steps=$((steps + 2))
[ "$pages" = current ] || steps=$((steps + 2))
if [ "$1" = benchmark ] && ! benchmark_is_current; then steps=$((steps + 1)); fi
[ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
[ "$environment" = current ] || build_environment
[ "$pages" = current ] || build_pages
if [ "$1" = benchmark ] && ! benchmark_is_current; then install_benchmark; fi
