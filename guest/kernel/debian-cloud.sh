#!/bin/sh
# Takes Debian's cloud kernel for CRX machines, where the CRX kernel cannot be built. It boots about three times slower.
#
#   guest/kernel/debian-cloud.sh OUT           OUT/vmlinux, OUT/modules/*.ko, OUT/modules/load
#
# The package is downloaded and unpacked, not installed. OUT/modules/load names the modules in the order of loading;
# PID 1 loads them. This kernel finds its devices by ACPI only, so a machine with OUT/modules needs acpi=on.
# Needs: apt-get, dpkg-deb, lz4, od, readelf, depmod's modules.dep (in the package or made by depmod of kmod).
set -eu

# What a CRX has or may be given; see config/ for the reasons. What is built in is skipped.
wanted="virtio_mmio virtio_console virtio_scsi sd_mod virtio_net virtio-rng virtio_balloon
	erofs ext4 overlay fuse loop veth dummy tun
	nf_tables nft_compat nft_ct nft_nat nft_masq nft_redir nft_reject_inet nft_limit
	xt_conntrack xt_REDIRECT xt_MASQUERADE xt_comment xt_multiport xt_owner xt_mark xt_addrtype
	iptable_filter iptable_nat iptable_mangle ip6table_filter ip6table_nat ip6table_mangle"

fail() {
	echo "debian-cloud.sh: $*" >&2
	exit 1
}

[ $# -eq 1 ] || { sed -n '2,4s/^# \{0,1\}//p' "$0" >&2; exit 2; }
for tool in lz4 readelf depmod; do
	command -v $tool >/dev/null || fail "$tool is missing: apt-get install lz4 binutils kmod"
done
mkdir -p "$1"
out=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p' | head -1)
[ -n "$package" ] || fail "apt knows no linux-image-cloud-amd64: apt-get update"
(cd "$work" && apt-get download "$package")
dpkg-deb -x "$work/$package"_*.deb "$work/root"
image=$(echo "$work"/root/boot/vmlinuz-*)
version=${image##*/vmlinuz-}
tree=$work/root/lib/modules/$version

# The compressed kernel inside a bzImage: its place stands in the header (Documentation/x86/boot.rst).
number() { od -An -v -t "u$3" -j "$2" -N "$3" "$1" | tr -d ' '; }
payload=$((($(number "$image" 497 1) + 1) * 512 + $(number "$image" 584 4)))
length=$(number "$image" 588 4)
# The last 4 bytes are the length of the unpacked kernel, at which lz4 stumbles after its work is done.
tail -c +$((payload + 1)) "$image" | head -c "$length" | lz4 -dcq >"$work/vmlinux" 2>"$work/lz4.log" || true
[ "$(stat -c %s "$work/vmlinux")" -eq "$(number "$image" $((payload + length - 4)) 4)" ] ||
	fail "$image cannot be unpacked: $(cat "$work/lz4.log")"
readelf -n "$work/vmlinux" 2>/dev/null | grep -q Xen || fail "the kernel of $package has no PVH entry note; QEMU cannot start it"

# Dependencies come first, each module once.
depmod -b "$work/root" "$version"
mkdir -p "$work/modules"
add() {
	file=$(basename "$1")
	grep -qxF "$file" "$work/modules/load" 2>/dev/null && return
	cp "$tree/$1" "$work/modules/$file"
	echo "$file" >>"$work/modules/load"
}
for name in $wanted; do
	line=$(grep -E "(^|/)$name\.ko:" "$tree/modules.dep") || {
		grep -qE "(^|/)$name\.ko\$" "$tree/modules.builtin" || fail "$package has no module $name"
		continue
	}
	# modules.dep lists the nearest dependency first.
	reversed=
	for dependency in ${line#*:}; do reversed="$dependency $reversed"; done
	for path in $reversed ${line%%:*}; do add "$path"; done
done

rm -rf "$out/modules.new"
mv "$work/modules" "$out/modules.new"
rm -rf "$out/modules"
mv "$out/modules.new" "$out/modules"
cp "$work/vmlinux" "$out/.vmlinux.new"
mv "$out/.vmlinux.new" "$out/vmlinux"
echo "$out/vmlinux: $version, $(wc -l <"$out/modules/load") modules"
