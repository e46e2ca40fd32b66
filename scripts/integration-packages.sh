#!/bin/sh
# As root on Debian: what the integration tests need and is missing. Anywhere else: a line that says what will skip.
set -u
wanted="docker-registry docker.io containerd skopeo podman umoci runc iptables uidmap"
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "not root on Debian: integration tests whose programs are missing will say so and skip"
    exit 0
fi
missing=""
for package in $wanted; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
echo "installing$missing"
export DEBIAN_FRONTEND=noninteractive
# A daemon that the package would start is not ours to use: tests start their own.
if ! { apt-get update -qq && apt-get install -qq -y --no-install-recommends $missing >/dev/null; }; then
    echo "some of these could not be installed; tests that need them will say so and skip"
fi
exit 0
