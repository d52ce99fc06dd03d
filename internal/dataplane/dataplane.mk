bin/dataplane: FORCE
	go build -o $@ ./cmd/dataplane
