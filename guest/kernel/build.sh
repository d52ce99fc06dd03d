#!/bin/sh
# Builds the CRX kernel from Debian's kernel source package and the fragments in config/.
#
#   guest/kernel/build.sh OUT                  OUT/vmlinux, the CRX kernel
#   guest/kernel/build.sh --debian-cloud OUT   OUT/vmlinux and OUT/modules/, Debian's cloud kernel; see debian-cloud.sh
#
# Nothing is done when neither the source nor a fragment has changed. The same input gives the same vmlinux.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
if [ "${1-}" = --debian-cloud ]; then
	shift
	exec "$here/debian-cloud.sh" "$@"
fi
[ $# -eq 1 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }

mkdir -p "$1"
out=$(cd "$1" && pwd)
build=${KERNEL_BUILD_DIR:-$(cd "$here/../.." && pwd)/build/kernel}
tarball=/usr/src/linux-source-6.1.tar.xz

fail() {
	echo "build.sh: $*" >&2
	exit 1
}

[ -f "$tarball" ] ||
	fail "$tarball is missing: apt-get install \$(cat $here/packages.txt), or use Debian's kernel: $0 --debian-cloud OUT"
mkdir -p "$build"

# One build at a time in a build directory.
exec 9>"$build/lock"
flock 9

source_id=$(dpkg-query -W -f '${Version}' linux-source-6.1 2>/dev/null || sha256sum <"$tarball")
patches_id=$(cat "$here"/patches/*.patch | sha256sum | cut -d' ' -f1)
id=$(cat "$here"/config/*.config "$here/build.sh" | sha256sum | cut -d' ' -f1)
stamp="$source_id $patches_id $id"
if [ "$(cat "$build/stamp" 2>/dev/null)" = "$stamp" ] && cmp -s "$build/vmlinux" "$out/vmlinux"; then
	echo "$out/vmlinux is up to date"
	exit 0
fi

# What is left out, other architectures and drivers for hardware that no virtual machine has, is three quarters of the
# source. Kconfig reads all Kconfig files, so these stay. Files keep their time, so what was compiled before stays valid.
unpack() {
	[ "$(cat "$build/src.version" 2>/dev/null)" = "$source_id $patches_id" ] && return
	echo "unpacking $tarball ($source_id)"
	rm -rf "$build/src"
	[ "$(cut -d' ' -f1 "$build/src.version" 2>/dev/null)" = "$source_id" ] || rm -rf "$build/out"
	mkdir "$build/src"
	tar -xJf "$tarball" -C "$build/src" --strip-components=1 \
		--anchored --exclude='*/Documentation/*.rst' --exclude='*/Documentation/*.yaml' --exclude='*.dts' --exclude='*.dtsi' \
		--exclude='linux-source-6.1/arch/[a-wyz]*.[chS]' --exclude='linux-source-6.1/sound/*.[ch]' \
		--exclude='*/drivers/gpu/*.[ch]' --exclude='*/drivers/media/*.[ch]' --exclude='*/drivers/staging/*.[ch]' \
		--exclude='*/drivers/infiniband/*.[ch]' --exclude='*/drivers/net/ethernet/*.[ch]' \
		--exclude='*/drivers/net/wireless/*.[ch]'
	apply_patches
	echo "$source_id $patches_id" >"$build/src.version"
}

# The patches make a boot faster, no more. One that a new version of the source does not take any more is left out.
apply_patches() {
	for p in "$here"/patches/*.patch; do
		if patch -d "$build/src" -p1 --dry-run -s -f <"$p" >/dev/null; then
			patch -d "$build/src" -p1 -s <"$p"
		else
			echo "build.sh: warning: $p does not fit $source_id; the kernel will boot slower without it" >&2
		fi
	done
}

# allnoconfig, like tinyconfig, which also starts from it: what no fragment names and nothing selects is off.
configure() {
	cat "$here"/config/*.config >"$build/merged.config"
	make -s -C "$build/src" O="$build/out" KCONFIG_ALLCONFIG="$build/merged.config" allnoconfig
	lost=$(grep -hE '^(CONFIG_|# CONFIG_.* is not set)' "$build/merged.config" | while read -r line; do
		survived "$line" || echo "  $line"
	done)
	[ -z "$lost" ] || fail "these options of $here/config did not survive (a dependency is missing, or they were renamed):
$lost"
}

# An option that is off and not offered at all leaves no line.
survived() {
	case $1 in
	'# '*)
		name=${1#\# }
		! grep -q "^${name%% *}=" "$build/out/.config"
		;;
	*) grep -qxF "$1" "$build/out/.config" ;;
	esac
}

# The kernel writes user, host, date and count of its build into its banner.
export KBUILD_BUILD_USER=crx KBUILD_BUILD_HOST=pacific KBUILD_BUILD_VERSION=1
KBUILD_BUILD_TIMESTAMP=$(date -u -R -r "$tarball")
export KBUILD_BUILD_TIMESTAMP

unpack
mkdir -p "$build/out"
configure
make -s -C "$build/src" O="$build/out" -j"$(nproc)" vmlinux
readelf -n "$build/out/vmlinux" | grep -q Xen || fail "$build/out/vmlinux has no PVH entry note; QEMU cannot start it"

strip -o "$build/vmlinux" "$build/out/vmlinux"
cp "$build/vmlinux" "$out/.vmlinux.new"
mv "$out/.vmlinux.new" "$out/vmlinux"
rm -rf "$out/modules"
echo "$stamp" >"$build/stamp"
echo "$out/vmlinux: $(make -s -C "$build/src" O="$build/out" kernelrelease), $(stat -c %s "$out/vmlinux") bytes"
