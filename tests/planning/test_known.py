"""What lock, facts and tags say together of a plan's layers, before a layer is made."""

from pathlib import Path

import pytest
from support.images import drain, file_layer, plan_of

from cogpack.digest import DiffID
from cogpack.errors import MismatchError
from cogpack.layers.built import BuiltLayer
from cogpack.layers.compression import Gzip
from cogpack.layers.facts import Facts
from cogpack.layers.known import Known, Outgoing
from cogpack.layers.layer import key_of
from cogpack.lockfile import Result, Results
from cogpack.oci import LayerInfo
from cogpack.planning.known import known_layers
from cogpack.seal import Seal

WHEELS = file_layer("wheels: thing", {"opt/venv/thing.py": b"1"}, Gzip())
OWN = file_layer("project", {"src/predict.py": b"1"}, Gzip(), remembered=False)
PLAN = plan_of(WHEELS, OWN)
KEY, OWN_KEY = key_of(WHEELS), key_of(OWN)
INFO, OWN_INFO = WHEELS.copy_to(drain), OWN.copy_to(drain)
WRONG = LayerInfo(INFO.descriptor, DiffID("sha256:" + "1" * 64))
TAG = "registry.test/me/model:v1"


def results(info: LayerInfo) -> Results:
    return Results(layers=(Result.of("wheels", KEY, info),))


def said(known: Known) -> tuple[str, bool] | None:
    found = known.of(WHEELS)
    return (found.source, found.trusted) if found else None


def test_nothing_is_known_where_nobody_says_anything(tmp_path: Path) -> None:
    known = known_layers(PLAN, Results(), Facts(tmp_path))
    assert [known.of(layer) for layer in PLAN.layers] == [None, None]
    assert not Outgoing(WHEELS, known).read_first


def test_the_lock_comes_before_facts_and_facts_before_a_tag(tmp_path: Path) -> None:
    facts = Facts(tmp_path)
    tags = {TAG: {KEY: INFO}}
    assert said(known_layers(PLAN, Results(), facts, tags)) == (f"the tag {TAG}", False)
    facts.record(KEY, INFO)
    assert said(known_layers(PLAN, Results(), facts, tags)) == ("the cache", True)
    assert said(known_layers(PLAN, results(INFO), facts, tags)) == ("cogpack.lock", True)
    assert said(known_layers(PLAN, results(INFO), facts, tags, read={KEY: INFO})) == ("this run's own reading", True)


def test_no_two_may_differ(tmp_path: Path) -> None:
    facts = Facts(tmp_path)
    with pytest.raises(MismatchError, match=rf"cogpack\.lock says it is .*, the tag {TAG} says"):
        known_layers(PLAN, results(WRONG), facts, {TAG: {KEY: INFO}})
    with pytest.raises(MismatchError, match=r"this run's own reading says it is .*, cogpack\.lock says"):
        known_layers(PLAN, results(WRONG), facts, read={KEY: INFO})
    facts.record(KEY, INFO)
    with pytest.raises(MismatchError, match=r"cogpack\.lock says it is .*, the cache says") as caught:
        known_layers(PLAN, results(WRONG), facts)
    assert "from cogpack.lock and" in caught.value.next_step, "the file's own name"


def test_a_tag_is_not_asked_of_the_projects_own_layer(tmp_path: Path) -> None:
    known = known_layers(PLAN, Results(), Facts(tmp_path), {TAG: {KEY: INFO, OWN_KEY: OWN_INFO}})
    assert known.of(OWN) is None
    assert known.info(WHEELS) == INFO


def test_a_layer_of_unread_files_has_no_key_and_is_looked_up_once_they_are_read(tmp_path: Path) -> None:
    unread = [True]
    own = BuiltLayer(OWN.source, Gzip(), remembered=False, unread=lambda: bool(unread))
    facts = Facts(tmp_path)
    facts.record(OWN_KEY, OWN_INFO)
    by_facts = known_layers(plan_of(WHEELS, own), Results(), facts)
    by_tag = known_layers(plan_of(WHEELS, own), Results(), Facts(tmp_path / "no"), {TAG: {OWN_KEY: OWN_INFO}})
    assert (own.key, own.unread, by_facts.of(own)) == (None, True, None)
    unread.clear()
    assert (own.key, own.unread, by_facts.of(own)) == (OWN_KEY, False, None)
    assert by_facts.looking_for([own]).info(own) == OWN_INFO
    assert by_tag.looking_for([own]).of(own) is None, "no tag is asked of it"


def test_what_only_one_says_who_is_not_asked_is_read_before_it_is_sent(tmp_path: Path) -> None:
    """It may be there: that costs a reading, and saves the sending."""
    by_tag = known_layers(PLAN, Results(), Facts(tmp_path), {TAG: {KEY: INFO}}, tag_cache=False)
    Facts(tmp_path, Seal()).record(KEY, INFO)
    by_another_machine = known_layers(PLAN, Results(), Facts(tmp_path, Seal()))
    for known in (by_tag, by_another_machine):
        assert known.of(WHEELS) is None
        assert Outgoing(WHEELS, known).read_first
