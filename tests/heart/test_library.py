"""cogpack as a library: the documentation's own code runs, without a network."""

import json
import os
import re
import threading
from pathlib import Path

import msgspec
import pytest
from support.world import World, ok

from cogpack import (
    Cancellation,
    Cancelled,
    Code,
    InputError,
    Note,
    Rules,
    Session,
    Settings,
    Silent,
    plan,
    push,
)  # fmt: skip

PAGE = Path(__file__).resolve().parents[2] / "docs" / "library.md"


@pytest.fixture
def settings(world: World) -> Settings:
    return Settings(directory=world.project().root, environment=world.environment)


@pytest.mark.slow
def test_the_code_of_the_documentation_runs_as_it_stands(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.project()
    monkeypatch.chdir(world.directory)
    monkeypatch.setattr(os, "environ", dict(world.environment))
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 5
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block.replace("registry.example.com", world.registry), str(PAGE), "exec"), names)
    assert {tag for tag in ("v1", "latest") if world.has("me/model", tag)} == {"v1", "latest"}
    assert (world.directory / "pulled" / "index.json").exists()


@pytest.mark.slow
def test_the_library_and_the_command_line_make_one_image(world: World, settings: Settings) -> None:
    with Session(settings) as session:
        pushed = push(session, f"{world.registry}/me/library:v1")
    done = ok(world.cogpack("push", "-C", str(settings.directory), f"{world.registry}/me/command:v1", "--json"))
    assert done.json["digest"] == pushed.digest
    assert set(json.loads(msgspec.json.encode(pushed))) == set(done.json) - {"schema_version", "notes"}


def test_one_text_as_tags_is_refused(settings: Settings) -> None:
    with Session(settings) as session, pytest.raises(TypeError, match="a list of names"):
        push(session, "localhost:1/me/model", tags="v1")


def test_a_code_of_a_note_that_there_is_not_is_refused() -> None:
    with pytest.raises(InputError, match="did you mean private-key"):
        Rules(deny=frozenset({"private-kay"}))


@pytest.mark.slow
def test_a_cancellation_from_another_thread_ends_an_act(world: World, settings: Settings) -> None:
    cancellation = Cancellation()

    class Stopped(Silent):
        sending = False

        def doing(self, verb: str) -> None:
            if verb == "send":
                self.sending = True
                threading.Thread(target=cancellation.cancel).start()

        def advance(self, size: int) -> None:
            if self.sending:
                cancellation.wait(10)

    with pytest.raises(Cancelled), Session(settings, Stopped(), cancellation) as session:
        push(session, f"{world.registry}/me/model:v1")
    assert not world.has("me/model", "v1")


def test_what_the_environment_says_holds_for_a_library_too(world: World, tmp_path: Path) -> None:
    """The cache's place, CI, and the file that holds for the machine."""
    project = world.project(files={"secrets/key.pem": PRIVATE_KEY})
    (tmp_path / "machine.toml").write_text("debian_mirror = 'http://mirror.example.com/debian'\n")
    environment = {"COGPACK_CONFIG": str(tmp_path / "machine.toml"), "CI": "1"} | dict(world.environment)
    del environment["COGPACK_DEBIAN_MIRROR"]
    with Session(Settings(directory=project.root, environment=environment)) as session:
        assert session.environment["COGPACK_DEBIAN_MIRROR"] == "http://mirror.example.com/debian"
        assert session.cache == Path(environment["COGPACK_CACHE_DIR"])
        with pytest.raises(Exception, match="private-key, denied by CI"):
            plan(session, f"{world.registry}/me/model:v1")
        assert Note in {type(note) for note in session.notes.all}
        assert Code.PRIVATE_KEY in {note.code for note in session.notes.all}


PRIVATE_KEY = "-----BEGIN PRIVATE KEY-----\n" + "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC" * 4 + "\n-----END PRIVATE KEY-----\n"
