#!/bin/bash
# arm64_libs.sh DIR - Debian's arm64 packages of jansson, PCRE2 and utf8proc, unpacked (not installed) under DIR.
#
# For `make aarch64`. apt works in a folder of its own here, with the machine's sources and keys: this needs no root, adds
# no foreign architecture and upgrades nothing. Quiet when they are there already.
set -u
[ $# -eq 1 ] || { echo "usage: tools/arm64_libs.sh DIR" >&2; exit 2; }
packages=(libjansson-dev libjansson4 libpcre2-dev libpcre2-8-0 libutf8proc-dev libutf8proc2)
mkdir -p "$1" && root=$(cd "$1" && pwd) || exit 2
[ "$(cat "$root/packages" 2> /dev/null)" = "${packages[*]}" ] && exit 0
for tool in apt-get dpkg-deb; do
    command -v $tool > /dev/null ||
        { echo "arm64_libs.sh: there is no $tool: unpack the arm64 packages ${packages[*]} in $root by hand," \
               "then write their names, on one line, to $root/packages" >&2; exit 3; }
done

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$tmp"/{state/lists,cache/archives}/partial "$tmp/debs"
: > "$tmp/state/status"
apt() {
    apt-get -q -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State="$tmp/state" \
        -o Dir::State::status="$tmp/state/status" -o Dir::Cache="$tmp/cache" -o APT::Sandbox::User="$(id -un)" "$@" \
        < /dev/null >> "$tmp/log" 2>&1
}
echo "arm64_libs.sh: fetching ${packages[*]} for arm64"
apt update # a source without arm64 is no reason to stop; what is missing shows in the download
if ! (cd "$tmp/debs" && apt download "${packages[@]}"); then
    tail -n 20 "$tmp/log" >&2
    echo "arm64_libs.sh: apt-get could not download the arm64 packages; its last words are above" >&2
    exit 3
fi
for deb in "$tmp"/debs/*.deb; do dpkg-deb -x "$deb" "$root" || exit 3; done
echo "${packages[*]}" > "$root/packages"
