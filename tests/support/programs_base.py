"""A base image whose programs are this machine's own, so that commands can be run over it without network."""

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.program_tree import make_tree, missing_programs

PROGRAMS = ("sh", "cat", "chmod", "chown", "head", "ln", "ls", "mkdir", "mv", "rm", "touch", "true")


SERVER = rb"""#!/bin/perl
# Stands for Python with cog.server.http: one model, which says hello.
$| = 1;
print STDERR "server: @ARGV\n";
print STDERR "token $_\n" for grep { defined } $ENV{HF_TOKEN};
print STDERR "at once: $_\n" for grep { defined } $ENV{COG_MAX_CONCURRENCY};
if (open my $weights, "<", $ENV{COG_WEIGHTS} // "") { print STDERR "weights: ", <$weights>, "\n"; }
exit 3 if ($ENV{STUB} // "") eq "end";
socket(my $listening, 2, 1, 0) or die "socket: $!";
setsockopt($listening, 1, 2, pack("i", 1));
bind($listening, pack("S n C4 x8", 2, $ENV{PORT}, 127, 0, 0, 1)) or die "bind: $!";
listen($listening, 5) or die "listen: $!";
while (accept(my $client, $listening)) {
    my $request = "";
    while (sysread($client, my $block, 65536)) {
        $request .= $block;
        my ($size) = $request =~ /content-length: (\d+)/i;
        my $at = index($request, "\r\n\r\n");
        last if $at >= 0 && length($request) - $at - 4 >= ($size // 0);
    }
    my ($text) = $request =~ /"text":"([^"]*)"/;
    my $status = ($ENV{STUB} // "") eq "setup" ? "SETUP_FAILED" : ($ENV{STUB} // "") eq "slow" ? "STARTING" : "READY";
    my $body = qq({"status":"$status","setup":{"logs":"no such weights"}});
    if ($request =~ m{^(?:PUT|POST) /(?:predictions|trainings)}) {
        print STDERR "asked\n";
        my $given = $text =~ /^file:(.*)/ ? "data:text/plain;base64,$1" : "hello $text";
        $given = "given " . length($1) if $text eq "context" && $request =~ /"replicate_api_token":"([^"]*)"/;
        $body = qq({"status":"succeeded","output":"$given","logs":"","metrics":{"predict_time":0.5}});
        $body = qq({"status":"failed","error":"ValueError: no"}) if $text eq "fail";
    }
    syswrite($client, "HTTP/1.1 200 OK\r\nContent-Length: " . length($body) . "\r\nConnection: close\r\n\r\n$body");
    close($client);
}
"""


def programs_base(
    directory: Path, programs: Sequence[str] = PROGRAMS, *, python: bytes = b"\x7fELF, or nearly"
) -> bytes:
    """Make a layer of them, in which `python` is found by its name; skip the test where this machine lacks one."""
    if missing := missing_programs(programs):
        pytest.skip(f"no {', '.join(missing)} here to make a base of")
    root = make_tree(directory / "root", programs)
    (root / "usr/bin").mkdir(parents=True, exist_ok=True)
    (root / "usr/bin/python3.13").write_bytes(python)
    (root / "usr/bin/python3.13").chmod(0o755)
    (root / "usr/bin/python3").symlink_to("python3.13")
    (root / "lib").mkdir(exist_ok=True)
    (root / "lib/libc.so.6").write_bytes(b"GNU C Library (stand-in) stable release version 2.41.\n")
    (root / "usr/local/bin").mkdir(parents=True)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.add(root, "", filter=_of_root)
    return out.getvalue()


def _of_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    return entry
