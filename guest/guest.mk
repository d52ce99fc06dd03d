# What goes into guests: the CRX kernel and PID 1. See docs/guest.md.
#
#   make bin/guest/vmlinux                              built from Debian's kernel source
#   make bin/guest/vmlinux GUEST_KERNEL=debian-cloud   Debian's cloud kernel instead, with its modules
#   make bin/guest/crx-init
#   make bin/guest/supervisor/root.ext4                 the Supervisor control plane image

GUEST_KERNEL ?= crx

.PHONY: guest
guest: bin/guest/vmlinux bin/guest/crx-init ## Build what goes into guests: kernel and PID 1

# The scripts know whether there is anything to do.
.PHONY: bin/guest/vmlinux
bin/guest/vmlinux:
ifeq ($(GUEST_KERNEL),debian-cloud)
	guest/kernel/build.sh --debian-cloud bin/guest
else
	guest/kernel/build.sh bin/guest
endif

# It is small because every start of a machine copies it.
.PHONY: bin/guest/crx-init
bin/guest/crx-init:
	CGO_ENABLED=0 go build -ldflags='-s -w' -o $@ ./cmd/crx/init

# The personality of a machine that runs an image.
.PHONY: bin/guest/personalities/appliance
bin/guest/personalities/appliance:
	@mkdir -p $(@D)
	CGO_ENABLED=0 go build -ldflags='-s -w' -o $@.new ./cmd/crx/appliance
	@mv $@.new $@

# The Supervisor control plane image. See docs/control-plane-image.md.
.PHONY: bin/guest/supervisor/root.ext4
bin/guest/supervisor/root.ext4: bin/supervisor plugins
	guest/supervisor/build.sh bin '$(VERSION)' $(@D)
