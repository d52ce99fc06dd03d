bin/tcgtrim.so: internal/host/vmm/qemu/tcgtrim/tcgtrim.c
	@mkdir -p $(@D)
	gcc -O2 -Wall -Wextra -Werror -fPIC -fvisibility=hidden -shared -o $@.new $<
	@mv $@.new $@
