# What people download from a Supervisor: kubectl-vsphere for each platform, and kubectl for the one that it is built for anyway.
PLUGIN_PLATFORMS := linux-amd64 linux-arm64 darwin-amd64 darwin-arm64 windows-amd64
PLUGINS := $(PLUGIN_PLATFORMS:%=bin/plugins/%/vsphere-plugin.zip)
PLUGIN_STAMP := -s -w -X pacific/internal/kubectlvsphere.version=$(VERSION)
KUBECTL_PLATFORM = $(shell go env GOHOSTOS)-$(shell go env GOHOSTARCH)

bin/kubectl-vsphere: FORCE
	go build -ldflags '$(PLUGIN_STAMP)' -o $@ ./cmd/kubectl-vsphere

.PHONY: plugins
plugins: $(PLUGINS) ## The downloads of kubectl-vsphere for all platforms

$(PLUGINS): bin/plugins/%/vsphere-plugin.zip: bin/kubectl FORCE
	GOOS=$(word 1,$(subst -, ,$*)) GOARCH=$(word 2,$(subst -, ,$*)) go build -ldflags '$(PLUGIN_STAMP)' -o build/plugins/$*/ ./cmd/kubectl-vsphere
	go run ./internal/kubectlvsphere/bundle $@ build/plugins/$*/* $(if $(filter $*,$(KUBECTL_PLATFORM)),bin/kubectl)
