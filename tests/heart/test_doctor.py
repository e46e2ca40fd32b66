"""`doctor`: what this machine lets us do, and who told us where to look."""

import json
from datetime import UTC, datetime

import pytest
from support.world import CLOSED, Done, World, ok

from cogpack.commands import doctor
from cogpack.commands.checks import clock_check
from cogpack.commands.gpu_check import Torch, compared
from cogpack.locking.minimum_driver import MinimumDriver
from cogpack.sandbox.rungs.choice import Findings, Refusal, Rung


def test_no_login_of_an_index_is_told_however_it_is_written(world: World) -> None:
    given = {
        "https://bob:a,bsecretpw@h.test/simple": "https://h.test/simple",
        "https://h.test/simple?token=secretpw": "https://h.test/simple?...",
        "corp=https://bob:a/secretpw@h.test/simple": "corp=https://h.test/simple",
        "https://bob:secretpw@x@h.test/simple": "https://h.test/simple",
        "https://bob:a?secretpw@h.test/simple": "https://...",
        "https://h.test:80/simple?token=a@secretpw": "https://...",
        "bob:secretpw@h.test/simple": "h.test/simple",
        "secretpw@h.test/simple": "h.test/simple",
        "//bob:secretpw@h.test/simple": "h.test/simple",
        "https://bob:secretpw@[::1/simple": "https://[::1/simple",
        "https://h.test/_packaging/feed@Local/simple": "https://h.test/_packaging/feed@Local/simple",
    }
    main = {"UV_DEFAULT_INDEX": "", "PIP_INDEX_URL": next(iter(given))}
    done = ok(world.cogpack("doctor", UV_INDEX=" ".join(given), **main))
    assert f"index beside it: {' '.join(given.values())}  (UV_INDEX)" in done.out.splitlines(), done.out
    assert "package index: https://h.test/simple  (PIP_INDEX_URL)" in done.out.splitlines(), done.out
    links = {"UV_FIND_LINKS": "/srv/wheels@2,https://bob:a,secretpw@h.test/a,https://secretpw@h.test/b"}
    shown = ok(world.cogpack("doctor", "--json", **links, COGPACK_DEPOT="https://bob:a/secretpw@h.test/d"))
    settings = {one["name"]: one["value"] for one in shown.json["settings"]}
    assert settings["wheels beside it"] == "/srv/wheels@2,https://h.test/a,https://h.test/b"
    assert settings["depot"] == "https://h.test/d"
    assert "secretpw" not in done.out + done.err + shown.out + shown.err


def test_rungs_and_settings_are_told_with_who_sets_them_and_without_secrets(world: World) -> None:
    machine = world.directory / "machine.toml"
    machine.write_text('url_map = ["https://a.test=https://p.test/a"]\nregistry_mirrors = ["docker.io=m.test"]\n')
    environment = {
        "COGPACK_CONFIG": str(machine),
        "UV_DEFAULT_INDEX": "https://me:hunter2@a.test/simple",
        "UV_INDEX": "corp=https://me:hunter2@b.test/simple https://me:hunter2@c.test/simple",
        "PIP_FIND_LINKS": "/opt/wheels",
        "HTTPS_PROXY": "http://me:hunter2@proxy.test:3128",
        "UV_PYTHON_INSTALL_MIRROR": "https://me:hunter2@m.test/python",
        "COGPACK_DEPOT": "https://me:hunter2@files.test/depot",
        "COG_CA_CERT": "-----BEGIN CERTIFICATE-----\nours\n-----END CERTIFICATE-----\n",
    }
    done = ok(world.cogpack("doctor", **environment))
    lines = done.out.splitlines()
    for line in (
        f"machine's file: {machine}  (COGPACK_CONFIG)",
        f"cache: {world.directory / 'cache'}  (COGPACK_CACHE_DIR)",
        f"url map: https://a.test=https://p.test/a  ({machine}: url_map)",
        f"registry mirror: docker.io=m.test  ({machine})",
        f"Debian mirror: {CLOSED}  (COGPACK_DEBIAN_MIRROR)",
        "mirror of interpreters: https://m.test/python  (UV_PYTHON_INSTALL_MIRROR)",
        "depot: https://files.test/depot  (COGPACK_DEPOT)",
        "package index: https://a.test/simple  (UV_DEFAULT_INDEX)",
        "index beside it: corp=https://b.test/simple https://c.test/simple  (UV_INDEX)",
        "wheels beside it: /opt/wheels  (PIP_FIND_LINKS)",
        "proxy for https: http://proxy.test:3128  (the environment)",
        "authorities: more than the system's  (COG_CA_CERT)",
    ):
        assert line in lines, done.out
    assert "hunter2" not in done.out
    found = ok(world.cogpack("doctor", "--json", COGPACK_URL_MAP="https://b.test=https://p.test/b")).json
    maps = [one for one in found["settings"] if one["name"] == "url map"]
    assert maps == [{"name": "url map", "value": "https://b.test=https://p.test/b", "source": "COGPACK_URL_MAP"}]
    rungs = {rung["name"]: rung["refused"] for rung in found["rungs"]}
    assert list(rungs) == ["root", "userns", "chroot", "proot"]
    assert found["isolation"] == next((name for name, refused in rungs.items() if refused is None), None)
    assert all(rung["helps"] for rung in found["rungs"] if rung["refused"])


def checks(done: Done) -> dict[str, tuple[str, str]]:
    """What each check found: its verdict, and all that it says."""
    return {one["name"]: (one["verdict"], f"{one['said']}; {one['next_step']}") for one in done.json["checks"]}


def test_a_project_is_looked_at_and_nothing_is_resolved_for_it(world: World) -> None:
    project = world.project("looked-at", config="image: r8.im/me/looked-at\n")
    before = (project.root / "cog.yaml").read_bytes()
    found = checks(ok(project.cogpack("doctor", "--json")))
    verdict, said = found["cog.yaml"]
    assert verdict == "advice"
    assert said.startswith(f"{project.root / 'cog.yaml'}:4:10: predict is the old name of run; ")
    assert said.endswith("cogpack doctor --fix")
    assert {name: verdict for name, (verdict, _) in found.items()} == {
        "room": found["room"][0],
        "cog.yaml": "advice",
        "model": "ok",
        "predictor": "advice",
        "lock": "advice",
        "python": "ok",
        "login": "advice",
    }
    assert "cogpack login r8.im" in found["login"][1]
    assert (project.root / "cog.yaml").read_bytes() == before
    assert not (project.root / "cogpack.lock").exists()
    assert not world.requests

    ok(project.cogpack("lock"))
    assert checks(ok(project.cogpack("doctor", "--json")))["lock"][0] == "ok"
    project.write("requirements.txt", "--no-index\nnothing\n")
    stale = project.cogpack("doctor")
    assert stale.code == 2
    assert "failed  lock: " in stale.out
    assert "requirements.txt" in stale.out.partition("failed  lock: ")[2]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("-r nothing.txt", "requirements.txt:2: nothing.txt: No such file"),
        ("torch=1", "requirements.txt:2"),
    ],
)
def test_requirements_that_can_not_be_read_are_told_where_there_is_no_lock(world: World, text: str, said: str) -> None:
    project = world.project(requirements=f"{text}\n")
    done = project.cogpack("doctor", "--json")
    found = checks(done)
    assert (done.code, found["requirements"][0], said in found["requirements"][1]) == (2, "failed", True), found
    assert not found["requirements"][1].endswith("None")
    assert "lock" not in found


def test_keys_that_are_old_or_unknown_are_told_with_their_places(world: World) -> None:
    project = world.project()
    config = (project.root / "cog.yaml").read_text()
    project.write("cog.yaml", config.replace("build:\n", "build:\n  pre_install: []\n", 1) + "tasks: 1\n")
    found = ok(project.cogpack("doctor", "--json")).json["checks"]
    told = [one["said"] for one in found if one["name"] == "keys"]
    assert [text.partition(": ")[0] for text in told] == ["cog.yaml:8:1", "cog.yaml:2:16"]
    assert "deprecated by Cog" in told[1]


def test_what_sources_import_and_nothing_has_is_told_by_lock_by_push_and_by_doctor(world: World) -> None:
    """Sources are no input of the lock, so what they import later is told by who takes the lock as it is."""
    project = world.project("imports")
    predictor = (project.root / "predict.py").read_text()
    ok(project.cogpack("lock"))
    ok(project.cogpack("push", f"{world.registry}/me/imports:1"))
    assert checks(ok(project.cogpack("doctor", "--json")))["imports"][0] == "ok"
    project.write("predict.py", f"import strange\n{predictor}")
    elsewhere = {"COGPACK_CACHE_DIR": str(world.directory / "empty")}
    unseen = checks(ok(project.cogpack("doctor", "--json", **elsewhere)))["imports"]
    assert unseen == ("advice", "what sources import was not seen: some wheels are not here; None")
    advice = "add the package that has it to requirements.txt"
    text = f"predict.py:1:8: imports strange, which nothing in the image has: {advice}"
    assert checks(ok(project.cogpack("doctor", "--json")))["imports"] == ("advice", f"{text}; None")
    assert f"note: {text}" in ok(project.cogpack("push", f"{world.registry}/me/imports:1")).err
    assert f"note: {text}" in ok(project.cogpack("lock")).err
    denied = project.cogpack("lock", "--deny", "missing-import")
    assert (denied.code, text in denied.err) == (2, True)
    assert "    1 | import strange\n      |        ^\n" in denied.err


@pytest.mark.parametrize(
    ("beginning", "base"),
    [
        ("from pydantic import BaseModel", "BaseModel"),
        ("from pydantic import BaseModel as B", "B"),
        ("import pydantic", "pydantic.BaseModel"),
        ("import pydantic as p", "p.BaseModel"),
    ],
)
def test_what_older_cogs_made_necessary_of_pydantic_is_told_with_its_place(
    world: World, beginning: str, base: str
) -> None:
    project = world.project()
    source = (project.root / "predict.py").read_text()
    model = f"class Out({base}):\n    a: str\n    model_config = ConfigDict(arbitrary_types_allowed="
    for allowed, told in (("True", True), ("False", False)):
        project.write("predict.py", f"{beginning}\nfrom pydantic import ConfigDict\n{model}{allowed})\n{source}")
        found = checks(project.cogpack("doctor", "--json"))
        assert ("pydantic" in found) is told
        if told:
            assert found["pydantic"][0] == "advice"
            assert found["pydantic"][1].startswith("predict.py:3:1: class Out is a pydantic.BaseModel")
    project.write("predict.py", f"from cog import BaseModel\n{model.replace(base, 'BaseModel')}True)\n{source}")
    assert "pydantic" not in checks(project.cogpack("doctor", "--json"))


@pytest.mark.parametrize(
    ("version", "verdict", "said"),
    [
        ("3.13", "ok", "3.13, of Debian"),
        (
            "3.12",
            "advice",
            "3.12 is none of Debian's: it comes from python-build-standalone, at https://m.test/python; ",
        ),
    ],
)
def test_where_python_comes_from_is_told_before_it_is_asked_for(
    world: World, version: str, verdict: str, said: str
) -> None:
    project = world.project()
    found = checks(project.cogpack("doctor", "--json"))["python"]
    assert found == ("ok", "3.13, of the base, if that has it; None")
    ok(project.cogpack("lock"))
    assert checks(project.cogpack("doctor", "--json"))["python"] == ("ok", "3.13, of the base, as locked; None")
    project.write("cog.yaml", f'build:\n  python_version: "{version}"\npredict: "predict.py:Predictor"\n')
    mirror = "https://me:hunter2@m.test/python"
    found = checks(project.cogpack("doctor", "--json", UV_PYTHON_INSTALL_MIRROR=mirror))["python"]
    assert (found[0], found[1].startswith(said)) == (verdict, True), found


def test_old_names_of_the_predictor_are_told_until_they_are_new(world: World) -> None:
    project = world.project()
    found = checks(ok(project.cogpack("doctor", "--json")))["predictor"]
    assert found[1].startswith(
        "predict.py:5:5: class Predictor has old names: predict() for run(), BasePredictor for BaseRunner"
    )
    source = (project.root / "predict.py").read_text()
    project.write("predict.py", source.replace("BasePredictor", "BaseRunner").replace("def predict", "def run"))
    assert "predictor" not in checks(ok(project.cogpack("doctor", "--json")))


@pytest.mark.parametrize(
    ("gpus", "pin", "told"),
    [
        ("9.0, 550.54.15", "torch==1.13.1", "torch 1.13.1 has no kernels for sm_90"),
        ("9.0, 550.54.15\n9.0, 550.54.15", "torch==2.0.1+cu118", None),
        ("8.9, 550.54.15\n12.0, 575.0", "torch==2.4.1", "torch 2.4.1 has no kernels for sm_120"),
        ("12.0, 575.0", "torch==2.7.0+cu128", None),
        ("10.3, 580.1", "torch==2.6", "torch 2.6 has no kernels for sm_103"),
        ("7.5, 450.1", "torch==1.4", None),
        ("9.0, 550.54.15", "torch>=1", None),
        ("12.0, 575.0", "torch==2.7", None),
        ("12.0, 575.0", "torch==2", "torch 2 has no kernels for sm_120"),
        ("12.0, 575.0", "torch==2.*", None),
        ("12.0, 575.0", "torch===2.5.1", None),
        ("12.0, 575.0", "torch @ https://a.test/torch-2.5.1-cp313-cp313-linux_x86_64.whl", None),
        ("12.0, 575.0", 'torch==2.5.1; python_version<"3"\ntorch==2.7.0; python_version>"3"', None),
        (
            "12.0, 575.0",
            'torch==2.7.0; platform_machine=="arm64"\ntorch==2.5.1',
            "torch 2.5.1 has no kernels for sm_120",
        ),
        ("[N/A], [N/A]", "torch==1.4", None),
    ],
)
def test_a_gpu_of_this_machine_is_compared_with_what_torch_has_kernels_for(
    world: World, monkeypatch: pytest.MonkeyPatch, gpus: str, pin: str, told: str | None
) -> None:
    project = world.project(requirements=f"{pin}\n")
    config = (project.root / "cog.yaml").read_text()
    _nvidia_smi(world, monkeypatch, gpus)
    assert "gpu" not in checks(ok(project.cogpack("doctor", "--json")))
    project.write("cog.yaml", config.replace("build:\n", "build:\n  gpu: true\n"))
    verdict, said = checks(ok(project.cogpack("doctor", "--json")))["gpu"]
    assert (verdict, told in said if told else True) == ("advice" if told else "ok", True), said
    assert told or gpus == "[N/A], [N/A]" or ("has kernels" in said) is not ("no exact pin of torch is read" in said)
    if pin in ("torch>=1", "torch==2.*") or "===" in pin or "@" in pin:
        assert "no exact pin of torch is read" in said
    assert "gpu" not in checks(ok(project.cogpack("doctor", "--json", COG_SKIP_GPU_CHECK="1")))


def test_a_lock_tells_the_driver_and_the_cuda_that_a_gpu_needs() -> None:
    old = Torch(version="2.7.0+cu118", cuda="11.8", driver=MinimumDriver(version="450.80.02", cuda="11.8", of="torch"))
    (kernels,) = compared(old, [(12, 0, "575.0")])
    assert kernels.said.startswith("torch 2.7.0+cu118 of CUDA 11.8 has no kernels for sm_120")
    assert list(compared(Torch(version="2.7", cuda="12"), [(12, 0, "575")])) == []
    same = MinimumDriver(version="575.0", cuda="12.9", of="torch")
    assert list(compared(Torch(version="2.8.0", cuda="12.9", driver=same), [(12, 0, "575")])) == []
    new = Torch(version="2.9.0", cuda="13.0", driver=MinimumDriver(version="580.65.06", cuda="13.0", of="torch"))
    assert list(compared(new, [(12, 0, "580.65.06")])) == []
    (driver,) = compared(new, [(9, 0, "550.54.15")])
    assert driver.said.endswith("580.65.06 or a later one, for CUDA 13.0 of torch, and this machine has 550.54.15")


def test_a_driver_that_says_more_in_no_utf_8_tells_of_its_gpus_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = world.project(requirements="torch==2.9.0\n")
    config = (project.root / "cog.yaml").read_text()
    project.write("cog.yaml", config.replace("build:\n", "build:\n  gpu: true\n"))
    _nvidia_smi(world, monkeypatch, r"\377\n5.2, 580.65.06")
    assert "has kernels" in checks(ok(project.cogpack("doctor", "--json")))["gpu"][1]


def _nvidia_smi(world: World, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    program = world.directory / "bin/nvidia-smi"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\n[ $1 = --query-gpu=compute_cap,driver_version ] && printf '{said}\\n'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")


def test_the_old_key_is_renamed_where_it_stands_and_nothing_else_changes(world: World) -> None:
    project = world.project("renamed")
    path = project.root / "cog.yaml"
    path.write_bytes(b"# predict: as it was\r\n" + path.read_bytes().replace(b"predict: ", b'"predict" : '))
    path.chmod(0o640)
    ok(project.cogpack("lock"))
    before = path.read_bytes()
    assert checks(ok(project.cogpack("doctor", "--fix", "--json")))["cog.yaml"][0] == "ok"
    assert path.read_bytes() == before.replace(b'"predict" :', b'"run" :')
    assert path.stat().st_mode & 0o777 == 0o640
    assert {verdict for verdict, _ in checks(ok(project.cogpack("doctor", "--json"))).values()} <= {"ok", "advice"}
    ok(project.cogpack("lock", "--check"))

    flow = path.read_bytes().replace(b'"run" :', b"<<: {predict: ").replace(b':Predictor"', b':Predictor"}')
    path.write_bytes(flow)
    assert checks(ok(project.cogpack("doctor", "--fix", "--json")))["cog.yaml"][0] == "advice"
    assert path.read_bytes() == flow


def test_a_linked_cog_yaml_stays_a_link(world: World) -> None:
    project = world.project("linked")
    path = project.root / "cog.yaml"
    shared = world.directory / "shared.yaml"
    path.rename(shared)
    path.symlink_to(shared)
    before = shared.read_bytes()
    assert checks(ok(project.cogpack("doctor", "--fix", "--json")))["cog.yaml"][0] == "advice"
    assert path.is_symlink()
    assert shared.read_bytes() == before


def test_what_is_wrong_is_told_with_its_remedy_and_the_command_ends_with_2(world: World) -> None:
    project = world.project("wrong")
    project.write("predict.py", "class Predictor:\n    def predict(self, text):\n        return text\n")
    done = project.cogpack("doctor", "--json")
    assert done.code == 2
    assert checks(done)["model"][0] == "failed"
    project.write("cog.yaml", "run: gone.py:Runner\n")
    done = project.cogpack("doctor", "--json")
    assert done.code == 2
    assert checks(done)["model"][1].startswith("cog.yaml:1:6: run: gone.py: no such file in the project")
    assert "lock" in checks(done)  # the rest is told all the same
    project.write("cog.yaml", "build: [1]\n")
    done = project.cogpack("doctor", "--json")
    assert done.code == 2
    assert checks(done)["cog.yaml"] == (
        "failed",
        'cog.yaml:1:8: build: expected a mapping, found a list; write "key: value" lines',
    )


def test_a_registry_is_asked_whether_it_takes_a_push_and_what_time_it_is(world: World) -> None:
    world.requests.clear()
    found = checks(ok(world.cogpack("doctor", f"{world.registry}/me/model", "--json")))
    assert (found["login"][0], found["registry"][0]) == ("ok", "ok")
    assert [method for method, path in world.requests if "/blobs/uploads/" in path] == ["POST", "DELETE"]
    assert not world.uploads()
    project = world.project()
    project.write("cog.yaml", f"image: {world.registry}/me/other\n" + (project.root / "cog.yaml").read_text())
    told = ok(project.cogpack("doctor", f"{world.registry}/me/model", "--json")).json["checks"]
    assert [check["name"] for check in told].count("login") == 1
    closed = world.cogpack("doctor", f"{CLOSED.removeprefix('http://')}/me/model", "--json")
    assert closed.code == 2
    assert checks(closed)["registry"][0] == "failed"


def test_a_machine_that_lets_nothing_be_run_fails_where_commands_are_to_be_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = Refusal("unshare", "EPERM", "another machine")
    monkeypatch.setattr(doctor, "probe", lambda _: Findings(dict.fromkeys(Rung, refused), emulation=refused))
    project = world.project()
    assert "build.run" not in checks(ok(project.cogpack("doctor", "--json")))
    config = (project.root / "cog.yaml").read_text()
    project.write("cog.yaml", config.replace("build:\n", "build:\n  run: [make]\n"))
    done = project.cogpack("doctor", "--json")
    assert (done.code, done.json["isolation"]) == (2, None)
    verdict, said = checks(done)["build.run"]
    assert (verdict, "cogpack lock --run where they can be" in said) == ("failed", True)
    assert "refused: unshare: EPERM; helps: another machine" in project.cogpack("doctor").out


def test_a_full_disk_and_a_helper_that_is_not_installed_are_told_with_what_helps(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cogpack.commands.checks._ROOM", 1 << 70)
    verdict, said = checks(ok(world.cogpack("doctor", "--json")))["room"]
    assert (verdict, "cogpack cache clean" in said) == ("advice", True)
    (world.directory / "docker").mkdir()
    (world.directory / "docker/config.json").write_text(json.dumps({"credHelpers": {world.registry: "gone"}}))
    environment = {"DOCKER_CONFIG": str(world.directory / "docker")}
    done = world.cogpack("doctor", f"{world.registry}/me/model", "--json", **environment)
    found = checks(done)
    assert (done.code, found["login"][0]) == (2, "failed")
    assert "docker-credential-gone" in found["login"][1]
    assert found["login"][1].endswith(f"mend what is named there, or take it out; then cogpack login {world.registry}")


@pytest.mark.parametrize(
    ("date", "said"),
    [
        ("Sun, 29 Nov 2026 07:00:00 GMT", "it agrees with the registry's"),
        ("Sun, 29 Nov 2026 08:00:00 GMT", "it is 59 min 30 s behind the registry's"),
        ("Sun, 29 Nov 2026 06:30:00 -0000", "it is 30 min 30 s ahead of the registry's"),
        ("Thu, 28 Nov 2030 07:00:00 GMT", "it is 1459 days behind the registry's"),
        ("tomorrow", None),
        ("Sun, 29 Nov 99999999999999999999 07:00:00 GMT", None),
        ("", None),
    ],
)
def test_a_clock_is_compared_with_the_registrys(date: str, said: str | None) -> None:
    now = datetime(2026, 11, 29, 7, 0, 30, tzinfo=UTC).timestamp()
    found = clock_check(date, now)
    assert (found.said if found else None) == said


def test_a_bad_map_of_addresses_is_a_row_and_all_others_are_told(world: World) -> None:
    """It was the only line."""
    project = world.project()
    good = project.cogpack("doctor")
    done = project.cogpack("doctor", f"{world.registry}/me/model", COGPACK_URL_MAP="nonsense", HTTPS_PROXY="socks5://x")
    assert done.code == 2, done.err
    assert "failed  url map: COGPACK_URL_MAP: 'nonsense': expected PREFIX=PREFIX, two http addresses\n" in done.out
    assert "proxy for https: HTTPS_PROXY: expected the address of an HTTP proxy" in done.out
    rows = {line.partition(":")[0] for line in good.out.splitlines()}
    assert rows <= {line.partition(":")[0] for line in done.out.splitlines()}
