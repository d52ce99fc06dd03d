bin/spherelet: FORCE
	go build -ldflags '$(KUBERNETES_STAMP)' -o $@ ./cmd/spherelet
