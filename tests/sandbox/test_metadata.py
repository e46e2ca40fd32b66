"""No guest that is not to gets at a cloud's metadata, whatever it does with its sockets."""

import errno
import socket
from contextlib import ExitStack, closing
from typing import Any

import pytest
from support.guests import perl, run_once
from support.networks import in_own_network

from cogpack.sandbox.rungs.choice import Rung
from cogpack.sandbox.system_calls import metadata
from cogpack.sandbox.system_calls.listener import Notification
from cogpack.sandbox.system_calls.metadata import NoMetadata, is_metadata, keep_out

AWS, AWS_6, ALIBABA, ELSEWHERE, ELSEWHERE_6 = (
    *("169.254.169.254", "fd00:ec2::254", "100.100.100.200"),
    *("100.100.100.201", "fd00:ec3::254"),
)
ADDRESSES = (AWS, AWS_6, ALIBABA, ELSEWHERE, ELSEWHERE_6, "64:ff9b::a9fe:a9fe")


@pytest.mark.parametrize(
    ("address", "port", "is_one"),
    [
        (AWS, 80, True),
        (AWS, 53, False),  # Google's DNS
        ("169.254.170.2", 80, True),
        ("::ffff:169.254.169.254", 80, True),
        ("64:ff9b::a9fe:a9fe", 80, True),
        ("64:ff9b::101:101", 80, False),
        (AWS_6, 443, True),
        ("fd20:ce::254", 80, True),
        (ALIBABA, 80, True),
        (ELSEWHERE, 80, False),
        ("169.253.169.254", 80, False),
        (ELSEWHERE_6, 80, False),
        ("::1", 80, False),
    ],
)
def test_metadata_is_known_by_its_addresses(address: str, port: int, is_one: bool) -> None:
    assert is_metadata(address, port) is is_one


def servers(stack: ExitStack) -> None:
    for address in ADDRESSES:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        for port in (80, 53):
            stack.enter_context(socket.create_server((address, port), family=family))


@pytest.mark.slow
def test_a_socket_with_the_filter_connects_to_all_else() -> None:
    def connected(address: str, port: int, family: int, *, guarded: bool = True) -> bool:
        with closing(socket.socket(family)) as made:
            if guarded:
                keep_out(made)
                with pytest.raises(PermissionError):
                    made.setsockopt(socket.SOL_SOCKET, 27, 0)  # SO_DETACH_FILTER
            made.settimeout(0.05)
            try:
                made.connect((address, port))
            except TimeoutError:
                return False
        return True

    def act() -> None:
        with ExitStack() as stack:
            servers(stack)
            assert connected(AWS, 80, socket.AF_INET, guarded=False)
            assert not connected(AWS, 80, socket.AF_INET)
            assert not connected(ALIBABA, 80, socket.AF_INET)
            assert not connected(f"::ffff:{AWS}", 80, socket.AF_INET6)
            assert not connected(AWS_6, 80, socket.AF_INET6)
            assert not connected("64:ff9b::a9fe:a9fe", 80, socket.AF_INET6)
            assert connected(AWS, 53, socket.AF_INET)
            assert connected(ELSEWHERE, 80, socket.AF_INET)
            assert connected(ELSEWHERE_6, 80, socket.AF_INET6)
            assert connected(f"::ffff:{ELSEWHERE}", 80, socket.AF_INET6)

    in_own_network(ADDRESSES, act)


TRY = """
socket(S, 2, 1, 6) or die "socket: $!"; fcntl(S, 4, 2048);  # O_NONBLOCK
my $done = connect(S, pack("Sna4x8", 2, 80, pack("C4", split /[.]/, $ARGV[0]))) || $! == 115;  # EINPROGRESS
if (!$done) { print "$!"; exit }
my $wanted = ""; vec($wanted, fileno(S), 1) = 1; select(undef, $wanted, undef, 0.2);
print getpeername(S) ? "through" : "nothing";
"""
LISTENING = pytest.mark.parametrize("rung", list(Rung))


@pytest.mark.slow
@LISTENING
def test_a_guest_is_told_that_it_is_refused(tree: Any, rung: Rung) -> None:
    def act() -> list[str]:
        with ExitStack() as stack:
            servers(stack)
            return [run_once(tree, rung, perl(TRY, address), metadata=False).output for address in (AWS, ELSEWHERE)]

    assert in_own_network(ADDRESSES, act) == ["Permission denied", "through"]


@pytest.mark.slow
def test_where_filters_are_for_others_sockets_are_had_all_the_same(tree: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: socket.socket) -> None:
        raise PermissionError(errno.EPERM, "CAP_NET_ADMIN is wanted")

    monkeypatch.setattr(metadata, "keep_out", refused)

    def act() -> list[str]:
        with ExitStack() as stack:
            servers(stack)
            return [
                run_once(tree, Rung.USERNS, perl(TRY, address), metadata=False).output for address in (AWS, ELSEWHERE)
            ]

    assert in_own_network(ADDRESSES, act) == ["Permission denied", "through"]


@pytest.mark.slow
@LISTENING
def test_a_guest_that_shows_us_another_address_than_the_kernel_gets_nothing(
    tree: Any, rung: Rung, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As another thread could that writes it anew in time."""
    monkeypatch.setattr(metadata, "is_metadata", lambda *_: False)

    def act() -> str:
        with ExitStack() as stack:
            servers(stack)
            return run_once(tree, rung, perl(TRY, AWS), metadata=False).output

    assert in_own_network(ADDRESSES, act) == "nothing"


@pytest.mark.parametrize("filtered", [True, False])
def test_who_hides_his_memory_connects_nowhere_if_no_filter_keeps_him_from_it(
    monkeypatch: pytest.MonkeyPatch, filtered: bool
) -> None:
    class Hidden(Notification):
        def memory(self, address: int, size: int) -> bytes:
            raise PermissionError(errno.EPERM, "PR_SET_DUMPABLE")

        def give(self, file: int, *, inherited: bool) -> None:
            self.answered = True

    def lay(_: socket.socket) -> None:
        if not filtered:
            raise PermissionError(errno.EPERM, "CAP_NET_ADMIN is wanted")

    monkeypatch.setattr(metadata, "keep_out", lay)
    handler = NoMetadata()
    assert handler.answer(Hidden(0, 0, 0, "socket", (socket.AF_INET, socket.SOCK_STREAM, 0))) is None
    answer = handler.answer(Hidden(0, 0, 0, "connect", (3, 0x1000, 16)))
    assert answer == (None if filtered else errno.EACCES)


def test_it_answers_for_the_calls_that_the_filter_stops() -> None:
    assert set(NoMetadata().calls) == {"socket", "connect"}


def test_a_process_that_was_killed_meanwhile_has_no_text() -> None:
    """/proc/PID/mem is at its end then, for as long as somebody has it open (Linux before 6.16: of a zombie, too)."""

    class Gone(Notification):
        def memory(self, address: int, size: int) -> bytes:
            return b""

    with pytest.raises(ProcessLookupError):
        Gone(-1, 0, 1, "chown", []).text(4096)
