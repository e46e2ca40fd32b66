"""`cogpack exec`: a command over the files of the image, in the project or of an image that is there."""

import os
from pathlib import Path

import pytest
from support.world import Project, World, ok

from cogpack.running import bundle, container, root_tree
from cogpack.sandbox.rungs import emulation
from cogpack.sandbox.rungs.choice import probe


@pytest.fixture
def project(world: World, programs: bytes) -> Project:
    """A project over a base with programs."""
    return world.project_over(programs)


def _listed(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


def test_the_status_and_both_streams_are_the_commands_own(project: Project) -> None:
    done = project.cogpack("exec", "-e", "GIVEN=value", "sh", "-c", 'echo "$PWD $GIVEN"; echo told >&2; exit 7')
    assert (done.code, done.out) == (7, "/src value\n")
    assert "told\n" in done.err


def test_another_platforms_image_is_refused_before_anything_is_locked_for_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "here", lambda: "linux/amd64")
    monkeypatch.setattr(emulation, "is_native", lambda architecture: architecture == "amd64")
    project.write("cog.yaml", f"{(project.root / 'cog.yaml').read_text()}  platform: linux/arm64\n")
    asked = ("--platform", "linux/arm64")
    for words, told in (
        ((), "the image is for linux/arm64, and this machine is linux/amd64\nnext: add --platform linux/amd64; or "),
        (
            (*asked, "--isolation", "chroot"),
            "programs of linux/arm64 can't be run here: isolation chroot has no emulator",
        ),
        (
            (*asked, "--runtime", "docker"),
            "--runtime docker: the image is for linux/arm64, and this machine is linux/amd64",
        ),
        (
            (*asked, "--gpus", "all"),
            "--gpus all: this machine is linux/amd64, and its GPUs can't be shown to programs of",
        ),
    ):
        done = project.cogpack("exec", *words, "true")
        assert done.code == 2
        assert told in done.err
    assert not (project.root / "cogpack.lock").exists()


def test_no_emulator_is_promised_where_there_is_none(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "here", lambda: "linux/arm64")
    done = project.cogpack("exec", "true")
    assert done.code == 2
    assert (
        "the image is for linux/amd64, and this machine is linux/arm64\nnext: add --platform linux/arm64\n" in done.err
    )


def test_a_project_begins_with_exec_before_it_has_a_model(project: Project) -> None:
    """Cog's own tutorial does: `cog exec python` over a cog.yaml of two lines. What asks the model says what lacks."""
    config = (project.root / "cog.yaml").read_text()
    project.write("cog.yaml", config.replace('predict: "predict.py:Predictor"\n', ""))
    done = ok(project.cogpack("exec", "sh", "-c", "pwd; ls -a"))
    assert done.out.split() == ["/src", ".", "..", "cog.yaml", "cogpack.lock", "predict.py", "requirements.txt"]
    asked = project.cogpack("run", "-i", "text=x")
    assert (asked.code, 'names neither run nor train\nnext: add, for example, run: "run.py:Runner"' in asked.err) == (
        2,
        True,
    )


def test_programs_are_told_of_a_proxy_that_reads_along(project: Project) -> None:
    """And of nothing where there is none: a container is then as it is elsewhere."""
    words = ("exec", "sh", "-c", 'echo "$https_proxy" "$no_proxy"; [ -z "$SSL_CERT_FILE" ] || cat "$SSL_CERT_FILE"')
    assert ok(project.cogpack(*words)).out == " \n"
    text = "-----BEGIN CERTIFICATE-----\nours\n-----END CERTIFICATE-----\n"
    done = ok(project.cogpack(*words, COG_CA_CERT=text, HTTPS_PROXY="http://127.0.0.1:9"))
    assert done.out.startswith("http://127.0.0.1:9 localhost,127.0.0.1,::1\n")
    assert done.out.endswith(text)
    (project.root.parent / "certs").mkdir()
    (project.root.parent / "certs/company.crt").write_text(text)
    found = {
        "SSL_CERT_FILE": "",
        "SSL_CERT_DIR": str(project.root.parent / "certs"),
        "HTTPS_PROXY": "http://127.0.0.1:9",
    }
    assert ok(project.cogpack(*words, **found)).out.splitlines()[1:] == text.splitlines(), "in place of the system's"
    socks = ok(project.cogpack("exec", "sh", "-c", 'echo "$ALL_PROXY"', ALL_PROXY="socks5://127.0.0.1:9"))
    assert socks.out == "socks5://127.0.0.1:9\n"


def test_what_cog_names_goes_over_the_images_authorities_and_under_those_given(project: Project) -> None:
    """Distroless images name a file of theirs, which does not have what `COG_CA_CERT` names."""
    config = (project.root / "cog.yaml").read_text()
    project.write("cog.yaml", f'{config}\nenvironment: ["SSL_CERT_FILE=/own"]\n')
    words = ("sh", "-c", 'echo "$SSL_CERT_FILE"')
    text = "-----BEGIN CERTIFICATE-----\nours\n-----END CERTIFICATE-----\n"
    assert ok(project.cogpack("exec", *words, HTTPS_PROXY="http://127.0.0.1:9")).out == "/own\n"
    assert ok(project.cogpack("exec", *words, COG_CA_CERT=text)).out == "/run/cogpack/authorities.pem\n"
    assert ok(project.cogpack("exec", "-e", "SSL_CERT_FILE=/given", *words, COG_CA_CERT=text)).out == "/given\n"


@pytest.mark.slow
def test_what_is_written_in_the_project_stays_and_nothing_else_does(project: Project) -> None:
    ok(project.cogpack("lock"))
    before = _listed(project.root)
    ok(project.cogpack("exec", "sh", "-c", "echo x > /src/kept; echo y > /etc/lost; rm /etc/group; cat .cog/*.json"))
    assert _listed(project.root) == sorted([*before, "kept"])
    assert ok(project.cogpack("exec", "sh", "-c", "cat kept /etc/group; ls /etc/lost || echo gone")).out.endswith(
        "gone\n"
    )


@pytest.mark.slow
def test_the_files_are_laid_once(world: World, project: Project) -> None:
    first = ok(project.cogpack("exec", "true")).err
    assert "unpacked" in first
    assert len([line for line in first.splitlines() if line.startswith("fetched")]) == 1, "all wheels together"
    project.write("predict.py", (project.root / "predict.py").read_text() + "\n# changed\n")
    assert "unpacked" not in ok(project.cogpack("exec", "true")).err
    assert [path.name[0] for path in (world.directory / "cache/trees").iterdir()] != ["."]


@pytest.mark.slow
def test_large_wheels_are_laid_apart_and_seen_with_all_else(
    world: World, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(root_tree, "_LARGE", 1)  # all wheels here are
    if not probe(world.directory).overlays:
        pytest.skip("no overlayfs here")
    site = "/opt/venv/lib/python/site-packages"
    first = ok(project.cogpack("exec", "sh", "-c", f"ls {site} /opt/venv/bin /etc/passwd"))
    assert "unpacked wheels: 3 small ones" in first.err
    assert {"cog.py", "coglet.py", "/etc/passwd", "python3"} <= set(first.out.split())
    assert len(list((world.directory / "cache/trees").glob("*/record"))) == 2


@pytest.mark.slow
def test_the_model_is_described_there_as_in_the_image(project: Project) -> None:
    """The server reads it, and the project is not written for it."""
    assert ok(project.cogpack("exec", "cat", ".cog/openapi_schema.json")).out == (
        ok(project.cogpack("schema")).out.rstrip("\n")
    )
    assert not (project.root / ".cog").exists()
    project.write(".cog/openapi_schema.json", "of another tool")
    assert "of another" not in ok(project.cogpack("exec", "cat", ".cog/openapi_schema.json")).out
    assert (project.root / ".cog/openapi_schema.json").read_text() == "of another tool"


@pytest.mark.slow
def test_managed_weights_lie_at_their_targets_and_are_nobodys_to_write(
    world: World, project: Project, tmp_path: Path
) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source/w.bin").write_bytes(b"weights")
    source = f"{{uri: 'file://{tmp_path}/source'}}"
    targets = "".join(
        f"\n  - {{name: {path[-3:]}, target: {path}, source: {source}}}" for path in ("/src/in/one", "/two")
    )
    config = (project.root / "cog.yaml").read_text()
    project.write("cog.yaml", f"model: {world.registry}/me/model\nweights:{targets}\n{config}")
    ok(project.cogpack("lock"))
    before = _listed(project.root)
    done = ok(
        project.cogpack(
            "exec", "sh", "-c", "cat in/one/w.bin /two/w.bin; touch /two/w.bin || touch in/one/w.bin || true"
        )
    )
    assert done.out == "weightsweights"
    assert "cannot touch" in done.err
    assert _listed(project.root) == before


@pytest.mark.slow
def test_what_steps_changed_is_there(project: Project) -> None:
    config = (project.root / "cog.yaml").read_text()
    project.write("cog.yaml", config.replace("build:\n", "build:\n  run: ['echo made > /etc/made']\n"))
    assert ok(project.cogpack("exec", "cat", "/etc/made")).out == "made\n"


@pytest.mark.slow
def test_an_image_of_a_registry_or_a_layout_has_its_own_files(world: World, project: Project) -> None:
    ok(project.cogpack("push", project.target()))
    ok(project.cogpack("build", "-o", "../layout"))
    (project.root / "predict.py").unlink()
    for image in (project.target(), str(world.directory / "layout")):
        done = ok(world.cogpack("exec", "--of", image, "sh", "-c", "ls /src; touch /src/lost"))
        assert "predict.py" in done.out
    assert "lost" not in ok(world.cogpack("exec", "--of", project.target(), "ls", "/src")).out


@pytest.mark.slow
def test_a_strangers_image_is_told_of_no_proxy_with_a_password(world: World, project: Project) -> None:
    ok(project.cogpack("build", "-o", "../layout"))
    words = (
        "exec",
        "--of",
        str(world.directory / "layout"),
        "sh",
        "-c",
        'echo "$HTTP_PROXY, $https_proxy, $ALL_PROXY"',
    )
    plain = "http://127.0.0.1:9"
    told = ok(world.cogpack(*words, HTTP_PROXY=plain, ALL_PROXY="socks5h://me:pw@127.0.0.1:9"))
    assert told.out == f"{plain}, , \n"
    told = ok(
        world.cogpack(*words, http_proxy="http://user:word@127.0.0.1:9", https_proxy="http://:s3cret@127.0.0.1:9")
    )
    assert told.out == ", , \n"


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may choose chroot")
def test_where_nothing_hides_this_machines_files_a_strangers_image_wants_the_word(
    world: World, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cogpack.sandbox.rungs.choice import Findings, Refusal, Rung

    ok(project.cogpack("push", project.target()))
    refused = Refusal("unshare", "EPERM", "another machine")
    findings = Findings({Rung.ROOT: refused, Rung.USERNS: refused})
    monkeypatch.setattr(bundle, "probe", lambda _: findings)
    done = world.cogpack("exec", "--of", project.target(), "true")
    assert done.code == 2
    assert "--isolation chroot" in done.err
    ok(world.cogpack("exec", "--of", project.target(), "--isolation", "chroot", "true"))
    done = ok(project.cogpack("exec", "sh", "-c", "cat predict.py .cog/openapi_schema.json; touch lost"))
    assert "project-copied" in done.err or "a copy of the project" in done.err
    assert not (project.root / "lost").exists()


@pytest.mark.slow
def test_options_behind_the_command_are_its_own(project: Project) -> None:
    assert ok(project.cogpack("exec", "cat", "--", "requirements.txt")).out == "--no-index\n"
    done = project.cogpack("exec", "--json", "true")
    assert done.code == 2
    assert "--json" in done.err


@pytest.mark.slow
def test_what_is_written_to_the_users_cache_directory_is_kept_unless_that_is_not_wanted(project: Project) -> None:
    ok(project.cogpack("exec", "sh", "-c", "echo kept > ~/.cache/one"))
    assert ok(project.cogpack("exec", "cat", "/root/.cache/one")).out == "kept\n"
    assert project.cogpack("exec", "--no-kept-caches", "cat", "/root/.cache/one").code == 1


@pytest.mark.slow
def test_what_the_image_has_in_its_cache_directory_stays_to_be_seen(project: Project) -> None:
    config = (project.root / "cog.yaml").read_text()
    step = "mkdir -p /root/.cache/torch /hub; echo image > /root/.cache/torch/file"
    project.write(
        "cog.yaml",
        config.replace("build:\n", f"build:\n  run: ['{step}']\n")
        + "environment: [HF_HOME=/hub, TORCH_HOME=/src/torch]\n",
    )
    script = "cat ~/.cache/torch/file; echo > ~/.cache/torch/lost; echo > ~/.cache/huggingface/kept; echo > /hub/kept"
    assert ok(project.cogpack("exec", "sh", "-c", script)).out == "image\n"
    script = "ls ~/.cache/torch ~/.cache/huggingface /hub"
    assert ok(project.cogpack("exec", "sh", "-c", script)).out.split() == [
        *("/hub:", "kept", "/root/.cache/huggingface:", "kept", "/root/.cache/torch:", "file")
    ]


@pytest.mark.slow
def test_isolated_it_is_seen_as_its_image_would_hold_it(project: Project) -> None:
    project.write(".dockerignore", "ignored\n")
    project.write("ignored", "x")
    script = "ls; echo lost > lost; cat .cog/openapi_schema.json"
    done = ok(project.cogpack("exec", "--isolated", "sh", "-c", script))
    assert done.out.startswith("cog.yaml\npredict.py\nrequirements.txt\n{")
    assert not (project.root / "lost").exists()
    project.write("predict.py", (project.root / "predict.py").read_text() + "# edited\n")
    assert ok(project.cogpack("exec", "--isolated", "sh", "-c", "cat predict.py; ls")).out.count("edited") == 1


@pytest.mark.slow
def test_a_model_that_wants_a_gpu_has_all_that_there_are_and_who_asks_for_more_is_told(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from cogpack.running.gpus import find_gpus

    monkeypatch.setattr(container, "find_gpus", lambda wanted: find_gpus(wanted, tmp_path))
    config = (project.root / "cog.yaml").read_text()
    project.write("cog.yaml", config.replace("build:\n", "build:\n  gpu: true\n"))
    assert "wants a GPU, and this machine has none" in ok(project.cogpack("exec", "true")).err
    assert project.cogpack("exec", "--gpus", "all", "true").code == 2
    library = "usr/lib/x86_64-linux-gnu/libcuda.so.1"
    for path in ("dev", str(Path(library).parent)):
        (tmp_path / path).mkdir(parents=True)
    (tmp_path / library).write_text("driver")
    (tmp_path / "dev/nvidia0").symlink_to("/dev/zero")
    script = "head -c 2 /dev/nvidia0 > two; cat $LD_LIBRARY_PATH/libcuda.so.1"
    assert ok(project.cogpack("exec", "sh", "-c", script)).out == "driver"
    assert (project.root / "two").read_bytes() == bytes(2)
    assert project.cogpack("exec", "--gpus", "0", "cat", "/dev/nvidia0").code == 1


@pytest.mark.slow
def test_isolated_it_is_the_user_of_the_image_and_in_the_project_its_own(project: Project) -> None:
    project.write("cog.yaml", f"{(project.root / 'cog.yaml').read_text()}  user: 1000\n")
    script = 'while read name id rest; do if [ "$name" = Uid: ]; then echo "$id"; fi; done < /proc/self/status'
    assert ok(project.cogpack("exec", "sh", "-c", script)).out == "0\n"
    assert ok(project.cogpack("exec", "--isolated", "sh", "-c", script)).out == "1000\n"
