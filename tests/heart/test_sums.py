"""What a command says at its end: what moved, what changed, what comes next."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console
from support.wheels import make_wheel
from support.world import Project, World, noise, ok

from cogpack.console import Live
from cogpack.lockfile import read_lock

pytestmark = pytest.mark.slow

NUMBER = r"[0-9.]+ [kMG]?B"
TIME = r"(?:[0-9]+ min )?[0-9.]+ s"


@pytest.fixture
def project(world: World) -> Project:
    for name in ("numbers", "pictures"):
        make_wheel(world.wheels, name, "1.0")
    return world.project(files={"model/w.pt": noise(100_000)}, requirements="numbers\npictures\n")


def versions(project: Project) -> dict[str, str]:
    lock = read_lock(project.root / "cogpack.lock")
    assert lock
    return {wheel.name: wheel.version for wheel in lock.platforms["linux/amd64"].wheels}


def changed(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(("added ", "removed ", "moved ", "changed "))]


def test_a_push_says_bytes_time_and_rate_and_what_it_did_not_send(project: Project) -> None:
    first = ok(project.cogpack("push", project.target())).err.splitlines()[-1]
    assert re.fullmatch(rf"sent {NUMBER} in \d+ requests and {TIME}, {NUMBER}/s; reused {NUMBER}", first), first
    again = ok(project.cogpack("push", project.target())).err.splitlines()[-1]
    assert re.fullmatch(rf"sent nothing, in {TIME}; reused {NUMBER} \(known from .*\)", again), again
    other = ok(project.cogpack("push", project.target("v2"))).err.splitlines()[-1]
    assert re.match(rf"sent {NUMBER} in 1 request and ", other), other
    assert ok(project.cogpack("push", "-q", project.target())).err == ""


def test_on_a_terminal_the_next_command_is_said(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pushed = ok(project.cogpack("push", project.target()))
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=200, height=50)
    monkeypatch.setattr("cogpack.console.open_progress", lambda cancellation, **_: Live(cancellation, console=console))
    for words, said in (
        (("push", project.target()), f"next: docker run -p 5000:5000 {project.target()}"),
        (("build", "-o", f"{tmp_path}/out.tar"), f"next: docker load -i {tmp_path}/out.tar"),
        (("build", "-o", f"{tmp_path}/out"), f"next: cogpack copy {tmp_path}/out HOST/NAME:TAG"),
    ):
        ok(project.cogpack(*words))
        assert said in written.getvalue()
        written.truncate(0)
    assert "next:" not in pushed.err


def test_a_build_says_what_it_built(project: Project) -> None:
    done = ok(project.cogpack("build", "-o", "../out"))
    assert re.fullmatch(rf"built 4 layers in {TIME}(, .*)?", done.err.splitlines()[-1])


def test_verify_says_that_it_is_identical(project: Project) -> None:
    pushed = ok(project.cogpack("push", project.target()))
    done = ok(project.cogpack("verify", project.target()))
    last = done.err.splitlines()[-1]
    assert re.fullmatch(rf"identical: \d+ layers rebuilt from the lock in {TIME}, byte for byte what is there", last)
    assert done.out == pushed.out


def test_a_lock_says_what_it_holds_and_counts_the_users_requirements_only(project: Project) -> None:
    err = ok(project.cogpack("lock")).err
    assert "resolved 2 requirements for Python 3.13: numbers, pictures in " in err
    assert re.fullmatch(
        rf"locked: {project.world.registry}/base/python:v1 and 5 wheels \({NUMBER}\), in {TIME}", err.splitlines()[-1]
    )
    assert changed(err) == []
    assert ok(project.cogpack("lock")).err.splitlines()[-1].startswith("unchanged: ")


def test_a_lock_says_what_was_added_removed_and_moved(project: Project) -> None:
    ok(project.cogpack("lock"))
    for name in ("numbers", "pictures", "sounds"):
        make_wheel(project.world.wheels, name, "2.0")
    assert changed(ok(project.cogpack("lock")).err) == []
    assert changed(ok(project.cogpack("lock", "-P", "Numbers")).err) == ["moved    numbers 1.0 -> 2.0"]
    project.write("requirements.txt", "--no-index\nnumbers<2\nsounds\n")
    found = changed(ok(project.cogpack("lock")).err)
    assert found == ["moved    numbers 2.0 -> 1.0", "removed  pictures 1.0", "added    sounds 2.0"]
    assert ok(project.cogpack("lock", "-q")).err == ""


def test_a_push_that_renews_the_lock_says_so_too(project: Project) -> None:
    ok(project.cogpack("lock"))
    project.write("requirements.txt", "--no-index\nnumbers\n")
    assert changed(ok(project.cogpack("push", project.target())).err) == ["removed  pictures 1.0"]


def test_packages_are_upgraded_one_by_one_or_all(project: Project) -> None:
    ok(project.cogpack("lock"))
    for name in ("numbers", "pictures"):
        make_wheel(project.world.wheels, name, "2.0")
    ok(project.cogpack("lock", "--upgrade-package", "numbers"))
    assert (versions(project)["numbers"], versions(project)["pictures"]) == ("2.0", "1.0")
    make_wheel(project.world.wheels, "numbers", "3.0")
    ok(project.cogpack("lock", "-P", "numbers", "-P", "pictures"))
    assert (versions(project)["numbers"], versions(project)["pictures"]) == ("3.0", "2.0")
    make_wheel(project.world.wheels, "numbers", "4.0")
    ok(project.cogpack("lock", "-U"))
    assert versions(project)["numbers"] == "4.0"


def test_a_package_that_the_lock_does_not_have_is_named_with_the_nearest(project: Project) -> None:
    ok(project.cogpack("lock"))
    before = (project.root / "cogpack.lock").read_bytes()
    done = project.cogpack("lock", "-P", "numbrs")
    assert done.code == 2
    assert "--upgrade-package numbrs: the lock has no such wheel; did you mean numbers?\n" in done.err
    assert (project.root / "cogpack.lock").read_bytes() == before


@pytest.mark.parametrize("more", [{}, {"CI": "true"}])
def test_a_lock_is_checked_without_writing_or_asking_anybody(project: Project, more: dict[str, str]) -> None:
    lock = project.root / "cogpack.lock"
    done = project.cogpack("lock", "--check", **more)
    assert (done.code, done.out) == (3, "")
    assert "there is no lock" in done.err
    assert not lock.exists()
    ok(project.cogpack("lock"))
    before = lock.read_bytes()
    project.world.requests.clear()
    assert ok(project.cogpack("lock", "--check", **more)).out == f"{lock}\n"
    project.write("requirements.txt", "--no-index\nnumbers\n")
    done = project.cogpack("lock", "--check", **more)
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("error: cogpack.lock was made from another requirements.txt\nnext: run cogpack lock")
    ok(project.cogpack("lock"))
    done = project.cogpack("lock", "--check", "--platform", "linux/arm64", **more)
    assert done.err.startswith("error: cogpack.lock was made for no linux/arm64\n")
    project.write("requirements.txt", "--no-index\nnumbers\npictures\n")
    ok(project.cogpack("lock"))
    assert lock.read_bytes() == before
    assert project.world.requests == []


def test_a_locked_lock_is_a_check_here(project: Project) -> None:
    done = project.cogpack("lock", "--locked")
    assert done.code == 2
    assert done.err.endswith("next: cogpack lock --check\n")


@pytest.mark.parametrize(
    ("predict", "source", "said"),
    [
        ("predict.py:Predicter", None, "did you mean Predictor?"),
        ("predict.py:predictor", None, "did you mean Predictor?"),
        ("predict.py:Model", None, "did you mean Predictor?"),
        ("predict.py:Zzz", "class A: ...\nclass B: ...\n", "no class or function 'Zzz' at the top level\n"),
        ("other.py:Predictor", None, ": predict: other.py: no such file in the project\n"),
        ("predct.py:Predictor", None, ": predict: predct.py: no such file in the project; did you mean predict.py?\n"),
        ("./predct.py:Predictor", None, "did you mean ./predict.py?\n"),
        ("predict.py:Predictor", "class Predictor:\n    def predict(self, text) -> str: ...\n", "predict.py:2:23: "),
        ("", None, "names neither run nor train"),
    ],
)
def test_a_lock_looks_at_the_predictor_before_it_resolves(
    project: Project, predict: str, source: str | None, said: str
) -> None:
    config = (project.root / "cog.yaml").read_text()
    line = f'predict: "{predict}"\n' if predict else ""
    project.write("cog.yaml", re.sub('predict: "predict.py:Predictor"\n', line, config))
    if source:
        project.write("predict.py", source)
    done = project.cogpack("lock")
    assert done.code == 2
    assert said in done.err
    assert "resolved" not in done.err
    assert not Path(project.root / "cogpack.lock").exists()


@pytest.mark.parametrize("key", ["predict", "train"])
def test_more_than_one_prediction_at_once_needs_an_async_function(project: Project, key: str) -> None:
    """coglet would refuse it in its setup, and `cog build` does."""
    config = (project.root / "cog.yaml").read_text()
    reference = '"predict.py:predict"'
    project.write("cog.yaml", re.sub("predict: .*\n", f"{key}: {reference}\nconcurrency: {{max: 2}}\n", config))
    project.write("predict.py", "\ndef predict(text: str) -> str: ...\n")
    for verb in ("lock", "plan", "doctor"):
        done = project.cogpack(verb)
        assert done.code != 0
        told = "concurrency.max: 2 predictions at once need an async function, and that of predict.py:2 is none\n"
        assert told in done.err + done.out
    project.write("predict.py", "\nasync def predict(text: str) -> str: ...\n")
    ok(project.cogpack("lock"))
    project.write("predict.py", "\ndef predict(text: str) -> str: ...\n")
    assert told in project.cogpack("push", project.target()).err
    project.write("../schema.json", ok(project.cogpack("schema")).out)
    assert told in project.cogpack("push", project.target(), "--openapi-schema", "../schema.json").err
    project.write("predict.py", "\ndef other(text: str) -> str: ...\n")
    ok(project.cogpack("lock", COG_OPENAPI_SCHEMA="../schema.json"))


def test_a_pin_that_exclude_newer_hides_is_told_as_that(project: Project) -> None:
    from cogpack.resolve.wheels.failures import failure
    from cogpack.resolve.wheels.target import TargetPython

    said = (
        "error: No solution found when resolving dependencies\n"
        "  cause: Because there is no version of numpy==2.4.6 and you require numpy==2.4.6, we can conclude that your "
        "requirements are unsatisfiable.\n\n"
        "hint: `numpy` was filtered by `exclude-newer` to only include packages uploaded before 2020-01-02T00:00:00Z. "
        "The requested version, v2.4.6, was published at 2026-05-18T23:33:13.503Z. Consider using "
        "`exclude-newer-package` to override the cutoff for this package.\n"
    )
    error = failure(said, TargetPython(python="3.13", glibc="2.41", arch="amd64"))
    assert "filtered by `cogpack.exclude_newer`" in str(error)
    assert "published at 2026-05-18" in str(error)
    assert "exclude-newer-package" not in str(error)
    assert error.next_step == "make cogpack.exclude_newer of cog.yaml later, or choose a version that is older"


def test_a_lock_of_a_config_that_was_renamed_is_made_anew(project: Project) -> None:
    (project.root / "cog.yaml").rename(project.root / "blur.yaml")
    ok(project.cogpack("lock", "-f", "blur.yaml"))
    (project.root / "blur.yaml").rename(project.root / "cog.yaml")
    (project.root / "cogpack.blur.lock").rename(project.root / "cogpack.lock")
    done = project.cogpack("lock", "--check")
    told = "cogpack.lock was made from blur.yaml, which is not there, and this is cog.yaml\n"
    told += "next: run cogpack lock and commit cogpack.lock\n"
    assert (done.code, told in done.err) == (3, True), done.err
    planned = ok(project.cogpack("plan")).err
    assert "cogpack.lock is stale (it was made from blur.yaml, which is not there): resolving" in planned
