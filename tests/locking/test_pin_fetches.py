"""What lines fetch is pinned once: a pin stays until somebody asks for another."""

from pathlib import Path

from support.fake_http import Answer, Request, serving

from cogpack.digest import sha256
from cogpack.locking.lines.pin_fetches import lacks_fetches, pin_fetches
from cogpack.run_lines import Fetch
from cogpack.session import Session, Settings


def test_a_pin_stays_when_it_is_to_be_probed_and_the_address_leads_elsewhere_by_now(tmp_path: Path) -> None:
    there = b"first" * 1000

    def script(_: Request) -> Answer:
        return 200, {}, there

    with serving(script) as fake, Session(Settings(environment={}, cache=tmp_path)) as session:
        fetches = [(0, Fetch(url=f"{fake.url}/tool", path="/opt/tool"))]
        (before,), _ = pin_fetches(session, fetches, (), ["cog.yaml:4"], probed=False)
        assert (f"sha256:{before.sha256}", before.ratio) == (sha256(there), None)
        first, there = there, b"second"
        (probed,), _ = pin_fetches(session, fetches, [before], ["cog.yaml:4"], probed=True)
        assert f"sha256:{probed.sha256}" == sha256(first)
        assert probed.ratio is not None
        assert len(fake.seen) == 1


def test_a_line_that_follows_redirects_no_more_has_no_pin_of_those_that_it_followed(tmp_path: Path) -> None:
    def script(request: Request) -> Answer:
        return (302, {"Location": "/b"}, b"") if request.path == "/a" else (200, {}, b"data")

    with serving(script) as fake, Session(Settings(environment={}, cache=tmp_path)) as session:
        following = [(0, Fetch(url=f"{fake.url}/a", path="/x"))]
        staying = [(0, Fetch(url=f"{fake.url}/a", path="/x", redirects=False))]
        pins, _ = pin_fetches(session, following, (), ["cog.yaml:4"], probed=False)
        assert not lacks_fetches(following, pins)
        assert lacks_fetches(staying, pins)
        assert pin_fetches(session, staying, pins, ["cog.yaml:4"], probed=False)[0] == ()


def test_of_two_lines_the_one_that_follows_no_redirect_is_told(tmp_path: Path) -> None:
    def script(request: Request) -> Answer:
        return (302, {"Location": "/b"}, b"") if request.path == "/a" else (200, {}, b"data")

    with serving(script) as fake, Session(Settings(environment={}, cache=tmp_path)) as session:
        both = [(step, Fetch(url=f"{fake.url}/a", path="/x", redirects=step == 0)) for step in (0, 1)]
        pins, sandboxed = pin_fetches(session, both, (), ["cog.yaml:4", "cog.yaml:5"], probed=False)
        assert (pins, [one.step for one in sandboxed]) == ((), [1])
        assert len(pin_fetches(session, both[:1], (), ["cog.yaml:4"], probed=False)[0]) == 1
