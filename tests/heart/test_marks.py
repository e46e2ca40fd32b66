"""Labels, annotations, platform and commit: what an image says of itself."""

import os
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from support import plain
from support.platforms import push_index
from support.world import Project, World, ok

pytestmark = pytest.mark.slow

COMMIT_TIME = "2026-11-28T09:30:00+01:00"
CREATED = "2026-11-28T08:30:00Z"
PREFIX = "org.opencontainers.image."


def git(project: Project, *words: str) -> str:
    names = ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL")
    environment = dict.fromkeys(names, "someone") | {
        "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_AUTHOR_DATE": COMMIT_TIME, "GIT_COMMITTER_DATE": COMMIT_TIME,
        "PATH": "/usr/bin:/bin:/usr/local/bin",
    }  # fmt: skip
    command = ["git", "-c", "init.defaultBranch=main", *words]
    done = subprocess.run(command, cwd=project.root, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def repository(world: World, remote: str = "git@github.com:me/model.git", **files: str) -> Project:
    """A project in git with a lock, all of it committed."""
    project = world.project(files=files)
    ok(project.cogpack("lock"))
    git(project, "init")
    git(project, "add", ".")
    git(project, "commit", "-m", "first")
    if remote:
        git(project, "remote", "add", "origin", remote)
    return project


def config_of(world: World, manifest: dict[str, Any]) -> dict[str, Any]:
    return dict(plain.get(f"http://{world.registry}/v2/me/model/blobs/{manifest['config']['digest']}").json())


def pushed(project: Project, *words: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Manifest and config."""
    ok(project.cogpack("push", project.target(), *words))
    manifest = project.world.manifest("me/model", "v1")
    return manifest, config_of(project.world, manifest)


def told(document: dict[str, str]) -> dict[str, str]:
    return {key.removeprefix(PREFIX): text for key, text in document.items() if key.startswith(PREFIX)}


def test_labels_are_on_the_config_and_annotations_on_the_manifest(world: World) -> None:
    project = world.project()
    words = ("--label", "team=vision", "--label", "empty=", "--annotation", "com.example.run=7=8")
    manifest, image = pushed(project, *words)
    assert image["config"]["Labels"].items() >= {"team": "vision", "empty": ""}.items()
    assert "run.cog.config" in image["config"]["Labels"]
    assert manifest["annotations"]["com.example.run"] == "7=8"
    assert "team" not in manifest["annotations"]


def test_labels_do_not_touch_layers(world: World) -> None:
    project = world.project()
    plain, _ = pushed(project)
    marked, _ = pushed(project, "--label", "a=b")
    assert marked["layers"] == plain["layers"]
    assert marked["config"] != plain["config"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--label", "team"), "--label 'team': expected KEY=VALUE"),
        (("--label", "=x"), "--label '=x': expected KEY=VALUE"),
        (("--annotation", "a b=x"), "--annotation 'a b=x': expected KEY=VALUE"),
        (
            ("--label", "run.cog.config=x"),
            "--label run.cog.config: keys that begin with run.cog. say what the image is",
        ),
        (("--label", "a=1", "--label", "a=2"), "--label a: is given twice, with two values"),
        (("--label", os.fsdecode(b"a=\xff")), "--label a: the value is not UTF-8 text"),
        (("--annotation", os.fsdecode(b"a=\xff")), "--annotation a: the value is not UTF-8 text"),
    ],
)
def test_marks_that_would_not_hold_are_refused_before_any_work(world: World, words: tuple[str, ...], said: str) -> None:
    project = world.project()
    done = project.cogpack("push", project.target(), *words)
    assert done.code == 2
    assert f"error: {said}" in done.err
    assert not (project.root / "cogpack.lock").exists()


def test_an_annotation_that_an_archive_can_not_hold_is_refused(world: World) -> None:
    done = world.project().cogpack("build", "-o", "../image.tar", "--annotation", "a=b")
    assert (done.code, "has no manifest to write --annotation on" in done.err) == (2, True)


def test_an_image_names_its_commit_where_that_is_asked_for(world: World) -> None:
    project = repository(world)
    git(project, "tag", "v1.9")
    git(project, "tag", "v1.10")
    revision = git(project, "rev-parse", "HEAD")
    said = {
        "revision": revision,
        "source": "https://github.com/me/model",
        "version": "v1.10",
        "created": CREATED,
    }
    manifest, image = pushed(project, "--git")
    assert told(manifest["annotations"]) == said
    assert told(image["config"]["Labels"]) == said
    assert image["created"] == CREATED
    plain, _ = pushed(project)
    assert told(plain["annotations"]) == {}


def test_a_second_push_of_the_same_commit_has_the_same_digest(world: World) -> None:
    """Though the first one wrote its results into the lock."""
    project = repository(world)
    first = ok(project.cogpack("push", project.target(), "--git"))
    second = ok(project.cogpack("push", project.target("v2"), "--git"))
    assert "cogpack.lock" in git(project, "status", "--porcelain")
    assert second.digest == first.digest
    assert "dirty" not in second.err
    assert ok(project.cogpack("verify", project.target(), "--git")).code == 0


def test_cog_yaml_may_ask_for_the_commit(world: World) -> None:
    project = world.project(config="  git: true\n")
    ok(project.cogpack("lock"))
    git(project, "init")
    git(project, "add", ".")
    git(project, "commit", "-m", "first")
    done = ok(project.cogpack("push", project.target()))
    assert told(world.manifest("me/model", "v1")["annotations"]).keys() == {"revision", "created"}
    assert "no-source" not in done.out
    assert "the image says no source" in done.err


@pytest.mark.parametrize("change", ["edited", "new", "deleted", "lock"])
def test_a_changed_tree_is_marked_and_told(world: World, change: str) -> None:
    project = repository(world, **{"notes.txt": "x"})
    git(project, "tag", "v1")
    if change == "edited":
        project.write("predict.py", (project.root / "predict.py").read_text() + "# more\n")
    elif change == "new":
        project.write("new.py", "")
    elif change == "deleted":
        (project.root / "notes.txt").unlink()
    else:
        project.write("cogpack.lock", (project.root / "cogpack.lock").read_text().replace("26.0", "26.1"))
    path = {"edited": "predict.py", "new": "new.py", "deleted": "notes.txt", "lock": "cogpack.lock"}[change]
    done = project.cogpack("plan", "--git")
    assert f"-dirty: these differ from the commit: {path}\n" in done.err
    if change != "lock":
        manifest, _ = pushed(project, "--git")
        found = told(manifest["annotations"])
        assert found["revision"] == git(project, "rev-parse", "HEAD") + "-dirty"
        assert "version" not in found


def test_new_files_that_are_not_in_the_image_change_nothing(world: World) -> None:
    project = repository(world, **{".dockerignore": "*.log\n", ".gitignore": "secret\n"})
    project.write("push.log", "x")
    assert "dirty" not in ok(project.cogpack("plan", "--git")).err


@pytest.mark.parametrize(
    ("remote", "source"),
    [
        (
            "https://user:hunter2@git.example.com:8443/me/model.git?token=hunter2",
            "https://git.example.com:8443/me/model",
        ),
        ("https://gitlab-ci-token:hunter2@gitlab.com/group/sub/model.git", "https://gitlab.com/group/sub/model"),
        ("ssh://git@git.example.com:2222/me/model.git", "https://git.example.com/me/model"),
        ("git@github.com:me/model", "https://github.com/me/model"),
        ("github.com:me/model.git", "https://github.com/me/model"),
        ("/srv/git/model.git", None),
        ("file:///srv/git/model.git", None),
        ("../model.git", None),
        ("https://[broken/me", None),
        ("https://[::1]:3000/me/model", "https://[::1]:3000/me/model"),
        (os.fsdecode(b"https://git.example.com/\xff/model"), None),
        ("", None),
    ],
)
def test_the_source_is_an_address_for_people_without_credentials(world: World, remote: str, source: str | None) -> None:
    project = repository(world, remote)
    done = ok(project.cogpack("push", project.target(), "--git"))
    manifest = world.manifest("me/model", "v1")
    assert told(manifest["annotations"]).get("source") == source
    assert "hunter2" not in f"{manifest}{config_of(world, manifest)}{done.err}"
    assert ("the image says no source" in done.err) == (source is None)


def test_what_git_can_not_tell_is_a_clear_error_before_any_work(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = world.project()
    ceiling = {"GIT_CEILING_DIRECTORIES": str(world.directory)}
    done = project.cogpack("push", project.target(), "--git", **ceiling)
    assert (done.code, "not a git repository" in done.err) == (2, True)
    git(project, "init")
    done = project.cogpack("push", project.target(), "--git", **ceiling)
    assert (done.code, "the repository has no commit yet" in done.err) == (2, True)
    done = project.cogpack("push", project.target(), "--git", PATH=str(tmp_path))
    assert (done.code, "there is no git program" in done.err) == (2, True)
    assert not (project.root / "cogpack.lock").exists()


def test_a_tag_that_is_no_text_is_no_version(world: World) -> None:
    project = repository(world)
    git(project, "tag", "v1")
    git(project, "tag", os.fsdecode(b"v2\xff"))
    manifest, _ = pushed(project, "--git")
    assert told(manifest["annotations"])["version"] == "v1"


def test_a_commit_of_a_year_that_no_image_can_name_is_refused_before_any_work(world: World) -> None:
    project = repository(world)
    tree = git(project, "write-tree")
    commit = f"tree {tree}\nauthor a <a> 1 +0000\ncommitter a <a> 999999999999 +0000\n\nlater\n"
    made = subprocess.run(
        ["git", "hash-object", "-t", "commit", "-w", "--stdin"],
        cwd=project.root, input=commit, capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    git(project, "reset", "--hard", made)
    done = project.cogpack("push", project.target(), "--git")
    assert done.code == 2
    assert f"the commit {made[:12]} has a date that an image can't have" in done.err


def test_a_repository_can_not_make_us_run_its_programs(world: World, tmp_path: Path) -> None:
    project = repository(world)
    evil = tmp_path / "evil"
    evil.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    evil.chmod(0o755)
    git(project, "config", "core.fsmonitor", str(evil))
    git(project, "config", "log.showSignature", "true")
    git(project, "config", "gpg.program", str(evil))
    git(project, "config", "filter.a=b c.clean", str(evil))
    git(project, "config", "filter.a=b c.required", "true")
    git(project, "config", "filter.other.process", str(evil))
    project.write(".git/info/attributes", '*.py filter=other\n*.txt "filter=a=b c"\n*.txt filter=a=b\n')
    git(project, "config", "filter.a=b.clean", str(evil))
    for name in ("predict.py", "requirements.txt"):
        os.utime(project.root / name, (0, 0))
    ok(project.cogpack("push", project.target(), "--git"))
    assert not (tmp_path / "ran").exists()


def test_each_platform_has_a_part_of_the_lock_of_its_own(world: World) -> None:
    push_index(world)
    project = world.project()
    config = (project.root / "cog.yaml").read_text()
    project.write("cog.yaml", config.replace("base/python:v1", "base/python:v2"))
    ok(project.cogpack("lock"))
    ok(project.cogpack("lock", "--platform", "linux/arm64"))
    locked = tomllib.loads((project.root / "cogpack.lock").read_text())
    assert locked["platforms"].keys() == {"linux/amd64", "linux/arm64"}
    for arch in ("amd64", "arm64"):
        ok(project.cogpack("push", project.target(arch), "--platform", f"linux/{arch}", CI="true"))
        manifest = world.manifest("me/model", arch)
        assert config_of(world, manifest)["architecture"] == arch
    project.write("requirements.txt", "--no-index\n# another\npip\n")
    done = ok(project.cogpack("lock"))
    assert "cogpack.lock no longer has linux/arm64" in done.err
    assert tomllib.loads((project.root / "cogpack.lock").read_text())["platforms"].keys() == {"linux/amd64"}


def test_a_platform_that_there_is_not_is_refused(world: World) -> None:
    project = world.project()
    ok(project.cogpack("lock"))
    before = (project.root / "cogpack.lock").read_bytes()
    assert "not linux/arm64" in project.cogpack("lock", "--platform", "linux/arm64").err
    assert project.cogpack("plan", "--platform", "linux/386").code == 2
    assert (project.root / "cogpack.lock").read_bytes() == before
