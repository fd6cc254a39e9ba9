# make test    everything: unit, store suites on SQLite, PostgreSQL and Redis, end to end with a real browser
# make lint    format, vet, staticcheck, house rules
# make fuzz    every fuzz target for a short while
# make bench   the load program against its floor (test/load)
# make attacks the attacks that depend on numbers, at the catalogue's sizes
# make soak    every route of two nodes with the race detector, 200 requests a second; SOAK=10m
# make rolling BASE=commit  two nodes from the version of that commit to this one and back, under load
# make timing  whether the time of a failed login, identity or PIN tells why it failed (test/load)

GO ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

# The race detector where it is affordable: the pure Go SQLite under it is a hundred times slower, argon2 ten times.
RACE := ./config/... ./pkg/clientauth/... ./pkg/keys/... ./pkg/proof/... ./pkg/revocation/... ./pkg/signet/... ./pkg/web/... ./templates/...
# One binary for the services, so that a signal to make reaches them by their own process id.
SERVICES := bin/services
NODE_MODULES := test/e2e/js/node_modules/.package-lock.json
FUZZTIME ?= 10s
SOAK ?= 10m
BENCH ?=
TIMING ?=

.PHONY: test test-go lint fuzz bench attacks soak timing clean

test: $(SERVICES) $(NODE_MODULES)
	$(SERVICES) make --no-print-directory test-go

# What runs once the services are up. Timeouts are a net under a hanging test, not a budget.
# The suites under test/ start servers, stop databases and send floods: one package at a time, or they disturb each other.
test-go:
	@if [ "$$($(GO) env CGO_ENABLED)" = 1 ] && command -v $$($(GO) env CC) >/dev/null; then race=-race; \
	else race=; echo "no C compiler: the race detector stays off"; fi; \
	set -ex; \
	$(GO) test $$race -timeout 10m $(RACE); \
	$(GO) test -timeout 15m $$($(GO) list ./... | grep -v /test/ | grep -vxF "$$($(GO) list $(RACE))"); \
	$(GO) test -timeout 15m -p 1 ./test/...

$(SERVICES): $(wildcard test/services/*.go test/servers/*.go)
	$(GO) build -o $@ ./test/services

$(NODE_MODULES): test/e2e/js/package.json test/e2e/js/package-lock.json
	cd test/e2e/js && npm ci --ignore-scripts
	@touch $@

lint:
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); \
	if [ -n "$$unformatted" ]; then echo "not gofmt-ed:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	$(GO) test -count=1 ./test/arch

fuzz:
	@set -e; for file in $$(git grep -l '^func Fuzz' -- '*_test.go'); do \
		for name in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' $$file); do \
			echo "$$(dirname $$file) $$name"; \
			$(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) ./$$(dirname $$file); \
		done; \
	done

bench: $(SERVICES)
	$(GO) build -o bin/signet ./cmd/signet
	$(GO) build -o bin/load ./test/load
	SIGNET_TEST_POSTGRES_PRELOAD=pg_stat_statements $(SERVICES) bin/load bench -signet bin/signet $(BENCH)

attacks: $(SERVICES)
	$(SERVICES) $(GO) test -count=1 -timeout 60m -v ./test/attacks -parallel 1 -run 'TestCOD02|TestREF02|TestEXH01|TestEXH04|TestENU04Stuffing|TestPRS05' -full

soak: $(SERVICES)
	$(SERVICES) $(GO) test -count=1 -timeout 0 -v ./test/soak -soak $(SOAK)

rolling: $(SERVICES)
	@test -n "$(BASE)" || { echo "make rolling BASE=commit"; exit 2; }
	rm -rf bin/base && mkdir -p bin/base && git archive $(BASE) | tar -x -C bin/base
	cd bin/base && $(GO) build -o ../signet-base ./cmd/signet
	rm -rf bin/base
	SIGNET_TEST_BASE=$(CURDIR)/bin/signet-base $(SERVICES) $(GO) test -count=1 -timeout 10m -v -run TestRollingUpgrade ./test/faults

timing: $(SERVICES)
	$(GO) build -o bin/signet ./cmd/signet
	$(GO) build -o bin/load ./test/load
	$(SERVICES) bin/load timing -signet bin/signet $(TIMING)

clean:
	rm -rf bin test/e2e/js/node_modules
