#!/bin/sh
# As root on Debian: what the integration tests need and is missing. Anywhere else: a line that says what will skip.
set -u
# Arguments: packages besides.
wanted="$* docker-registry docker.io containerd skopeo podman catatonit umoci runc iptables uidmap proot valgrind chromium-headless-shell"
# Only newer suites have crane, oras, and a Docker of these days ($NEWER_DOCKER); unpacked into .tools, not installed.
suite=forky
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "not root on Debian: integration tests whose programs are missing will say so and skip"
    exit 0
fi
missing=""
for package in $wanted; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing="$missing $package"
done
if [ -n "$missing" ]; then
    echo "installing$missing"
    export DEBIAN_FRONTEND=noninteractive
    # A daemon that the package would start is not ours to use: tests start their own.
    if ! { apt-get update -qq && apt-get install -qq -y --no-install-recommends $missing >/dev/null; }; then
        echo "some of these could not be installed; tests that need them will say so and skip"
    fi
fi

cd "$(dirname "$0")/.." || exit 0
# The mirror that this machine uses, at another suite.
mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -E '^(URIs:|deb )' | grep -v security |
    grep -oE 'https?://[^ ]+' | head -n 1)
key=/usr/share/keyrings/debian-archive-keyring.gpg
apt=$(mktemp -d)
trap 'rm -rf "$apt"' EXIT

unpack() {
    into=$1
    shift
    missing=""
    for package in "$@"; do
        [ -e "$into/usr/share/doc/$package" ] || missing="$missing $package/$suite"
    done
    [ -z "$missing" ] && return
    echo "unpacking$missing"
    rm -f "$apt"/*.deb
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$into"
    echo "deb [signed-by=$key] ${mirror:-http://ftp.debian.org/debian} $suite main" >"$apt/list"
    options="-qq -o Dir::Etc::sourcelist=$apt/list -o Dir::Etc::sourceparts=- -o Dir::State::lists=$apt/lists"
    options="$options -o Dir::Cache=$apt/cache -o APT::Sandbox::User=root"
    if (apt-get $options update && cd "$apt" && apt-get $options download $missing) >/dev/null; then
        for package in "$apt"/*.deb; do dpkg-deb -x "$package" "$into"; done
    else
        echo "they could not be fetched; tests that need them will say so and skip"
    fi
}

unpack .tools crane oras
[ -z "${NEWER_DOCKER:-}" ] || unpack .tools/docker docker.io containerd
exit 0
