bin/center: FORCE
	go build -o $@ ./cmd/center
