# A private PostgreSQL for tests: own directory, free port, gone at the end. Sourced by test.sh.

postgres_dir=
postgres_bin=

find_postgres() { ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n1; }

as_postgres() {
    if [ "$(id -u)" = 0 ]; then
        # The server refuses to run as root.
        setpriv --reuid=postgres --regid=postgres --clear-groups env HOME="$postgres_dir" "$@"
    else
        "$@"
    fi
}

stop_postgres() {
    [ -n "$postgres_dir" ] || return 0
    as_postgres "$postgres_bin/pg_ctl" -D "$postgres_dir/data" -m immediate stop >/dev/null 2>&1 || true
    rm -rf "$postgres_dir"
}

# Starts the server and exports MARATHON_TEST_POSTGRES, the URL of a superuser's database in it.
start_postgres() {
    postgres_bin=$(find_postgres)
    if [ -z "$postgres_bin" ] || [ ! -x "$postgres_bin/initdb" ]; then
        say "installing PostgreSQL"
        if [ "$(id -u)" = 0 ] && [ ! -e /etc/postgresql-common ]; then
            # Only the programs are wanted, not a server of the machine's own.
            mkdir -p /etc/postgresql-common/createcluster.d
            echo "create_main_cluster = false" > /etc/postgresql-common/createcluster.d/no-main.conf
        fi
        apt_install postgresql
        postgres_bin=$(find_postgres)
    fi
    [ -x "$postgres_bin/initdb" ] || die "PostgreSQL's server programs are missing (Debian package postgresql)"
    postgres_dir=$(mktemp -d "${TMPDIR:-/tmp}/marathon-postgres.XXXXXX")
    trap stop_postgres EXIT
    trap 'exit 130' INT TERM
    [ "$(id -u)" != 0 ] || chown postgres:postgres "$postgres_dir"
    (
        cd /
        as_postgres "$postgres_bin/initdb" -D "$postgres_dir/data" -U marathon -A trust --no-sync -E UTF8 --locale=C >/dev/null
    ) || die "initdb"
    local port
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    (
        cd /
        as_postgres "$postgres_bin/pg_ctl" -D "$postgres_dir/data" -l "$postgres_dir/log" -w -t 60 \
            -o "-p $port -h 127.0.0.1 -k $postgres_dir -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=200" \
            start >/dev/null
    ) || { cat "$postgres_dir/log" >&2; die "starting PostgreSQL"; }
    export MARATHON_TEST_POSTGRES="postgres://marathon@127.0.0.1:$port/postgres"
    say "PostgreSQL for the tests listens on port $port"
}
