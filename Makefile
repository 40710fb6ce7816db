# make build   the ottla binary, in bin/
# make test    everything: unit, race, model, fuzz seeds, and compat-tests/ with foreign clients and tools
# make bench   Ottla, Apache Kafka and the floor on the same work; writes docs/benchmarks.md
#              (BENCH="produce fetch": some rows, ROUNDS: 3 if not given, QUICK=1: a try-out that writes nothing)
# make bench-go  the Go benchmarks
# make soak    longer campaigns: fuzzing, crashes, kills (SOAK=minutes for each, 10 if not given)

SOAK ?= 10
BENCH ?=
ROUNDS ?= 3
QUICK ?=

.PHONY: build test bench bench-go soak generate

build:
	CGO_ENABLED=0 go build -trimpath -o bin/ottla .

test:
	go run ./internal/testrunner

bench:
	go run ./compat-tests/bench -rows "$(BENCH)" -rounds $(ROUNDS) $(if $(QUICK),-quick)

bench-go:
	go test -run '^$$' -bench . -benchmem $$(go list ./... | grep -v /compat-tests)

soak:
	OTTLA_SOAK_MINUTES=$(SOAK) internal/testrunner/soak.sh

generate:
	go generate ./...
