# Upstream's conformance tests. Nothing of this is part of make build; it takes some ten minutes on 2 cores the first time.

FOCUS ?=
SKIP ?=
PROCS ?= 2
# EXCEPTIONS=run: also what is known not to pass. RESUME=yes: without what passed on this commit.
EXCEPTIONS ?=
RESUME ?=
PACIFIC_HOME ?=
# Files of results of other runs, separated by commas.
MERGE ?=

CONFORMANCE := $(addprefix bin/conformance/,e2e.test agnhost etcd nnp pause sample-apiserver)
KUBERNETES_DIR = $(shell go list -m -f '{{.Dir}}' k8s.io/kubernetes)

.PHONY: conformance
conformance: build $(CONFORMANCE) ## Upstream's conformance tests; FOCUS=, SKIP= (regular expressions), PROCS=, PACIFIC_HOME=, RESUME=yes
	go run ./test/conformance --version $(KUBERNETES_VERSION) --commit '$(VERSION)' --kubernetes '$(KUBERNETES_DIR)' \
		--focus '$(FOCUS)' --skip '$(SKIP)' --procs $(PROCS) --home '$(PACIFIC_HOME)' \
		$(if $(EXCEPTIONS),--exceptions) $(if $(RESUME),--resume)

.PHONY: conformance-report
conformance-report: ## Write docs/conformance.md anew from the results there are; MERGE=FILE,… adds those of other runs
	go run ./test/conformance --version $(KUBERNETES_VERSION) --report-only $(if $(MERGE),--merge '$(MERGE)')

bin/conformance/e2e.test: FORCE
	go test -c -vet=off -ldflags '-s -w $(KUBERNETES_STAMP)' -o $@ k8s.io/kubernetes/test/e2e

bin/conformance/agnhost: FORCE
	go build -ldflags '-s -w -X main.Version=$(shell cat $(KUBERNETES_DIR)/test/images/agnhost/VERSION)' -o $@ k8s.io/kubernetes/test/images/agnhost

bin/conformance/etcd: FORCE
	go build -ldflags '-s -w' -o $@ go.etcd.io/etcd/server/v3

bin/conformance/nnp: FORCE
	go build -ldflags '-s -w' -o $@ k8s.io/kubernetes/test/images/nonewprivs

bin/conformance/sample-apiserver: FORCE
	go build -ldflags '-s -w' -o $@ k8s.io/sample-apiserver

bin/conformance/pause:
	@mkdir -p $(@D)
	gcc -Os -Wall -static -o $@ $(KUBERNETES_DIR)/build/pause/linux/pause.c
