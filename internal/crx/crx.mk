# The agent holds libcontainer, whose first steps inside a container are C: it is the only program built with cgo. Static, since
# the initramfs has no C library. Needs gcc, libc6-dev and libseccomp-dev.
AGENT_TAGS := osusergo netgo seccomp runc_nocriu

.PHONY: bin/guest/personalities/agent
bin/guest/personalities/agent: export CGO_ENABLED := 1
bin/guest/personalities/agent:
	@mkdir -p $(@D)
	go build -tags '$(AGENT_TAGS)' -ldflags '-s -w -linkmode external -extldflags -static' -o $@.new ./cmd/crx/agent
	@mv $@.new $@
