"""Java's certificates are written with the time of each, by a script of `ca-certificates-java` that nothing tells
another one. A program in the image writes them anew: without that, no two installations would be the same layer."""

PACKAGE = "ca-certificates-java"

_PROGRAM = r"""
import hashlib, os
path = "/etc/ssl/certs/java/cacerts"
with open(path, "rb") as stream:
    whole = stream.read()
data, digest = whole[:-20], whole[-20:]

def hashed(data):
    return hashlib.sha1("changeit".encode("utf-16-be") + b"Mighty Aphrodite" + data).digest()

def after_text(at):
    return at + 2 + int.from_bytes(data[at : at + 2], "big")

time = (int(os.environ["SOURCE_DATE_EPOCH"]) * 1000).to_bytes(8, "big")
at, entries = 12, []
while at < len(data) and data[at : at + 4] == b"\0\0\0\2":  # a certificate: alias, time, type, bytes
    alias_ends = after_text(at + 4)
    type_ends = after_text(alias_ends + 8)
    ends = type_ends + 4 + int.from_bytes(data[type_ends : type_ends + 4], "big")
    entries.append(data[at:alias_ends] + time + data[alias_ends + 8 : ends])
    at = ends
if data[:8] == bytes.fromhex("feedfeed00000002") and at == len(data) and digest == hashed(data):
    data = data[:12] + b"".join(sorted(entries))
    with open(path, "wb") as stream:
        stream.write(data + hashed(data))
"""
"""JKS, version 2, with certificates alone and Debian's password (sun.security.provider.JavaKeyStore)."""

COMMAND = f"[ ! -e /etc/ssl/certs/java/cacerts ] || python3 -I - <<'EOF'{_PROGRAM}EOF"
