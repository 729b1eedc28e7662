# Shared by the scripts here; sourced, not run.

cd "$(dirname "${BASH_SOURCE[0]}")/.."

started=$SECONDS
say() { printf '[%s +%4ds] %s\n' "$(date +%H:%M:%S)" "$((SECONDS - started))" "$*"; }
die() { printf '\nFAILED: %s\n' "$*" >&2; exit 1; }

# step "what it does" command arguments...
step() {
    local what=$1 before=$SECONDS
    shift
    say "$what"
    "$@" || die "$what (exit $?): $*"
    say "$what: done in $((SECONDS - before))s"
}

has() { command -v "$1" >/dev/null 2>&1; }

apt_is_fresh=
# apt_install PACKAGE...: through apt-get if that is possible, or says what is missing.
apt_install() {
    has apt-get || die "please install: $* (no apt-get here to do it)"
    [ "$(id -u)" = 0 ] || die "please install: $* (apt-get install $*; this is not root)"
    if [ -z "$apt_is_fresh" ]; then
        apt-get update -qq </dev/null || die "apt-get update"
        apt_is_fresh=yes
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" </dev/null >/dev/null \
        || die "apt-get install $*"
}

# need PROGRAM PACKAGE
need() { has "$1" || { say "installing $2"; apt_install "$2"; }; }

need_cargo() {
    local wanted found
    has cargo || [ ! -x "$HOME/.cargo/bin/cargo" ] || PATH="$HOME/.cargo/bin:$PATH"
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    has cargo || die "cargo is missing: install Rust $wanted or newer, for example with rustup (https://rustup.rs)"
    found=$(rustc --version | cut -d' ' -f2)
    [ "$(printf '%s\n%s\n' "$wanted" "$found" | sort -V | head -n1)" = "$wanted" ] \
        || die "Rust $found is too old: $wanted or newer is needed (rustup update)"
    need cc gcc
}

need_node() {
    local hint="Node.js 20.19 or newer with npm is needed"
    if ! has node || ! has npm; then
        [ "$(id -u)" = 0 ] && has apt-get && apt_install nodejs npm || die "$hint"
    fi
    node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' \
        || die "$hint; found $(node --version)"
}
