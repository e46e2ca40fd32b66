#!/bin/sh
# As root on Debian: what the integration tests need and is missing. Anywhere else: a line that says what will skip.
set -u
# Arguments: packages besides.
wanted="$* docker-registry docker.io containerd skopeo podman catatonit umoci runc iptables uidmap proot chromium-headless-shell"
# Only newer suites have these two; unpacked into .tools, not installed.
newer="crane oras"
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
missing=""
for package in $newer; do
    [ -x ".tools/usr/bin/$package" ] || missing="$missing $package/$suite"
done
[ -z "$missing" ] && exit 0
echo "unpacking$missing"
apt=$(mktemp -d)
trap 'rm -rf "$apt"' EXIT
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" .tools
# The mirror that this machine uses, at another suite.
mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -E '^(URIs:|deb )' | grep -v security |
    grep -oE 'https?://[^ ]+' | head -n 1)
key=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$key] ${mirror:-http://ftp.debian.org/debian} $suite main" >"$apt/list"
options="-qq -o Dir::Etc::sourcelist=$apt/list -o Dir::Etc::sourceparts=- -o Dir::State::lists=$apt/lists"
options="$options -o Dir::Cache=$apt/cache -o APT::Sandbox::User=root"
if (apt-get $options update && cd "$apt" && apt-get $options download $missing) >/dev/null; then
    for package in "$apt"/*.deb; do dpkg-deb -x "$package" .tools; done
else
    echo "they could not be fetched; tests that need them will say so and skip"
fi
exit 0
