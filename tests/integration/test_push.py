"""The promises of `cogpack push`, kept against a real registry."""

import gzip
import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import threading
import time
import tomllib
from pathlib import Path

import httpx
import pytest
from integration.conftest import Project
from support.base_image import push_base_image
from support.registry import docker_registry
from support.wire import MANIFEST, descriptor_of, digest_of, push_blob, put_manifest

pytestmark = pytest.mark.integration

NOWHERE = "http://127.0.0.1:9"
"""A closed port: whoever asks for a wheel or a package there fails."""

OFFLINE = {
    "UV_DEFAULT_INDEX": NOWHERE,
    "UV_INDEX_URL": NOWHERE,
    "PIP_INDEX_URL": NOWHERE,
    "UV_FIND_LINKS": "",
    "PIP_FIND_LINKS": "",
    "COGPACK_DEBIAN_MIRROR": NOWHERE,
}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory):
    with docker_registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


def pushed(done: "subprocess.CompletedProcess[str]") -> str:
    (line,) = done.stdout.splitlines()
    return line.partition("@")[2]


def test_the_result_is_one_line_with_the_digest_that_the_tag_has(hello: Project, registry: str) -> None:
    done = hello.cogpack("push", f"{registry}/one/hello:v1")
    assert re.fullmatch(rf"{re.escape(registry)}/one/hello@sha256:[0-9a-f]{{64}}\n", done.stdout)
    answer = httpx.head(
        f"http://{registry}/v2/one/hello/manifests/v1",
        headers={"Accept": MANIFEST},
    )
    assert answer.headers["Docker-Content-Digest"] == pushed(done)


def test_a_second_push_with_nothing_changed_sends_nothing(hello: Project, registry: str) -> None:
    first = hello.cogpack("push", f"{registry}/twice/hello")
    second = json.loads(hello.cogpack("push", f"{registry}/twice/hello", "--json").stdout)
    assert second["digest"] == pushed(first)
    assert (second["sent"], second["requests"]) == (0, 0)


def test_a_changed_line_sends_one_small_layer_config_and_manifest(hello: Project, registry: str) -> None:
    hello.cogpack("push", f"{registry}/line/hello")
    with (hello.root / "predict.py").open("a") as source:
        source.write("# one more line\n")
    changed = json.loads(hello.cogpack("push", f"{registry}/line/hello", "--json").stdout)
    assert [layer["name"] for layer in changed["layers"] if layer["sent"]] == ["project"]
    assert changed["requests"] == 3
    assert changed["sent"] < 64 * 1024


def test_an_empty_machine_with_the_lock_asks_only_the_registry(hello: Project, registry: str, tmp_path: Path) -> None:
    hello.cogpack("push", f"{registry}/empty/hello")
    machine = hello.fresh(tmp_path / "machine", lock=True)
    with (machine.root / "predict.py").open("a") as source:
        source.write("# one more line\n")
    changed = json.loads(
        machine.cogpack(
            "push",
            f"{registry}/empty/hello",
            "--json",
            CI="true",
            COGPACK_CACHE_DIR=str(tmp_path / "empty cache"),
            **OFFLINE,
        ).stdout
    )
    assert [layer["name"] for layer in changed["layers"] if layer["sent"]] == ["project"]


def test_a_plan_tells_about_how_much_there_is_before_anything_is_fetched(hello: Project, tmp_path: Path) -> None:
    lock = hello.root / "cogpack.lock"
    built = {result["name"]: result["size"] for result in tomllib.loads(lock.read_text())["results"]["layers"]}
    lock.write_text(lock.read_text().partition("[results]")[0])
    planned = json.loads(hello.cogpack("plan", "--json", COGPACK_CACHE_DIR=str(tmp_path / "empty"), **OFFLINE).stdout)
    layers = {layer["name"]: layer for layer in planned["layers"]}
    assert layers.keys() == {*built, "project"}  # which no lock remembers, and a plan makes
    for name in built:
        layer = layers[name]
        assert layer["size"] is None
        if name.startswith(("wheels:", "debian:")):
            assert layer["about"] == pytest.approx(built[name], rel=0.2)


def test_without_results_in_the_lock_the_tag_says_what_its_layers_are(
    hello: Project, registry: str, tmp_path: Path
) -> None:
    first = hello.cogpack("push", f"{registry}/word/hello")
    machine = hello.fresh(tmp_path / "machine", lock=True)
    lock = machine.root / "cogpack.lock"
    lock.write_text(lock.read_text().partition("[results]")[0])
    again = machine.cogpack(
        "push", f"{registry}/word/hello", COGPACK_CACHE_DIR=str(tmp_path / "empty cache"), **OFFLINE
    )
    assert pushed(again) == pushed(first)


def test_another_machine_with_empty_caches_and_no_results_makes_the_same_digest(
    hello: Project, registry: str, tmp_path: Path
) -> None:
    first = hello.cogpack("push", f"{registry}/same/hello")
    machine = hello.fresh(tmp_path / "another directory", lock=True)
    lock = machine.root / "cogpack.lock"
    lock.write_text(lock.read_text().partition("[results]")[0])
    for path in machine.root.rglob("*"):
        path.chmod(path.stat().st_mode | 0o066 if path.is_file() else 0o700)
        os.utime(path, (1, 1))
    odd = {"PYTHONHASHSEED": "7", "TZ": "Pacific/Kiritimati", "LC_ALL": "C", "SOURCE_DATE_EPOCH": "99"}
    again = machine.cogpack(
        "push",
        f"{registry}/other/hello",
        "--jobs",
        "1",
        COGPACK_CACHE_DIR=str(tmp_path / "empty cache"),
        **odd,
    )
    assert pushed(again) == pushed(first)


@pytest.mark.parametrize("empty_cache", [False, True])
@pytest.mark.parametrize("size", [None, 1000, 100_000_000])
def test_a_poisoned_result_is_named_and_nothing_is_tagged(
    hello: Project, registry: str, tmp_path: Path, empty_cache: bool, size: int | None
) -> None:
    lock = hello.root / "cogpack.lock"
    text = lock.read_text()
    digest = next(
        result["digest"] for result in tomllib.loads(text)["results"]["layers"] if result["name"].startswith("wheels:")
    )
    lock.write_text(text.replace(digest, "sha256:" + "0" * 64))
    done = hello.cogpack("push", f"{registry}/poison/other", ok=False)
    assert done.returncode == 3
    assert "cogpack.lock says" in done.stderr
    assert "0" * 64 in done.stderr
    assert httpx.get(f"http://{registry}/v2/poison/other/tags/list").status_code == 404


def test_killed_at_any_moment_the_next_push_ends_and_no_broken_tag_is_ever_seen(
    hello: Project, registry: str, tmp_path: Path
) -> None:
    url = f"http://{registry}/v2/killed/hello"
    broken: list[str] = []
    pulled: set[str] = set()
    """Digests read whole and found right: blobs of a registry don't change under their digest."""
    stop = threading.Event()

    def watch() -> None:
        with httpx.Client(timeout=30) as client:
            while not stop.is_set():
                answer = client.get(f"{url}/manifests/latest", headers={"Accept": MANIFEST})
                if answer.status_code == 200:
                    manifest = answer.json()
                    for blob in [manifest["config"], *manifest["layers"]]:
                        if blob["digest"] not in pulled:
                            data = client.get(f"{url}/blobs/{blob['digest']}").content
                            (pulled.add if digest_of(data) == blob["digest"] else broken.append)(blob["digest"])
                    pulled.add(digest_of(answer.content))
                time.sleep(0.02)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for attempt in range(6):
            (hello.root / "change.txt").write_text(f"change {attempt}")
            process = subprocess.Popen(
                [sys.executable, "-m", "cogpack", "push", f"{registry}/killed/hello", "--rebuild"],
                cwd=hello.root,
                env=hello.environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            time.sleep(0.4 * attempt)
            process.send_signal(signal.SIGKILL if attempt % 2 else signal.SIGTERM)
            process.wait(30)
        last = pushed(hello.cogpack("push", f"{registry}/killed/hello"))
        deadline = time.monotonic() + 60
        while last not in pulled and watcher.is_alive() and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        stop.set()
        watcher.join()
    assert broken == []
    assert last in pulled


def test_two_pushes_at_once_that_share_a_cache_both_end_right(hello: Project, registry: str, tmp_path: Path) -> None:
    environment = hello.environment | {"COGPACK_CACHE_DIR": str(tmp_path / "cache")}
    others = [hello.fresh(tmp_path / name, lock=True) for name in ("a", "b")]
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "cogpack", "push", f"{registry}/both/{other.root.name}"],
            cwd=other.root,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for other in others
    ]
    results = [process.communicate(timeout=300) for process in running]
    assert [process.returncode for process in running] == [0, 0], results
    digests = {out.partition("@")[2] for out, _ in results}
    assert len(digests) == 1


def test_verify_agrees_with_a_push_and_names_the_first_file_that_differs(small: Project, registry: str) -> None:
    done = small.cogpack("push", f"{registry}/verify/hello:v1")
    assert pushed(small.cogpack("verify", f"{registry}/verify/hello:v1")) == pushed(done)
    source = small.root / "predict.py"
    source.write_text(source.read_text() + "\n")
    failed = small.cogpack("verify", f"{registry}/verify/hello:v1", ok=False)
    assert failed.returncode == 3
    assert "(project)" in failed.stderr
    assert "first difference: /src/predict.py" in failed.stderr


def test_verify_names_a_file_of_the_base_that_somebody_changed(hello: Project, registry: str) -> None:
    """The registry's image has all the right annotations and another /etc/debian_version."""
    hello.cogpack("push", f"{registry}/tampered/hello:v1")
    with httpx.Client(base_url=f"http://{registry}/v2", timeout=60) as client:
        manifest = client.get("/tampered/hello/manifests/v1", headers={"Accept": MANIFEST}).json()
        config = client.get(f"/tampered/hello/blobs/{manifest['config']['digest']}").json()
        layer = manifest["layers"][0]
        tar = gzip.decompress(client.get(f"/tampered/hello/blobs/{layer['digest']}").content)
        with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
            at = archive.getmember("etc/debian_version").offset_data
        tar = tar[:at] + b"6" + tar[at + 1 :]
        changed = gzip.compress(tar, 1)
        push_blob(client, "tampered/hello", changed)
        layer |= descriptor_of(changed, layer["mediaType"])
        config["rootfs"]["diff_ids"][0] = digest_of(tar)
        data = json.dumps(config).encode()
        push_blob(client, "tampered/hello", data)
        manifest["config"] |= descriptor_of(data, manifest["config"]["mediaType"])
        assert put_manifest(client, "tampered/hello", "v1", json.dumps(manifest).encode()).status_code == 201
    failed = hello.cogpack("verify", f"{registry}/tampered/hello:v1", ok=False)
    assert failed.returncode == 3
    assert "first difference: /etc/debian_version" in failed.stderr


def test_a_base_from_a_registry_is_mounted_not_sent_and_its_settings_kept(hello: Project, registry: str) -> None:
    hello.cogpack("push", f"{registry}/for/base:v1")
    push_base_image(registry, "for/base:v1", "library/base:v1")
    config = hello.root / "cog.yaml"
    config.write_text(config.read_text() + f"\ncogpack:\n  base: {registry}/library/base:v1\n")
    (hello.root / "cogpack.lock").unlink()
    done = json.loads(hello.cogpack("push", f"{registry}/based/hello", "--json").stdout)
    (base,) = [layer for layer in done["layers"] if layer["name"].startswith("base:")]
    assert base["sent"] == 0
    found = json.loads(hello.cogpack("inspect", done["reference"], "--json").stdout)
    assert "FROM_BASE=kept" in found["environment"]
    assert "PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin" in found["environment"]


def test_a_base_of_another_registry_is_streamed_once_and_never_asked_for_again(hello: Project, tmp_path: Path) -> None:
    """Nothing of it is kept here; with the lock, an empty machine needs the target alone."""
    # No other test has pushed there what could be mounted.
    with docker_registry(tmp_path / "registry") as registry:
        config = hello.root / "cog.yaml"
        with docker_registry(tmp_path / "elsewhere") as elsewhere:
            hello.cogpack("push", f"{elsewhere}/for/base:v1")
            push_base_image(elsewhere, "for/base:v1", "library/base:v1")
            config.write_text(config.read_text() + f"\ncogpack:\n  base: {elsewhere}/library/base:v1\n")
            (hello.root / "cogpack.lock").unlink()
            first = json.loads(hello.cogpack("push", f"{registry}/streamed/hello", "--json").stdout)
        (base,) = [layer for layer in first["layers"] if layer["name"].startswith("base:")]
        assert base["sent"] == base["size"]
        kept = [
            path.stat().st_size for path in Path(hello.environment["COGPACK_CACHE_DIR"]).rglob("*") if path.is_file()
        ]
        assert base["sent"] not in kept
        (hello.root / "predict.py").write_text((hello.root / "predict.py").read_text() + "# one more line\n")
        machine = hello.fresh(tmp_path / "machine", lock=True)
        again = machine.cogpack(
            *("push", f"{registry}/streamed/hello", "--json"),
            COGPACK_CACHE_DIR=str(tmp_path / "empty cache"),
            **OFFLINE,
        )
        assert [layer["name"] for layer in json.loads(again.stdout)["layers"] if layer["sent"]] == ["project"]


def test_peak_memory_of_a_first_push_does_not_grow_with_the_weights(
    hello: Project, registry: str, tmp_path: Path
) -> None:
    """All of it: resolving, downloads, and the Debian packages of an empty cache."""
    (hello.root / "cogpack.lock").unlink()
    weights = hello.root / "model.safetensors"
    with weights.open("wb") as stream:
        header = b'{"w":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}' % ((1 << 30,) * 2)
        stream.write(len(header).to_bytes(8, "little") + header)
        stream.truncate(8 + len(header) + (1 << 30))
    program = (
        "import resource, subprocess, sys\n"
        "done = subprocess.run([sys.executable, '-m', 'cogpack', *sys.argv[1:]])\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
        "sys.exit(done.returncode)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "push", f"{registry}/big/hello", "-q"],
        cwd=hello.root,
        env=hello.environment | {"COGPACK_CACHE_DIR": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout.splitlines()[-1]) < 170 * 1024
