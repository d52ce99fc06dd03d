# What goes into guests: the CRX kernel and PID 1. See docs/guest.md.
#
#   make bin/guest/vmlinux                              built from Debian's kernel source
#   make bin/guest/vmlinux GUEST_KERNEL=debian-cloud   Debian's cloud kernel instead, with its modules
#   make bin/guest/crx-init

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
