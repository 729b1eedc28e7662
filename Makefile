# Two commands matter: `make run` shows it, `make test` proves it.

DATA_DIR         ?= ./marathon-data
HTTP_ADDRESS     ?= 127.0.0.1:8080
MASTER_ADDRESS   ?= 127.0.0.1:5050
DNS_ADDRESS      ?= 127.0.0.1:8053
DNS_HTTP_ADDRESS ?= 127.0.0.1:8123
AGENTS           ?= 3
AGENT_PORT       ?= 5051
SEEDS            ?= 1000

export DATA_DIR HTTP_ADDRESS MASTER_ADDRESS DNS_ADDRESS DNS_HTTP_ADDRESS AGENTS AGENT_PORT SEEDS

.PHONY: help run down test simulate bench fmt ui build

help: ## lists the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: ## builds, starts everything with SQLite, deploys examples/shop.json, stays in the foreground
	@scripts/run.sh

down: ## ends the tasks that a stopped `make run` left running
	@target/release/marathon down --data-dir "$(DATA_DIR)"

test: ## formatting, lints, docs, all tests, simulation, dashboard, browser; what CI runs
	@scripts/test.sh

simulate: ## simulated clusters with faults; SEEDS=1000
	@cargo run --locked --release -p simulation -- --seeds "$(SEEDS)"

bench: ## measures the release binary; a table for BENCHMARKS.md on standard output
	@cargo build --locked --release -p marathon
	@cargo run --locked --release -p tests --bin bench

build: ## the release binary
	@cargo build --locked --release -p marathon

fmt: ## formats the Rust code
	@cargo fmt --all

ui: ## checks, tests and rebuilds the dashboard in web-ui/dist
	@cd web-ui && npm ci --no-audit --no-fund && npm run generate && npm run check && npm test && npm run build
