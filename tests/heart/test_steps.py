"""Commands of `build.run`: what they change is a layer, which nobody makes twice and nobody makes up."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from support.wheels import make_wheel
from support.world import CLOSED, Done, Project, World, install_docker, noise, ok, push_image, tar_files

Stepping: TypeAlias = Callable[..., Project]

WEIGHT = noise(1_500_000)


@pytest.fixture
def stepping(world: World, programs: bytes) -> Stepping:
    """Makes a project with commands, over that base."""
    push_image(world.registry, "base/programs:v1", [programs])

    def make(*commands: object, **more: str | bytes) -> Project:
        project = world.project(files={"w.safetensors": WEIGHT, **more})
        project.write(
            "cog.yaml",
            'build:\n  python_version: "3.13"\n  python_requirements: requirements.txt\n'
            f"  run: {json.dumps(commands)}\n"
            f'predict: "predict.py:Predictor"\ncogpack:\n  base: {world.registry}/base/programs:v1\n',
        )
        return project

    return make


RANDOM = "head -c 8 /dev/urandom > /etc/made; head -c 8 /dev/urandom > /etc/ssh_host_rsa_key"
MADE = 'cat /dev/null; echo made > /etc/made; echo "step 1 runs"'


@pytest.mark.slow
def test_what_commands_change_is_in_the_image(world: World, stepping: Stepping) -> None:
    project = stepping(MADE, "cat /etc/made > /etc/again; rm /etc/group; ln -s made /etc/link")
    done = ok(project.cogpack("push", project.target()))
    assert "[1/2] step 1 runs" in done.err
    files = world.files("me/model", "v1")
    assert (files["etc/made"], files["etc/again"], files["etc/link"]) == (b"made\n", b"made\n", "made")
    assert "etc/.wh.group" in files
    assert files["src/w.safetensors"] == WEIGHT


@pytest.mark.slow
def test_an_archive_and_docker_get_it_too(world: World, stepping: Stepping, monkeypatch: pytest.MonkeyPatch) -> None:
    project = stepping(MADE)
    ok(project.cogpack("build", "-o", "../image.tar"))
    assert archive_files((world.directory / "image.tar").read_bytes())["etc/made"] == b"made\n"
    loaded = install_docker(world.directory, monkeypatch)
    done = ok(project.cogpack("load"))
    assert "step 1 runs" not in done.err
    assert archive_files(loaded())["etc/made"] == b"made\n"


def archive_files(data: bytes) -> dict[str, bytes | str]:
    """What the image of a docker archive holds."""
    members = tar_files(data)
    (image,) = json.loads(members["manifest.json"])
    return {path: data for name in image["Layers"] for path, data in tar_files(as_bytes(members[name])).items()}


def as_bytes(data: bytes | str) -> bytes:
    assert isinstance(data, bytes)
    return data


@pytest.mark.slow
def test_a_plan_tells_the_commands_and_what_is_known_of_them(stepping: Stepping) -> None:
    project = stepping("mkdir -p /opt/x", "make all", "echo after > /opt/y", "systemctl start x")
    first, second, third, fourth = ok(project.cogpack("plan", "--json")).json["steps"]
    assert (first["command"], first["known"], first["effect"]) == ("mkdir -p /opt/x", True, ["make /opt/x"])
    assert "make" in second["sandboxed"]
    assert re.search(r"precedes it \(cog\.yaml:4:\d+: build\.run\[1\]\)$", third["sandboxed"])
    assert "systemd" in fourth["impossible"]


@pytest.mark.slow
def test_a_plan_tells_how_much_room_the_files_take_that_commands_see(stepping: Stepping) -> None:
    project = stepping(MADE)
    planned = ok(project.cogpack("plan", "--json")).json
    (base,) = (layer["size"] for layer in planned["layers"] if layer["name"].startswith("base"))
    assert planned["laid"] >= 3 * base
    assert planned["laying"] >= 0
    assert "in the cache while they run" in ok(project.cogpack("plan")).err
    ok(project.cogpack("lock", "--run"))
    assert ok(project.cogpack("plan", "--json")).json["laid"] is None  # nothing is run


@pytest.mark.slow
def test_commands_are_run_once(world: World, stepping: Stepping) -> None:
    project = stepping(MADE)
    first = ok(project.cogpack("push", project.target()))
    for again in (project.target("v2"), f"{world.registry}/other/model:v1"):
        done = ok(project.cogpack("push", again))
        assert "step 1 runs" not in done.err
        assert done.digest == first.digest


@pytest.mark.slow
def test_another_machine_with_the_lock_runs_nothing(world: World, stepping: Stepping) -> None:
    project = stepping(MADE)
    first = ok(project.cogpack("push", project.target()))
    done = ok(project.cogpack("push", "--locked", project.target("v2"), "--cache-dir", "../other"))
    assert "step 1 runs" not in done.err
    assert done.digest == first.digest


@pytest.mark.slow
def test_another_machine_without_the_blob_runs_them_and_holds_them_to_the_lock(
    world: World, stepping: Stepping
) -> None:
    project = stepping("cat /etc/hosts > /etc/made; echo $RANDOM > /tmp/gone")
    first = ok(project.cogpack("push", project.target()))
    elsewhere = f"{world.registry}/else/model:v1"
    done = ok(project.cogpack("build", "--locked", "-o", "../out", "--cache-dir", "../other"))
    assert done.digest == first.digest
    lock = project.root / "cogpack.lock"
    lock.write_text(lock.read_text().partition("[results]")[0])
    assert ok(project.cogpack("push", "--locked", elsewhere, "--cache-dir", "../third")).digest == first.digest


@pytest.mark.slow
def test_another_result_than_the_lock_records_is_exit_3_and_pushes_nothing(world: World, stepping: Stepping) -> None:
    project = stepping("cat /proc/sys/kernel/random/uuid > /etc/made || head -c 8 /dev/urandom > /etc/made")
    ok(project.cogpack("build", "-o", "../out"))
    done = project.cogpack("push", project.target(), "--cache-dir", "../other")
    assert done.code == 3
    assert "build.run" in done.err or "run: 1 step" in done.err
    assert "what was recorded is not in the cache, so that no paths can be named" in done.err
    assert not world.has("me/model", "v1")


@pytest.mark.slow
def test_a_result_that_contradicts_the_lock_names_the_paths(stepping: Stepping) -> None:
    project = stepping(MADE, RANDOM)
    ok(project.cogpack("build", "-o", "../out"))
    before = (project.root / "cogpack.lock").read_bytes()
    done = project.cogpack("build", "-o", "../again", "--rebuild")
    assert done.code == 3
    assert "first as recorded, which the cache has, second as run now:\n  /etc/made: content: " in done.err
    assert "lock --upgrade-run" in done.err
    assert (project.root / "cogpack.lock").read_bytes() == before
    assert "step 1 runs" not in ok(project.cogpack("build", "-o", "../out")).err  # the cache still has it


def at_home(project: Project, name: str) -> Project:
    text = (project.root / "cog.yaml").read_text()
    project.write("cog.yaml", f"{text}image: {project.world.registry}/{name}\n")
    return project


@pytest.mark.slow
def test_elsewhere_the_recorded_layer_is_taken_from_the_images_own_repository(
    world: World, stepping: Stepping, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = at_home(stepping(MADE, RANDOM, "head -c 1200000 /dev/urandom > /etc/w.pt"), "me/model")
    first = ok(project.cogpack("push"))
    done = ok(project.cogpack("build", "--locked", "-o", "../out", "--cache-dir", "../second"))
    assert "step 1 runs" not in done.err
    assert "run: 3 steps: taken from " in done.err
    assert "run: /etc/w.pt: taken from " in done.err
    assert done.digest == first.digest
    for cache, origin in (("second", "lock"), ("cache", "here")):
        inspected = project.cogpack("inspect", project.target("latest"), "--json", COGPACK_CACHE_DIR=f"../{cache}")
        layers = ok(inspected).json["layers"]
        assert {layer["origin"] for layer in layers if layer["name"].startswith("run: ")} == {origin}
    pushed = ok(project.cogpack("push", "--locked", f"{world.registry}/else/model:v1", "--cache-dir", "../third"))
    assert (pushed.digest, "step 1 runs" in pushed.err) == (first.digest, False)
    loaded = install_docker(world.directory, monkeypatch)
    assert "step 1 runs" not in ok(project.cogpack("load", "--locked", "--cache-dir", "../fourth")).err
    assert len(archive_files(loaded())["etc/made"]) == 8
    contradicted = project.cogpack("verify", "--run-steps", project.target("latest"), "--cache-dir", "../fifth")
    assert contradicted.code == 3
    assert "me/model has, second as run now:\n  /etc/made: content: " in contradicted.err


@pytest.mark.slow
def test_a_recorded_layer_that_is_not_to_be_had_is_made_again(world: World, stepping: Stepping) -> None:
    project = at_home(stepping(MADE), "nobody/here")
    first = ok(project.cogpack("push", project.target()))
    done = ok(project.cogpack("build", "--locked", "-o", "../out", "--cache-dir", "../second"))
    assert "what the lock records is not to be had: " in done.err
    assert "step 1 runs" in done.err
    assert done.digest == first.digest
    text = (project.root / "cog.yaml").read_text()
    project.write("cog.yaml", text.replace(f"image: {world.registry}/", "image: localhost:1/"))
    done = ok(project.cogpack("build", "-o", "../out2", "--cache-dir", "../third"))
    assert "step 1 runs" in done.err


@pytest.mark.slow
def test_a_lock_that_does_not_say_what_they_change_is_refused_where_it_is_pinned(stepping: Stepping) -> None:
    project = stepping(MADE)
    assert "run: 1 step: what they change is open; cogpack lock --run" in ok(project.cogpack("lock")).err
    assert project.cogpack("lock", "--check").code == 3
    done = project.cogpack("build", "--locked", "-o", "../out")
    assert done.code == 3
    assert "cogpack lock --run" in done.err
    assert project.cogpack("build", "-o", "../out", CI="true").code == 3
    assert "step 1 runs" in ok(project.cogpack("lock", "--run")).err
    done = ok(project.cogpack("build", "--locked", "-o", "../out"))
    assert "step 1 runs" not in done.err  # the cache kept what the lock's run made
    lock = project.root / "cogpack.lock"
    lock.write_text(re.sub(r'(steps\]\nkey = "sha256:)\w{4}', r"\g<1>0000", lock.read_text()))
    assert project.cogpack("build", "-o", "../out", CI="true").code == 3


@pytest.mark.slow
def test_an_endless_line_is_told_in_pieces_and_not_repeated(stepping: Stepping) -> None:
    done = stepping("head -c 300000 /dev/zero; exit 3").cogpack("build", "-o", "../out")
    assert done.code == 2
    assert len(done.err.partition("error: ")[2]) < 30_000
    assert max(map(len, done.err.splitlines())) < 5_000


@pytest.mark.slow
@pytest.mark.parametrize("target", ["/", ".", "../token", "a/../../token", "/run", "/run/secrets/"])
def test_a_secret_is_mounted_at_a_file(stepping: Stepping, target: str) -> None:
    step = {"command": "true", "mounts": [{"type": "secret", "id": "token", "target": target}]}
    done = stepping(step).cogpack("plan")
    assert (done.code, "error: cog.yaml:4:" in done.err) == (2, True)


@pytest.mark.slow
def test_the_paths_that_move_from_run_to_run_are_told_with_cause_and_advice(stepping: Stepping) -> None:
    project = stepping(MADE, RANDOM)
    done = project.cogpack("lock", "--check-run")
    assert done.code == 3
    assert done.err.count("step 1 runs") == 2
    assert "2 paths differ\n  /etc/made: content: " in done.err
    assert "/etc/ssh_host_rsa_key: content: a key made at random" in done.err
    assert not (project.root / "cogpack.lock").exists()


@pytest.mark.slow
def test_commands_that_do_the_same_twice_are_told_as_such(stepping: Stepping) -> None:
    project = stepping(MADE)
    ok(project.cogpack("lock", "--run"))
    before = (project.root / "cogpack.lock").read_bytes()
    done = ok(project.cogpack("lock", "--check-run"))
    assert "the same in both runs" in done.err
    assert done.err.count("step 1 runs") == 2
    assert (project.root / "cogpack.lock").read_bytes() == before


@pytest.mark.slow
def test_upgrade_run_records_another_result_and_tells_both(stepping: Stepping) -> None:
    project = stepping(MADE, RANDOM)
    ok(project.cogpack("lock", "--run"))
    before = (project.root / "cogpack.lock").read_text()
    done = ok(project.cogpack("lock", "--upgrade-run"))
    assert "step 1 runs" in done.err
    (new, told) = re.findall("run: 2 steps: (sha256:[0-9a-f]{64}), before (sha256:[0-9a-f]{64})", done.err)[0]
    after = (project.root / "cogpack.lock").read_text()
    assert (told in before, new in after, told in after) == (True, True, False)
    built = ok(project.cogpack("build", "--locked", "-o", "../out"))
    assert "step 1 runs" not in built.err


@pytest.mark.slow
@pytest.mark.parametrize("again", [("verify", "--run-steps", "REF"), ("push", "--rebuild", "REF")])
def test_what_makes_all_anew_runs_them_though_the_cache_has_what_they_made(
    stepping: Stepping, again: tuple[str, ...]
) -> None:
    project = stepping(MADE)
    ok(project.cogpack("push", project.target()))
    words = [project.target() if word == "REF" else word for word in again]
    assert "step 1 runs" in ok(project.cogpack(*words)).err


@pytest.mark.slow
def test_what_is_left_out_is_told_and_kept_by_its_path(world: World, stepping: Stepping) -> None:
    project = stepping("mkdir -p /var/tmp/x && echo some > /var/tmp/x/a && echo more > /tmp/b; echo runs")
    done = ok(project.cogpack("push", project.target()))
    assert "run: 1 step: left out 2 files, 10 B: /tmp (temporary), /var/tmp (temporary)" in done.err
    text = (project.root / "cog.yaml").read_text()
    project.write("cog.yaml", text.replace("cogpack:\n", "cogpack:\n  keep: [/var/tmp/x/]\n"))
    done = ok(project.cogpack("push", project.target("v2")))
    assert "[1/1] runs" in done.err
    assert "left out 1 file, 5 B: /tmp (temporary)" in done.err
    assert world.files("me/model", "v2")["var/tmp/x/a"] == b"some\n"
    assert "var/tmp/x/a" not in world.files("me/model", "v1")


@pytest.mark.slow
def test_a_command_that_fails_is_named_with_what_it_said(world: World, stepping: Stepping) -> None:
    project = stepping(MADE, "echo a reason; cat /no/such/file; exit 7")
    done = project.cogpack("push", project.target())
    assert done.code == 2
    assert "ended with 7" in done.err
    assert "a reason" in done.err.partition("error: ")[2]
    assert re.match(r"cog\.yaml:4:\d+: build\.run\[1\]: ", done.err.partition("error: ")[2])
    assert not world.has("me/model", "v1")
    assert not [path for path in (world.directory / "cache/steps").iterdir() if path.suffix not in (".lock", ".result")]
    assert not [path for path in (world.directory / "cache/trees").iterdir() if path.name[0] == "."]


@pytest.mark.slow
def test_a_command_that_takes_too_long_is_stopped_and_told_with_its_line(stepping: Stepping) -> None:
    project = stepping("echo begun; while true; do sleep 0.1; done")
    project.write("cog.yaml", (project.root / "cog.yaml").read_text() + "  limits: {time: 1}\n")
    done = project.cogpack("lock", "--run")
    assert done.code == 2
    assert "cog.yaml:4:9: build.run[0]: echo begun; while" in done.err
    assert "ran longer than 1.0 s, and was stopped" in done.err
    assert "limits: {time: NUMBER}" in done.err


@pytest.mark.slow
def test_a_program_that_is_not_there_is_told_as_such(stepping: Stepping) -> None:
    done = stepping("nonesuch --version").cogpack("build", "-o", "../out")
    assert done.code == 2
    assert "build.system_packages" in done.err


def layers_of(done: Done) -> dict[str, str]:
    """The digests of the layers that a push tells of, by their names, bottom first."""
    return {layer["name"]: layer["digest"] for layer in done.json["layers"]}


WEIGHING = "mkdir -p /opt/m && [ -e /opt/m/w.pt ] || head -c 1500000 /dev/zero > /opt/m/w.pt"
INSTALLING = (
    "cd /opt/venv/lib/python/site-packages; mkdir big-2.dist-info big; head -c 5000000 /dev/zero > big/data; "
    'echo "Name: Big" > big-2.dist-info/METADATA; echo "Version: 2" >> big-2.dist-info/METADATA; '
    "echo big/data,, > big-2.dist-info/RECORD; rm -r thing-1.0.dist-info thing.py"
)


@pytest.mark.slow
def test_what_commands_leave_is_layered_so_that_a_change_moves_no_more(world: World, stepping: Stepping) -> None:
    make_wheel(world.wheels, "thing", files={"thing.py": b"1"})
    project = stepping(WEIGHING, INSTALLING, MADE)
    project.write("requirements.txt", "--no-index\nthing\n")
    first = layers_of(ok(project.cogpack("push", project.target(), "--json")))
    assert list(first)[2:] == [
        *("weights: w.safetensors", "run: /opt/m/w.pt", "wheels: 4 small ones"),
        *("run: big 2", "run: 3 steps", "project"),
    ]
    files = world.files("me/model", "v1")
    assert (len(files["opt/m/w.pt"]), files["etc/made"]) == (1_500_000, b"made\n")
    assert "opt/venv/lib/python/site-packages/.wh.thing.py" in files
    labels = ok(project.cogpack("inspect", "--json", project.target())).json["labels"]
    freeze = labels["run.cog.pip_freeze"].splitlines()
    assert "big==2" in freeze
    assert not [line for line in freeze if line.startswith("thing")]

    project.write("cog.yaml", (project.root / "cog.yaml").read_text().replace("echo made", "echo other"))
    pushed = ok(project.cogpack("push", project.target("v2"), "--json"))
    second = layers_of(pushed)
    assert [name for name in first if first[name] != second[name]] == ["run: 3 steps", "project"]
    assert [layer["name"] for layer in pushed.json["layers"] if layer["sent"]] == ["run: 3 steps", "project"]
    built = ok(project.cogpack("build", "--locked", "-o", "../out", "--cache-dir", "../other"))
    assert built.digest == pushed.json["digest"]


@pytest.mark.slow
def test_what_commands_change_of_a_path_that_two_wheels_hold_is_what_the_image_has(
    world: World, stepping: Stepping
) -> None:
    for name in ("one", "two"):
        make_wheel(world.wheels, name, files={"both.py": name.encode()})
    make_wheel(world.wheels, "large", files={"large.bin": noise(4_100_000)})
    project = stepping("cd /opt/venv/lib/python/site-packages; cat both.py > /etc/made; echo mine > both.py")
    project.write("requirements.txt", "--no-index\none\ntwo\nlarge\n")
    files = layers_of(ok(project.cogpack("push", project.target(), "--json")))
    assert list(files)[-2:] == ["run: 1 step", "project"]
    assert world.files("me/model", "v1")["opt/venv/lib/python/site-packages/both.py"] == b"mine\n"


@pytest.mark.slow
def test_a_weight_that_comes_later_is_refused_where_commands_wrote_though_none_runs(stepping: Stepping) -> None:
    project = stepping("mkdir -p /src/m; echo x > /src/m/v.pt; rm -r /usr/sbin", MADE)
    ok(project.cogpack("build", "-o", "../out"))
    lock = (project.root / "cogpack.lock").read_text()
    assert '"src/w.safetensors"' in lock  # and not all of src/
    project.write("m/u.pt", WEIGHT)
    ok(project.cogpack("build", "-o", "../out"))  # beside it
    assert '"src/m/u.pt"' in (project.root / "cogpack.lock").read_text()
    project.write("m/v.pt", WEIGHT)
    done = project.cogpack("build", "-o", "../out", "--locked")
    assert done.code == 2
    assert "step 1 runs" not in done.err
    assert "build.run wrote /src/m/v.pt, where the weight m/v.pt is to lie" in done.err


@pytest.mark.slow
def test_weights_and_project_are_not_seen_and_not_part_of_what_names_the_layer(stepping: Stepping) -> None:
    project = stepping("ls /src > /etc/made 2>&1 || echo none > /etc/made; echo step 1 runs")
    ok(project.cogpack("build", "-o", "../out"))
    project.write("w.safetensors", WEIGHT[:-1] + b"!")
    project.write("predict.py", (project.root / "predict.py").read_text() + "\n# changed\n")
    assert "step 1 runs" not in ok(project.cogpack("build", "-o", "../out2")).err


@pytest.mark.slow
def test_a_path_of_a_weight_is_refused_by_both_names(stepping: Stepping) -> None:
    done = stepping("mkdir -p /src && echo x > /src/w.safetensors").cogpack("build", "-o", "../out")
    assert done.code == 2
    assert "/src/w.safetensors" in done.err
    assert "the weight" in done.err


SECRET = {
    "command": "cat /run/secrets/token; echo got it",
    "mounts": [{"type": "secret", "id": "token", "target": "/run/secrets/token"}],
}


@pytest.mark.slow
def test_a_secret_is_seen_by_its_step_and_by_nobody_else(stepping: Stepping) -> None:
    project = stepping(SECRET)
    done = ok(project.cogpack("build", "-o", "../out", "--secret", "id=token,env=HIDDEN", HIDDEN="tr0ub4dor-and-3"))
    assert "got it" in done.err
    assert "tr0ub4dor" not in done.err


@pytest.mark.slow
@pytest.mark.parametrize(("target", "seen"), [("token", "/token"), ("./etc/pip/../pip.conf", "/etc/pip.conf")])
def test_a_secret_may_be_named_from_where_its_step_runs(stepping: Stepping, target: str, seen: str) -> None:
    command = f"pwd; [ -s {seen} ] && echo got it"
    project = stepping({"command": command, "mounts": [{"type": "secret", "id": "token", "target": target}]})
    done = ok(project.cogpack("build", "-o", "../out", "--secret", "id=token,env=HIDDEN", HIDDEN="tr0ub4dor-and-3"))
    assert "] /\n" in done.err
    assert "got it" in done.err


@pytest.mark.slow
def test_a_secret_that_nobody_gave_ends_it_before_anything_runs(stepping: Stepping) -> None:
    project = stepping(MADE, SECRET)
    done = project.cogpack("build", "-o", "../out")
    assert done.code == 2
    assert "--secret id=token" in done.err
    assert "step 1 runs" not in done.err.partition("error: ")[0]  # which shows the line
    assert len(ok(project.cogpack("plan", "--json")).json["steps"]) == 2  # which runs nothing


@pytest.mark.slow
def test_a_file_with_a_secret_in_it_is_refused_by_its_path(world: World, stepping: Stepping, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("tr0ub4dor-and-3")
    leaking = {**SECRET, "command": "mkdir /etc/x$(cat /run/secrets/token); cat /run/secrets/token > /etc/made"}
    done = stepping(leaking).cogpack("build", "-o", "../out", "--secret", f"id=token,src={tmp_path / 'token'}")
    assert done.code == 2
    assert "build.run[0]: /etc/made has the secret token in it (content, as it is)" in done.err
    assert "tr0ub4dor" not in done.err
    named = {**SECRET, "command": "mkdir /etc/x$(cat /run/secrets/token)"}
    done = stepping("true", named).cogpack("build", "-o", "../out", "--secret", f"id=token,src={tmp_path / 'token'}")
    assert "build.run[1]: /etc/x*** has the secret token in it (name, as it is)" in done.err
    assert "tr0ub4dor" not in done.err
    assert not (world.directory / "out").exists() or not list((world.directory / "out").rglob("index.json"))


@pytest.mark.slow
def test_a_file_with_a_proxys_password_in_it_is_refused(stepping: Stepping) -> None:
    """As `git config --system http.proxy $http_proxy` writes one."""
    project = stepping('echo "proxy = $http_proxy" > /etc/gitconfig')
    done = project.cogpack("build", "-o", "../out", HTTP_PROXY="http://me:tr0ub4dor@127.0.0.1:9")
    assert done.code == 2
    assert "/etc/gitconfig has the password of the proxy in HTTP_PROXY in it (content, as it is)" in done.err
    assert "tr0ub4dor" not in done.err
    ok(project.cogpack("build", "-o", "../out", HTTP_PROXY="http://127.0.0.1:9"))


@pytest.mark.slow
def test_what_cog_names_goes_over_the_images_authorities(stepping: Stepping) -> None:
    project = stepping(f'{MADE}; echo "believes $SSL_CERT_FILE"')
    project.write("cog.yaml", f'{(project.root / "cog.yaml").read_text()}environment: ["SSL_CERT_FILE=/own"]\n')
    text = "-----BEGIN CERTIFICATE-----\nours\n-----END CERTIFICATE-----\n"
    done = ok(project.cogpack("build", "-o", "../out", COG_CA_CERT=text))
    assert "] believes /run/cogpack/authorities.pem\n" in done.err
    assert "] believes /own\n" in ok(project.cogpack("build", "-o", "../other", "--cache-dir", "../other-cache")).err


@pytest.mark.slow
def test_verify_runs_them_only_when_told(world: World, stepping: Stepping) -> None:
    project = stepping(MADE)
    ok(project.cogpack("push", project.target()))
    done = ok(project.cogpack("verify", project.target(), "--json"))
    assert done.json["not_replayed"] == ["run: 1 step"]
    done = ok(project.cogpack("verify", "--run-steps", project.target(), "--cache-dir", "../other"))
    assert "step 1 runs" in done.err


@pytest.mark.slow
def test_a_tag_is_not_believed_about_them(world: World, stepping: Stepping) -> None:
    project = stepping(MADE)
    ok(project.cogpack("push", project.target()))
    (project.root / "cogpack.lock").unlink()
    assert "step 1 runs" in ok(project.cogpack("push", project.target(), "--cache-dir", "../other")).err


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may choose among the rungs")
@pytest.mark.parametrize("rung", ["userns", "chroot"])
def test_each_rung_makes_the_same_layer(stepping: Stepping, rung: str) -> None:
    project = stepping(
        "mkdir -p /opt/x/y && echo 1 > /opt/x/y/a && chown 33:4 /opt/x/y/a && chmod 4755 /opt/x/y/a",
        "ln /opt/x/y/a /opt/x/b; chown -R bob:bob /opt/x; rm -r /usr/sbin; touch /etc/passwd; mv /etc/group /etc/g",
    )
    first = ok(project.cogpack("build", "-o", "../out"))
    done = ok(project.cogpack("build", "-o", "../out2", "--isolation", rung, "--cache-dir", "../other"))
    assert done.digest == first.digest


@pytest.mark.slow
def test_steps_may_be_left_without_a_network(world: World, stepping: Stepping) -> None:
    project = stepping("cat /proc/net/dev > /etc/made")
    text = (project.root / "cog.yaml").read_text()
    project.write("cog.yaml", f"{text}  network: false\n")
    ok(project.cogpack("push", project.target()))
    devices = world.files("me/model", "v1")["etc/made"]
    assert isinstance(devices, bytes)
    assert [line.split(b":")[0].strip() for line in devices.splitlines()[2:]] == [b"lo"]


@pytest.mark.slow
def test_where_proot_is_needed_and_can_not_be_had_is_exit_5_with_the_ways_out(stepping: Stepping) -> None:
    nowhere = {"COGPACK_URL_MAP": f"https://snapshot.debian.org/={CLOSED}/"}
    done = stepping(MADE).cogpack("build", "-o", "../out", "--isolation", "proot", **nowhere)
    assert done.code == 5
    assert "proot" in done.err
    assert all(way in done.err for way in ("COGPACK_DEBIAN_MIRROR", "COGPACK_PROOT", "root", "user namespaces"))


@pytest.mark.slow
def test_a_proot_of_the_users_own_is_taken_and_no_step_begins_through_one_that_shows_this_machine(
    stepping: Stepping, tmp_path: Path
) -> None:
    program = tmp_path / "proot"
    program.write_text('#!/bin/sh\nwhile [ "$1" != /bin/sh ]; do shift; done; exec "$@"\n')
    program.chmod(0o755)
    project = stepping(MADE)
    done = project.cogpack("build", "-o", "../out", "--isolation", "proot", COGPACK_PROOT=str(program))
    assert done.code == 2
    assert "shows a guest this machine's files" in done.err
    assert "step 1 runs" not in done.err
    assert project.cogpack("build", "-o", "../out", "--isolation", "proot", COGPACK_PROOT="proot").code == 2


@pytest.mark.slow
def test_plan_says_how_this_machine_would_run_what_is_yet_to_be_run(stepping: Stepping) -> None:
    project = stepping(MADE)
    done = ok(project.cogpack("plan"))
    assert "run: 1 step would be isolated by" in done.err
    assert "step 1 runs" not in done.err
    ok(project.cogpack("lock", "--run"))
    assert "isolated by" not in ok(project.cogpack("plan")).err


def kept_blobs(cache: Path) -> list[Path]:
    return [path for path in (cache / "steps").iterdir() if path.is_file() and path.suffix not in (".lock", ".result")]


@pytest.mark.slow
def test_a_kept_result_that_somebody_changed_is_told_and_made_again(world: World, stepping: Stepping) -> None:
    project = stepping(MADE)
    first = ok(project.cogpack("build", "-o", "../out", "--cache-dir", "../own"))
    (kept,) = kept_blobs(world.directory / "own")
    good = kept.read_bytes()
    kept.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    done = ok(project.cogpack("build", "-o", "../again", "--cache-dir", "../own"))
    assert f"{kept} is not what was kept there, and not used" in done.err
    assert done.digest == first.digest
    assert kept.read_bytes() == good


@pytest.mark.slow
def test_another_s_lock_counts_more_than_what_ran_here_before(world: World, stepping: Stepping) -> None:
    project = stepping(RANDOM)
    lock = project.root / "cogpack.lock"
    theirs = ok(project.cogpack("push", project.target(), "--cache-dir", "../theirs"))
    said = lock.read_bytes()
    lock.unlink()
    ok(project.cogpack("build", "-o", "../out", "--cache-dir", "../ours"))
    lock.write_bytes(said)
    done = ok(project.cogpack("push", project.target("v2"), "--cache-dir", "../ours"))
    assert done.digest == theirs.digest
