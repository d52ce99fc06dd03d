bin/center: FORCE
	go build -ldflags '$(KUBERNETES_STAMP)' -o $@ ./cmd/center
