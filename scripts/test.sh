#!/usr/bin/env bash
# Everything that must hold: formatting, lints, docs, tests on both databases, simulation, dashboard, browser.
# Installs what is missing; stops at the first step that fails.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

seeds=${TEST_SEEDS:-200}

need_cargo
need_node
need python3 python3
python3 -c 'import ensurepip, venv' 2>/dev/null || apt_install python3-venv
need git git
[ -x "${CHROMIUM:-/usr/bin/chromium}" ] || { say "installing a browser"; apt_install chromium; }
. scripts/postgres.sh
start_postgres
if ! cargo nextest --version >/dev/null 2>&1; then
    step "installing cargo-nextest" cargo install cargo-nextest --locked
fi

step "formatting" cargo fmt --all --check
step "release build" cargo build --locked --release -p marathon
export MARATHON_BIN=$PWD/target/release/marathon
step "lints" cargo clippy --locked --workspace --all-targets -- -D warnings
RUSTDOCFLAGS="-D warnings" step "documentation" cargo doc --locked --workspace --no-deps
step "tests" cargo nextest run --locked --workspace --config-file tests/nextest.toml
step "documentation tests" cargo test --locked --workspace --doc --quiet
step "a client of Marathon's, as it is" tests/compatibility/run.sh
step "simulation of $seeds seeds" cargo run --locked --release -p simulation -- --seeds "$seeds"

dashboard() { (cd web-ui && npm ci --no-audit --no-fund && npm run generate && npm run check && npm test && npm run build); }
step "dashboard" dashboard
generated=(web-ui/dist web-ui/src/api/schema.d.ts)
is_fresh() {
    git diff --exit-code --stat -- "${generated[@]}" && [ -z "$(git status --porcelain -- "${generated[@]}")" ] && return
    echo "${generated[*]}: stale; run 'make ui' and commit"
    return 1
}
step "types and page of the dashboard are those made from the sources" is_fresh
browser() { (cd tests/browser && npm ci --no-audit --no-fund && node run.mjs); }
step "dashboard in a browser" browser

say "all passed"
