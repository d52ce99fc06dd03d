# make help explains the targets.

# Everything is built without cgo, except the agent, whose libcontainer needs it.
export CGO_ENABLED := 0

# A Go that hack/install-go.sh had to fetch comes first.
export PATH := $(CURDIR)/.tools/go/bin:$(PATH)

HOME_DIR ?= /var/lib/pacific
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

.DEFAULT_GOAL := help

## Using it

.PHONY: up
up: build ## Install what is missing, build, bring up three hosts and a Supervisor, run the demo
	bin/pacific up --home $(HOME_DIR)
	bin/pacific demo --home $(HOME_DIR)

.PHONY: down
down: bin/pacific ## Stop everything that up started; the cluster's state stays
	bin/pacific down --home $(HOME_DIR)

.PHONY: purge
purge: bin/pacific ## Stop everything and delete the cluster's state
	bin/pacific down --purge --home $(HOME_DIR)

## Building it

PROGRAMS := pacific center supervisor kubectl kubectl-vsphere hostd tcgtrim.so spherelet dataplane registry examples/web
GUEST := vmlinux crx-init personalities/agent personalities/fetcher personalities/appliance supervisor/root.ext4

# The kernel is compiled while modules are downloaded; the programs one after another, since they share packages.
.PHONY: build
build: install ## Build all programs into bin/ and what goes into guests into bin/guest/
	@$(MAKE) --no-print-directory -j2 bin/guest/vmlinux programs

.PHONY: programs
programs:
	@$(MAKE) --no-print-directory -j1 $(PROGRAMS:%=bin/%) $(filter-out bin/guest/vmlinux,$(GUEST:%=bin/guest/%)) plugins

.PHONY: install
install: ## Install missing Debian packages, see hack/packages.txt
	@hack/install-packages.sh
	@hack/install-go.sh

.PHONY: generate
generate: ## Generate the Go code of api/*.proto anew
	api/generate.sh

.PHONY: clean
clean: ## Delete what was built
	rm -rf bin build

## Testing it

UNIT_TIMEOUT ?= 10m
E2E_TIMEOUT ?= 20m

# The agent is the only program with cgo, so its packages are tested by a command of their own.
AGENT_PACKAGES := ./internal/crx/agent/... ./cmd/crx/agent
PACKAGES = $(shell go list -e ./... | grep -vE '^pacific/(internal/crx/agent|cmd/crx/agent)')
# Packages with tests of the tag. test/e2e brings up an instance; the others test one part on the real thing.
E2E_PACKAGES ?= $(shell grep -rlE '^//go:build.*e2e' --include=*_test.go guest internal test | xargs -n 1 dirname | \
	sort -u | grep -v '^internal/crx/agent' | sed 's,^,./,')

.PHONY: test
test: build unit e2e-agent e2e ## All tests: unit, contract and end-to-end

.PHONY: unit
unit: ## go vet, unit and contract tests
	go vet $(PACKAGES)
	go test -timeout $(UNIT_TIMEOUT) $(PACKAGES)
	CGO_ENABLED=1 go vet -tags '$(AGENT_TAGS)' $(AGENT_PACKAGES)
	CGO_ENABLED=1 go test -tags '$(AGENT_TAGS)' -timeout $(UNIT_TIMEOUT) $(AGENT_PACKAGES)

.PHONY: e2e
e2e: build ## End-to-end tests on the real thing; E2E="-run NAME -v" and E2E_PACKAGES=./test/e2e choose
	go test -tags e2e -count 1 -p 1 -timeout $(E2E_TIMEOUT) $(E2E) $(E2E_PACKAGES)

# One of the packages that are tested with cgo.
.PHONY: e2e-agent
e2e-agent: build
	CGO_ENABLED=1 go test -tags 'e2e $(AGENT_TAGS)' -count 1 -timeout $(E2E_TIMEOUT) $(E2E) ./internal/crx/agent

SEED ?= 0
DURATION ?= 10m

.PHONY: chaos
chaos: build ## Kill daemons and machines at random while pods change, DURATION=10m; SEED=n draws the same again
	PACIFIC_CHAOS=1 go test -tags e2e -count 1 -v -timeout 0 ./test/chaos -run TestChaos -seed $(SEED) -duration $(DURATION) -settle 10m

.PHONY: bench
bench: build ## Measure starts (one, 20, 100 pods), memory, idle time; BENCH="--only start" chooses
	go run ./test/bench $(BENCH)

.PHONY: measurements
measurements: build ## Measure all with 100 pods held for ten minutes, and write docs/measurements.md
	go run ./test/bench --hold 10m --output page $(BENCH) >build/measurements.md
	mv build/measurements.md docs/measurements.md

## Keeping it clean

# Pinned here and run in a module of its own, so that linters do not choose the versions of our dependencies.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: lint
lint: ## gofmt, go vet, staticcheck
	@unformatted=$$(gofmt -l api cmd examples internal test); \
	if [ -n "$$unformatted" ]; then echo "not formatted: $$unformatted; run make format" >&2; exit 1; fi
	@go vet -tags e2e $(PACKAGES)
	@CGO_ENABLED=1 go vet -tags 'e2e $(AGENT_TAGS)' $(AGENT_PACKAGES)
	@go run $(STATICCHECK) -tags e2e $(PACKAGES)
	@CGO_ENABLED=1 go run $(STATICCHECK) -tags 'e2e $(AGENT_TAGS)' $(AGENT_PACKAGES)

.PHONY: format
format: ## gofmt -w
	gofmt -w api cmd examples internal test

.PHONY: help
help: ## Show this text
	@awk -F ': .*## ' \
		'/^## / { printf "\n%s\n", substr($$0, 4) } \
		/^[a-z0-9 -]+:.* ## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile
	@printf '\n%s\n' 'Variables: HOME_DIR (of up, down), GUEST_KERNEL=debian-cloud (no kernel build), E2E, E2E_PACKAGES, SEED, DURATION, BENCH, UNIT_TIMEOUT, E2E_TIMEOUT'

# go build knows what is up to date.
.PHONY: FORCE
FORCE:

bin/pacific: FORCE
	go build -ldflags '$(KUBERNETES_STAMP) -X pacific/internal/cli.version=$(VERSION)' -o $@ ./cmd/pacific

bin/hostd: FORCE
	go build -ldflags '-X main.version=$(VERSION)' -o $@ ./cmd/hostd

bin/registry: FORCE
	go build -o $@ ./cmd/registry

bin/examples/web: FORCE
	go build -ldflags '-s -w' -o $@ ./examples/web

-include guest/guest.mk
-include internal/host/vmm/qemu/tcgtrim/tcgtrim.mk
-include internal/crx/crx.mk
-include internal/crx/fetcher/fetcher.mk
-include internal/center/center.mk
-include internal/supervisor/supervisor.mk
-include internal/kubectlvsphere/kubectlvsphere.mk
-include internal/spherelet/spherelet.mk
-include internal/dataplane/dataplane.mk
-include test/conformance/conformance.mk
