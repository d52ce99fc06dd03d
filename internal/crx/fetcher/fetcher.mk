# The personality of the image service. Stripped: it is part of an initial root file system.
bin/guest/personalities/fetcher: FORCE
	@mkdir -p $(@D)
	go build -ldflags '-s -w' -o $@.new ./cmd/crx/fetcher
	@mv $@.new $@
