#!/usr/bin/env bash
# Everything that can be said about the code without running it. Runs all checks, then fails if any did.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

failed=()
run() {
    local name=$1
    shift
    printf '%s ...\n' "$name"
    "$@" || failed+=("$name")
}

run "Format" .venv/bin/ruff format --check --output-format concise .
run "Lint" .venv/bin/ruff check --output-format concise .
run "Shell scripts" .venv/bin/shellcheck --external-sources .ci/run scripts/setup.sh scripts/check.sh deploy/images/with-secrets \
    deploy/images/orthanc-is-ready
run "Types" .venv/bin/pyright --warnings
run "Layers" .venv/bin/lint-imports
run "Links in the documents" .venv/bin/python scripts/document_links.py
run "Lock" .venv/bin/python scripts/lock.py --check

if [ ${#failed[@]} -gt 0 ]; then
    printf 'Failed: %s\n' "${failed[@]}"
    exit 1
fi
echo "All checks passed."
