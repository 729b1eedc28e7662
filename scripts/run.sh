#!/usr/bin/env bash
# Builds, starts `marathon up`, deploys the shop example, and stays in the foreground.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

need_cargo
need python3 python3
step "building the release binary" cargo build --locked --release -p marathon

binary=target/release/marathon
"$binary" up --data-dir "$DATA_DIR" --agents "$AGENTS" --agent-port "$AGENT_PORT" \
    --http-address "$HTTP_ADDRESS" --master-address "$MASTER_ADDRESS" \
    --dns-address "$DNS_ADDRESS" --dns-http-address "$DNS_HTTP_ADDRESS" &
server=$!

farewell() {
    printf '\nStopped. The tasks keep running; starting again finds them.\nTo end them too: %s down --data-dir %s   (or: make down)\n' \
        "$binary" "$DATA_DIR"
    exit 0
}

# Ctrl-C reaches the server, too, and a second signal would make it hurry; so it is only signalled if it does not stop by itself.
stop() {
    trap '' INT TERM
    for _ in $(seq "$1"); do
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    kill -TERM "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    farewell
}
trap 'stop 50' INT
trap 'stop 0' TERM

python3 scripts/deploy.py "http://$HTTP_ADDRESS" examples/shop.json "$server" &
watcher=$!
wait "$watcher" || { kill -TERM "$server" 2>/dev/null || true; wait "$server" || true; die "the example did not become healthy"; }

cat <<END

The shop is up.
  dashboard  http://$HTTP_ADDRESS/ui/
  API        http://$HTTP_ADDRESS/v2/apps       description: http://$HTTP_ADDRESS/openapi.json
  master     http://$MASTER_ADDRESS/state
  DNS        $DNS_ADDRESS                     try: dig @${DNS_ADDRESS%:*} -p ${DNS_ADDRESS##*:} api-shop.marathon.mesos
Ctrl-C stops this process and leaves the tasks running; 'make down' ends them.
END
wait "$server" && farewell || status=$?
die "marathon ended by itself with status $status"
