#!/bin/sh
# Builds the Supervisor control plane image: the read-only root disk of a control plane machine.
#
#   guest/supervisor/build.sh BIN VERSION OUT     OUT/root.ext4 and OUT/version
#
# It holds BIN/supervisor, BIN/plugins, which it offers for download, the nft that it programs Services with, and the authorities of public
# certificates. No privilege is needed, and nothing is mounted. Nothing is done when nothing has changed.
set -eu
[ $# -eq 3 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
program=$1/supervisor plugins=$1/plugins version=$2
mkdir -p "$3"
out=$(cd "$3" && pwd)

fail() {
	echo "build.sh: $*" >&2
	exit 1
}

nft=$(PATH=$PATH:/usr/sbin:/sbin command -v nft) || fail "nft is missing: apt-get install nftables"
mke2fs=$(PATH=$PATH:/usr/sbin:/sbin command -v mke2fs) || fail "mke2fs is missing: apt-get install e2fsprogs"
authorities=/etc/ssl/certs/ca-certificates.crt
[ -f "$authorities" ] || fail "$authorities is missing: apt-get install ca-certificates"
# What nft is linked with, by the paths that its loader looks at.
libraries=$(ldd "$nft" | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p; s/^[[:space:]]*\(\/[^ ]*\) .*/\1/p')

stamp=$({
	cat "$program" "$nft" $libraries "$authorities" "$0"
	[ ! -d "$plugins" ] || find "$plugins" -type f | sort | xargs -r cat
} | sha256sum | cut -d' ' -f1)
if [ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ] && [ -f "$out/root.ext4" ]; then
	[ "$(cat "$out/version" 2>/dev/null)" = "$version" ] || echo "$version" >"$out/version"
	echo "$out/root.ext4 is up to date"
	exit 0
fi

tree=$(mktemp -d)
trap 'rm -rf "$tree" "$out/root.ext4.new"' EXIT
mkdir -p "$tree/dev" "$tree/etc/ssl/certs" "$tree/proc" "$tree/root" "$tree/run" "$tree/sys" "$tree/tmp" \
	"$tree/usr/bin" "$tree/usr/sbin" "$tree/usr/libexec/kubernetes/kubelet-plugins/volume/exec" "$tree/var/lib/pacific"
ln -s usr/bin "$tree/bin"
ln -s usr/sbin "$tree/sbin"
install -m 0755 "$program" "$tree/usr/bin/supervisor"
[ ! -d "$plugins" ] || cp -r --no-preserve=all "$plugins" "$tree/usr/bin/plugins"
install -m 0755 "$nft" "$tree/usr/sbin/nft"
for library in $libraries; do
	mkdir -p "$tree$(dirname "$library")"
	install -m 0755 "$library" "$tree$library"
done
install -m 0644 "$authorities" "$tree$authorities"
ln -s /usr/bin/supervisor "$tree/init"
for file in resolv.conf hosts hostname; do ln -s "/run/pacific/etc/$file" "$tree/etc/$file"; done
echo 'root:x:0:0:root:/root:/sbin/nologin' >"$tree/etc/passwd"
echo 'root:x:0:' >"$tree/etc/group"
cp /etc/protocols "$tree/etc/protocols" 2>/dev/null || : # nft names protocols by it where it is there
find "$tree" -exec touch -h -d @0 {} +

# Without a journal, since it is never written; with as many inodes as there are files, and a little space for the tables.
size=$(($(du -sk "$tree" | cut -f1) * 103 / 100 + 2048))
rm -f "$out/root.ext4.new"
E2FSPROGS_FAKE_TIME=1 "$mke2fs" -q -F -t ext4 -d "$tree" -b 4096 -m 0 -N 256 -O '^has_journal,^resize_inode,^metadata_csum_seed' \
	-E root_owner=0:0,hash_seed=5061c1f1-c000-4000-8000-000000000000,no_copy_xattrs \
	-U 5061c1f1-c000-4000-8000-000000000001 -L supervisor "$out/root.ext4.new" "${size}k"
# A machine that runs keeps the file that it has open.
mv "$out/root.ext4.new" "$out/root.ext4"
echo "$version" >"$out/version"
echo "$stamp" >"$out/stamp"
echo "$out/root.ext4: $version, $(stat -c %s "$out/root.ext4") bytes"
