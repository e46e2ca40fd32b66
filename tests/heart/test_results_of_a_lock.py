"""Results of layers are written into the lock that they came of, and into no other."""

import pytest
from support.world import World, ok

from cogpack.oci import Descriptor, Image
from cogpack.sinks.registry import RegistrySink

pytestmark = pytest.mark.slow


def test_a_lock_that_was_made_anew_while_a_push_ran_is_left_as_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = world.project()
    ok(project.cogpack("lock"))
    lock = project.root / "cogpack.lock"
    newer = lock.read_bytes().replace(b'version = "26.0"', b'version = "27.0"')
    put = RegistrySink.put

    def during(sink: RegistrySink, image: Image) -> Descriptor:
        lock.write_bytes(newer)
        return put(sink, image)

    monkeypatch.setattr(RegistrySink, "put", during)
    done = ok(project.cogpack("push", project.target()))
    assert lock.read_bytes() == newer
    assert "note: cogpack.lock is another one than this run began with" in done.err


@pytest.mark.parametrize("written", ["1" * 5000, "-1", "٣", "999999999999"])
def test_a_source_date_that_is_none_is_refused(world: World, written: str) -> None:
    done = world.project().cogpack("lock", SOURCE_DATE_EPOCH=written)
    assert done.code == 2
    assert "error: SOURCE_DATE_EPOCH: expected seconds since 1970, found '" in done.err
