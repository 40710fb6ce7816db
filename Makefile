# make build   the ottla binary, in bin/
# make test    everything: unit, race, model, fuzz seeds, and compat-tests/ with foreign clients and tools
# make bench   the Go benchmarks
# make soak    longer campaigns: fuzzing, crashes, kills (SOAK=minutes for each, 10 if not given)

SOAK ?= 10

.PHONY: build test bench soak generate

build:
	CGO_ENABLED=0 go build -trimpath -o bin/ottla .

test:
	go run ./internal/testrunner

bench:
	go test -run '^$$' -bench . -benchmem $$(go list ./... | grep -v /compat-tests)

soak:
	OTTLA_SOAK_MINUTES=$(SOAK) internal/testrunner/soak.sh

generate:
	go generate ./...
