"""`cogpack run` and `serve`: a model's server in a container, asked over loopback. A stand-in serves here."""

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import plain
from support.programs_base import PROGRAMS, SERVER, programs_base
from support.world import Project, World, ok


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return programs_base(tmp_path_factory.mktemp("programs"), (*PROGRAMS, "perl"), python=SERVER)


@pytest.fixture
def project(world: World, programs: bytes) -> Project:
    """A project whose model says hello."""
    return world.project_over(programs)


def test_only_the_output_goes_to_stdout(project: Project) -> None:
    text = "world \u202d\N{WOMAN}\N{ZERO WIDTH JOINER}\N{PERSONAL COMPUTER}"
    done = ok(project.cogpack("run", "-i", f"text={text}"))
    assert done.out == f"hello {text}\n"
    assert "asked" in done.err
    assert "server: -m cog.server.http --host 127.0.0.1" in done.err
    assert not (project.root / ".cog").exists()


def test_a_training_is_asked_of_a_server_in_its_train_mode(project: Project) -> None:
    project.write("train.py", "def train(text: str) -> str:\n    return text\n")
    config = (project.root / "cog.yaml").read_text()
    project.write("cog.yaml", config.replace("predict:", 'train: "train.py:train"\npredict:'))
    done = ok(project.cogpack("train", "-i", "text=world"))
    assert done.out == "hello world\n"
    assert done.err.count("--x-mode train") == 1


def test_a_training_is_alone_though_predictions_are_several_at_once(project: Project) -> None:
    """coglet refuses a train that is not async where there are places for more."""
    project.write("train.py", "def train(text: str) -> str:\n    return text\n")
    source = (project.root / "predict.py").read_text()
    project.write("predict.py", source.replace("    def predict", "    async def predict"))
    config = (project.root / "cog.yaml").read_text()
    config = config.replace("predict:", 'train: "train.py:train"\npredict:')
    project.write("cog.yaml", f"{config}\nconcurrency: {{max: 2}}\n")
    assert "at once: 1\n" in ok(project.cogpack("train", "-i", "text=world")).err
    assert "at once: 2\n" in ok(project.cogpack("run", "-i", "text=world")).err
    given = ok(project.cogpack("train", "-i", "text=world", "-e", "COG_MAX_CONCURRENCY=3"))
    assert "at once: 3\n" in given.err


def test_a_model_that_is_only_trained_makes_trainings_and_says_so(project: Project) -> None:
    project.write("train.py", "def train(text: str) -> str:\n    return text\n")
    config = (project.root / "cog.yaml").read_text()
    project.write("cog.yaml", config.replace('predict: "predict.py:Predictor"', 'train: "train.py:train"'))
    done = ok(project.cogpack("train", "-i", "text=world"))
    assert (done.out, done.err.count("--x-mode train")) == ("hello world\n", 1)
    refused = project.cogpack("run", "-i", "text=world")
    assert (refused.code, "cogpack train" in refused.err, "server:" in refused.err) == (2, True, False)
    assert project.cogpack("serve", "--playground").code == 2


def test_weights_of_this_machine_are_those_of_the_setup_and_no_log_has_the_token(
    world: World, project: Project, tmp_path: Path
) -> None:
    (tmp_path / "lora.bin").write_text("trained")
    token = "hf_ThisIsATokenOfOnesOwn"
    given = ["-e", f"COG_WEIGHTS={tmp_path / 'lora.bin'}", "-e", f"HF_TOKEN={token}"]
    done = ok(project.cogpack("run", "-vv", "-i", "text=world", *given, COGPACK_LOG=str(project.root / "log")))
    assert token not in done.err
    assert (done.out, "weights: trained\n" in done.err, "token ***\n" in done.err) == ("hello world\n", True, True)
    places = [project.root, Path(world.environment["COGPACK_CACHE_DIR"])]
    files = [path for place in places for path in place.rglob("*") if path.is_file() and not path.is_symlink()]
    assert {project.root / "cogpack.lock", project.root / "log"} <= set(files)
    assert not [path for path in files if token.encode() in path.read_bytes()]


@pytest.mark.slow
def test_predict_is_run_and_a_directory_is_a_project(world: World, project: Project) -> None:
    assert ok(world.cogpack("predict", str(project.root), "-i", "text=you")).out == "hello you\n"


@pytest.mark.slow
def test_an_image_is_asked_likewise(world: World, project: Project) -> None:
    ok(project.cogpack("push", project.target()))
    done = ok(world.cogpack("run", project.target(), "-i", "text=world", "--json"))
    assert done.json["output"] == done.json["text"] == "hello world"
    assert done.json["metrics"] == {"predict_time": 0.5}


@pytest.mark.slow
def test_what_a_model_gives_goes_into_a_file_where_that_is_wanted(project: Project) -> None:
    done = ok(project.cogpack("run", "-i", "text=world", "-o", "said.txt"))
    assert (done.out, (project.root / "said.txt").read_text()) == ("", "hello world\n")
    assert "Written output to: said.txt" in done.err


@pytest.mark.slow
def test_wrong_inputs_are_told_all_at_once_before_anything_starts(project: Project) -> None:
    done = project.cogpack("run", "-i", "txt=world")
    assert done.code == 2
    assert "did you mean text?" in done.err
    assert "input text is missing" in done.err
    assert "server:" not in done.err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["-i", "text=fail"], "ValueError: no"),
        (
            ["-i", "text=x", "-e", "STUB=setup"],
            "no such weights\nnext: see where: cogpack exec python -c 'import predict; predict.Predictor().setup()'",
        ),
        (["-i", "text=x", "-e", "STUB=end"], "ended with 3"),
        (["-i", "text=x", "-e", "STUB=slow", "--setup-timeout", "1"], "not ready within 1 s"),
    ],
)
def test_a_model_that_fails_is_exit_6(project: Project, arguments: list[str], told: str) -> None:
    done = project.cogpack("run", *arguments)
    assert (done.code, done.out) == (6, "")
    assert told in done.err.partition("error: ")[2]


def test_inputs_come_as_one_json_object_too_as_cog_takes_them(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("in.json", '{"text": "world"}')
    for words in (["--json", "@in.json"], ['--json={"text": "world"}'], ["--json", "@-"]):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"text": "world"}')))
        assert ok(project.cogpack("run", *words)).json["output"] == "hello world"
    assert ok(project.cogpack("run", "--inputs", "@in.json")).out == "hello world\n"
    for given, told in (
        *(("[1]", "expected an object"), ("{", "--inputs: "), ("@gone.json", "No such file")),
        *(("", "--inputs: Input data was truncated"), ("\udcff", "--inputs: is not UTF-8")),
    ):
        done = project.cogpack("run", "--inputs", given)
        assert (done.code, told in done.err) == (2, True), done.err
    monkeypatch.setattr("cogpack.running.inputs.REQUEST_LIMIT", 1000)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b" " * 1001)))
    for endless in ("@/dev/zero", "@-"):
        done = project.cogpack("run", "--inputs", endless)
        assert (done.code, "more than the 1000 bytes that a request can have" in done.err) == (2, True), done.err
    wrong = project.cogpack("run", "--json", '{"text": 7, "txt": "x"}')
    assert wrong.code == 2
    assert "did you mean text?" in wrong.err
    assert "input text: expected text, found 7" in wrong.err


def test_replicates_token_is_in_the_context_of_a_prediction_and_in_no_log(project: Project) -> None:
    words = ("run", "-vv", "-i", "text=context", "--use-replicate-token")
    token = "r8_ThisIsATokenOfOnesOwn"
    done = ok(project.cogpack(*words, REPLICATE_API_TOKEN=token))
    assert done.out == f"given {len(token)}\n"
    assert token not in done.err
    unset = project.cogpack(*words)
    assert (unset.code, "REPLICATE_API_TOKEN is not set" in unset.err) == (2, True)


def test_an_image_that_build_left_in_a_layout_is_run_by_the_name_that_it_was_given(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Cog's tutorial goes on: `cog build -t resnet`, then `cog run resnet`."""
    down = project.root.parent / "down/docker"
    down.parent.mkdir()
    down.write_text("#!/bin/sh\nexit 1\n")
    down.chmod(0o755)
    monkeypatch.setenv("PATH", str(down.parent), prepend=":")
    ok(project.cogpack("build", "-t", "me/greeter:v1"))
    assert ok(project.cogpack("run", "me/greeter:v1", "-i", "text=world")).out == "hello world\n"
    for name in ("greeter:v2", "another"):
        done = project.cogpack("run", name, "-i", "text=world")
        assert (done.code, "cogpack exec another" in done.err or "v1" in done.err) == (2, True), done.err
    pinned = project.cogpack("run", f"me/greeter@sha256:{'0' * 64}", "-i", "text=world")
    assert (pinned.code, "no directory, no image that names its registry" in pinned.err) == (2, True), pinned.err


def test_where_files_go_that_a_served_model_gives_is_told_to_its_server(project: Project) -> None:
    done = project.cogpack("serve", "-p", "0", "-e", "STUB=end", "--upload-url", "http://files.test/up/")
    assert "server: -m cog.server.http --host 127.0.0.1 --upload-url http://files.test/up/\n" in done.err
    assert done.code == 6


@pytest.mark.slow
def test_a_word_that_is_no_image_was_meant_as_a_command(project: Project) -> None:
    done = project.cogpack("run", "pytest")
    assert done.code == 2
    assert "a command is run by cogpack exec pytest" in done.err
    project.write("script/download weights", "#!/bin/sh\n")
    done = project.cogpack("run", "script/download weights")
    assert (done.code, "next: cogpack exec 'script/download weights'\n" in done.err) == (2, True), done.err
    done = project.cogpack("predict", "text=a frog")
    assert (done.code, "next: cogpack predict -i 'text=a frog'\n" in done.err) == (2, True), done.err


def test_a_server_serves_until_it_is_interrupted_and_leaves_nothing_running(world: World, project: Project) -> None:
    ok(project.cogpack("lock"))
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2]), **world.environment}
    command = [sys.executable, "-m", "cogpack", "serve", "-p", "0", "--playground", "-C", str(project.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment) as serving:
        assert serving.stdout is not None
        told = serving.stdout.readline().decode()
        url = told.removeprefix("serving on ").strip()
        answer = plain.client().post(f"{url}/predictions", json={"input": {"text": "you"}})
        assert answer.json()["output"] == "hello you"
        playground = serving.stdout.readline().decode().removeprefix("playground on ").strip()
        page = plain.get(playground).text
        assert '"inputs":[{"name":"text"' in page
        assert f'"server":"{url}"' in page
        serving.send_signal(signal.SIGINT)
        assert serving.wait(60) == 0
    for address in (f"{url}/health-check", playground):
        with pytest.raises(Exception, match="refused"):
            plain.get(address)
