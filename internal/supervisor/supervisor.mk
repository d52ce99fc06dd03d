# The supervisor and kubectl say the version of the Kubernetes that they are made of; clients choke on v0.0.0.
KUBERNETES_VERSION := v1.36.3
KUBERNETES_STAMP := $(foreach p,k8s.io/component-base/version k8s.io/client-go/pkg/version,\
	-X $(p).gitVersion=$(KUBERNETES_VERSION) \
	-X $(p).gitMajor=$(word 1,$(subst ., ,$(KUBERNETES_VERSION:v%=%))) \
	-X $(p).gitMinor=$(word 2,$(subst ., ,$(KUBERNETES_VERSION))) \
	-X $(p).gitTreeState=clean)

.PHONY: bin/supervisor bin/kubectl
bin/supervisor: ## the control plane: etcd, kube-apiserver, kube-scheduler, kube-controller-manager, our controllers
	CGO_ENABLED=0 go build -ldflags '-s -w $(KUBERNETES_STAMP)' -o $@ ./cmd/supervisor

bin/kubectl: ## upstream's kubectl of the same version
	CGO_ENABLED=0 go build -ldflags '-s -w $(KUBERNETES_STAMP)' -o $@ k8s.io/kubernetes/cmd/kubectl
