"""The order of what the steps do is kept: what is taken out could have come first."""

import time

from cogpack.config import RunStep, SecretMount
from cogpack.run_lines import ImpossibleStep, KnownStep, ReadStep, SandboxedStep, Surroundings, classify
from cogpack.run_lines.effects import above

PGET = "curl -o /usr/local/bin/pget -L https://h.example/pget"
ORDER = "an earlier line, whose effect isn't known, precedes it"


def decide(*lines: str) -> tuple[ReadStep, ...]:
    return classify([RunStep(command=line) for line in lines], Surroundings(python="3.12"))


def test_known_lines_are_taken_out_until_the_first_unknown_one() -> None:
    found = decide("pip install a", "make", "pip install b", "ln -s a /x", "echo hello")
    assert isinstance(found[0], KnownStep)
    assert found[1] == SandboxedStep("make: what make does is not known here")
    assert found[2:4] == (SandboxedStep(ORDER, 1), SandboxedStep(ORDER, 1))
    assert found[4] == KnownStep(()), "what does nothing has no order"


def test_a_word_longer_than_any_path_lies_below_nothing() -> None:
    """What it lies below would be the square of its length."""
    assert len(list(above("/a" * 2000))) == 2001
    assert len(list(above("/a" * 3000))) == 1


def test_after_an_unknown_line_only_downloads_are_taken_out_whose_paths_none_names() -> None:
    found = decide(
        "make", PGET, "chmod +x /usr/local/bin/pget", "mkdir -p /opt/a && wget -O /opt/a/b https://h.example/b"
    )
    assert [type(each) for each in found] == [SandboxedStep, KnownStep, KnownStep, KnownStep]


def test_a_repository_is_cloned_after_unknown_lines_that_neither_name_its_place_nor_set_up_git() -> None:
    clone = "git clone https://h.example/o/n /opt/n"
    for line in ("make", "apt-get install -y git", "pip install git+https://h.example/o/x | cat"):
        assert isinstance(decide(line, clone)[1], KnownStep), line
    for line in ("git config --global a b", "git lfs install", "apt-get install git-lfs", "cp a ~/.gitconfig"):
        assert decide(line, clone)[1] == SandboxedStep(ORDER, 0), line
    assert isinstance(decide("tool /opt/n", clone)[1], SandboxedStep)


def test_a_download_to_a_path_that_an_unknown_line_may_name_is_sandboxed() -> None:
    path = "/usr/local/bin/pget"
    for line in (
        f"rm -f {path}",
        "cp pget /x",
        "rm -rf /usr/local",
        "find / -name x",
        f"tool {path}/below",
        "rm /usr/local/bin/p*",
        "rm *",
        "rm -rf usr/local/*",
        "tool local/bin/../../usr",
        "rm -rf //usr/local",
        "find . -name x -delete",
        "rm -rf ./u*",
        "rm $X",
        "cd /usr/local/bin && tool",
        "tool --out=/usr/local/bin/pget",
    ):
        first, second = decide(line, PGET)
        assert isinstance(first, SandboxedStep), line
        assert second == SandboxedStep(f"an earlier line, whose effect isn't known, may name {path}", 0), line
    for path in ("/usr/bin/tool", "/etc/x", "/x/site-packages/a.py", "/opt/venv/bin/x"):
        assert isinstance(decide("apt-get install a", f"curl -o {path} -L https://h.example/x")[1], SandboxedStep), path
    for line in ("rm -f /usr/local/bin/other", "tool /usr/lib", "rm /opt/p*", "tool pget2"):
        assert isinstance(decide(line, PGET)[1], KnownStep), line


def test_what_follows_a_sandboxed_download_does_not_build_on_it() -> None:
    found = decide("cp /usr/local/bin/pget /x", PGET, "chmod +x /usr/local/bin/pget")
    assert [type(each) for each in found] == [SandboxedStep, SandboxedStep, SandboxedStep]


def test_what_an_unknown_line_finds_is_not_what_a_later_download_or_checkout_makes_of_it() -> None:
    again = "curl -Lo /opt/x https://h.example/x"
    assert isinstance(decide("make", again)[1], KnownStep)
    clone = "git clone https://h.example/o/n /n"
    for before, after, path in (("echo a > /opt/x", again, "/opt/x"), (clone, "git -C /n checkout v1", "/n")):
        found = decide(before, "make", after)
        assert found[2] == SandboxedStep(f"an earlier line, whose effect isn't known, finds another {path}", 1)


def test_a_step_with_a_secret_is_sandboxed() -> None:
    step = RunStep(command="pip install a", secrets=(SecretMount(id="token", target="/run/secrets/token"),))
    assert classify([step], Surroundings()) == (SandboxedStep("it is given the secret token"),)


def test_what_no_build_can_do_is_impossible_where_its_failure_is_the_lines() -> None:
    for line, why in {
        "docker pull a": "docker: it needs a container engine, which no build step has",
        "mkdir /x && mount /a /x": "mount: it changes the machine's kernel, which no build step may",
        "systemctl start a": "systemctl: it needs systemd to run, which no build step has",
        "nvidia-smi": "nvidia-smi: it needs a GPU, which no build step has",
        "--security=insecure a": "--security=insecure: the step wants more rights than any build here gives",
    }.items():
        assert decide(line) == (ImpossibleStep(why),), line
    for line in ("nvidia-smi || true", "nvidia-smi; true", "systemctl enable a", "echo docker", "command -v docker"):
        assert not isinstance(decide(line)[0], ImpossibleStep), line


def test_an_impossible_step_ends_what_is_taken_out() -> None:
    assert decide("nvidia-smi", "pip install a")[1] == SandboxedStep(ORDER, 0)


def test_a_step_works_on_what_known_steps_before_it_have_made() -> None:
    clone = "git clone https://h.example/o/n /x"
    assert all(isinstance(each, KnownStep) for each in decide(clone, "cd /x && git checkout v1", "mkdir /x/models"))
    assert isinstance(decide("cd /x && git checkout v1")[0], SandboxedStep)


def test_many_unknown_lines_among_downloads_and_links_are_read_in_little_time() -> None:
    unknown = [line for number in range(2500) for line in (f"make t{number}", f"curl -o /opt/{number} https://h/x")]
    links = [f"ln -s /a /opt/l{number}" for number in range(2500)]
    began = time.process_time()
    assert isinstance(decide(*unknown)[-1], KnownStep)
    assert isinstance(decide(*links)[-1], KnownStep)
    assert time.process_time() - began < 8  # each with each took 18 s; now it is one
