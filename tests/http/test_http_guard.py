"""Where a server may send us: by literal address, by name, by a name that changes its mind."""

from collections.abc import Sequence

import pytest
from support.fake_http import serving

from cogpack.errors import InputError, UnavailableError
from cogpack.http import Http
from cogpack.http.addresses import address_kind, literal_kind
from cogpack.http.guard import Guard

PUBLIC, PRIVATE = "93.184.216.34", "10.1.2.3"
NAMES = {
    "public.example": [PUBLIC],
    "company.example": [PRIVATE],
    "loop.example": ["127.0.0.1"],
    "metadata.example": ["169.254.169.254"],
    "mixed.example": [PUBLIC, "127.0.0.1"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "nat64.example": ["64:ff9b::a9fe:a9fe"],
    "inside.example": ["192.168.7.7"],
    "both.example": [PRIVATE, PUBLIC],
}


def lookup(name: str, port: int) -> Sequence[str]:
    try:
        return NAMES[name]
    except KeyError:
        raise OSError(f"no such name: {name}") from None


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.9.9.9", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::7f00:1", "loopback"),
        ("2002:7f00:1::", "loopback"),
        ("64:ff9b::7f00:1", "loopback"),
        ("0.0.0.0", "never"),
        ("::", "never"),
        ("169.254.169.254", "never"),
        ("::ffff:169.254.169.254", "never"),
        ("fe80::1%eth0", "never"),
        ("100.100.100.200", "never"),
        ("168.63.129.16", "never"),
        ("fd00:ec2::254", "never"),
        ("224.0.0.1", "never"),
        ("255.255.255.255", "never"),
        ("10.0.0.1", "private"),
        ("172.31.0.1", "private"),
        ("192.168.0.1", "private"),
        ("100.64.0.1", "private"),
        ("fd12::1", "private"),
        ("8.8.8.8", "public"),
        ("172.32.0.1", "public"),
        ("2606:4700::1111", "public"),
        ("64:ff9b::808:808", "public"),
    ],
)
def test_every_address_is_of_one_kind_however_it_is_written(address: str, kind: str) -> None:
    assert address_kind(address) == kind
    assert literal_kind(f"[{address}]:443" if ":" in address else f"{address}:443") == kind


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        ("public.example", "public.example", True),
        ("loop.example", "loop.example", True),
        ("public.example", "loop.example", False),
        ("public.example", "metadata.example", False),
        ("public.example", "mapped.example", False),
        ("public.example", "nat64.example", False),
        ("public.example", "mixed.example", False),
        ("public.example", "inside.example", False),
        ("company.example", "inside.example", True),
        ("company.example", "public.example", True),
        ("company.example", "loop.example", False),
        ("company.example", "metadata.example", False),
        ("10.9.9.9", "inside.example", True),
        (PUBLIC, "inside.example", False),
        ("localhost", "loop.example", True),
        ("127.0.0.1", "inside.example", True),
        ("127.0.0.1", "metadata.example", False),
        ("loop.example", "127.0.0.1", False),
        ("unknown.example", "inside.example", False),
    ],
)
def test_who_may_send_us_where(origin: str, host: str, allowed: bool) -> None:
    guard = Guard(lookup)
    addresses = NAMES.get(host, [host])
    if allowed:
        guard.check(host, addresses, origin=origin)
    else:
        with pytest.raises(InputError, match=f"{origin} sends us to {host}"):
            guard.check(host, addresses, origin=origin)


def test_a_host_that_was_met_in_public_stays_public_whatever_its_name_says_later() -> None:
    guard = Guard(lambda name, port: [PRIVATE])
    guard.met("registry.example", PUBLIC)
    guard.met("registry.example", PRIVATE)
    with pytest.raises(InputError, match="a private network"):
        guard.check("inside.example", ["192.168.7.7"], origin="registry.example")


def test_a_name_that_leads_to_this_machine_is_not_connected_to() -> None:
    with serving(lambda _: (200, {}, b"secret")) as fake, Http(resolver=lambda name, port: ["127.0.0.1"]) as http:
        port = fake.address.rpartition(":")[2]
        url = f"http://harmless.example:{port}/"
        with pytest.raises(InputError, match=r"registry\.example sends us to harmless\.example \(127\.0\.0\.1\)"):
            http.request("GET", url, origin="https://registry.example/v2/")
        assert fake.seen == []
        assert http.request("GET", url, origin=url).body == b"secret"  # the user's own word
        with pytest.raises(InputError):  # and its connection, though open, is not lent out
            http.request("GET", url, origin="https://registry.example/v2/")
        assert len(fake.seen) == 1


def test_a_name_that_changes_between_check_and_use_is_never_used_unchecked() -> None:
    answers = iter([[PUBLIC], ["127.0.0.1"], ["127.0.0.1"]])
    asked: list[str] = []

    def rebinding(name: str, port: int) -> Sequence[str]:
        asked.append(name)
        return next(answers)

    guard = Guard(rebinding)
    guard.check("evil.example", guard.addresses("evil.example", 80), origin="registry.example")
    with serving(lambda _: (200, {}, b"")) as fake, Http(resolver=rebinding) as http:
        port = fake.address.rpartition(":")[2]
        with pytest.raises(InputError, match="this machine itself"):
            http.request("GET", f"http://evil.example:{port}/", origin="http://registry.example")
        assert fake.seen == []
        assert asked == ["evil.example", "evil.example"]  # one look per connection, and that one counts


def test_each_hop_of_a_redirect_is_on_the_word_of_the_one_before() -> None:
    def resolver(name: str, port: int) -> Sequence[str]:
        return {"first.example": ["127.0.0.1"], "second.example": ["127.0.0.1"]}[name]

    with serving(lambda request: (200, {}, b"reached")) as storage:
        location = f"http://second.example:{storage.address.rpartition(':')[2]}/"
        with serving(lambda request: (307, {"Location": location}, b"")) as first, Http(resolver=resolver) as http:
            url = f"http://first.example:{first.address.rpartition(':')[2]}/"
            with pytest.raises(InputError, match=r"first\.example sends us to second\.example"):
                with http.follow(url, origin=url):
                    pass
        assert storage.seen == []


def test_loopback_sends_to_loopback_under_any_of_its_names() -> None:
    with serving(lambda request: (200, {}, b"reached")) as storage:
        location = f"http://storage.localhost:{storage.address.rpartition(':')[2]}/"
        with (
            serving(lambda request: (307, {"Location": location}, b"")) as first,
            Http(resolver=lambda name, port: ["127.0.0.1"]) as http,
            http.follow(first.url, origin=first.url) as stream,
        ):
            assert stream.body() == b"reached"


def test_a_company_registry_sends_to_its_company_and_a_public_one_does_not() -> None:
    guarded = Guard(lookup)
    guarded.check_name("10.0.0.9", origin="company.example")
    for origin in ("public.example", "both.example", "nowhere.example"):
        with pytest.raises(InputError, match="a private network"):
            guarded.check_name("10.0.0.9", origin=origin)


def test_a_name_without_an_address_is_unavailable() -> None:
    with Http(resolver=lookup) as http, pytest.raises(UnavailableError, match=r"nowhere\.example has no address"):
        http.request("GET", "http://nowhere.example/", origin="http://nowhere.example/", tries="once")


def test_the_next_address_is_tried_where_the_first_does_not_answer() -> None:
    with serving(lambda _: (200, {}, b"here")) as fake:
        with Http(resolver=lambda name, port: ["::1", "127.0.0.2", "127.0.0.1"]) as http:
            url = f"http://some.example:{fake.address.rpartition(':')[2]}/"
            assert http.request("GET", url, origin=url).body == b"here"
    assert fake.seen[0].headers["host"] == url.removeprefix("http://").rstrip("/")
