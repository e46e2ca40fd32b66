"""The commands of `build.run` and `build.pre_install` are read, and which of what they leave is kept."""

import posixpath
from collections.abc import Mapping
from urllib.parse import urlsplit

from cogpack.config.document import Value
from cogpack.config.model import Config, RunStep, SecretMount
from cogpack.notes import Code

_NEVER_KEPT = ("", "dev", "proc", "run", "sys")


def filled(value: Value) -> str:
    """Read one line of text that is not empty."""
    text = value.text()
    if not text or "\n" in text:
        value.expected("one line of text")
    return text


def has_host(address: str) -> bool:
    """Tell whether an address can be taken apart, and names a host (RFC 3986)."""
    try:
        parts = urlsplit(address)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def run_steps(build: Mapping[str, Value]) -> tuple[RunStep, ...]:
    """Read `build.run`, then `build.pre_install`, of the fields of `build`."""
    steps = [_run_step(item) for item in build["run"].items()] if "run" in build else []
    if "pre_install" in build:
        build["pre_install"].note(Code.DEPRECATED_KEY, "deprecated by Cog; its commands run after those of build.run")
        steps += [RunStep(command=_command(item)) for item in build["pre_install"].items()]
    return tuple(steps)


def _run_step(value: Value) -> RunStep:
    if not value.is_mapping:
        return RunStep(command=_command(value))
    if any(" " in name for name, _ in value.pairs()):
        value.fail('read as a key and a value, because of the ": " in it', next_step="write it on the line after - >-")
    fields = value.fields(("command", "mounts"))
    if "command" not in fields:
        value.fail("command is missing", next_step="write command: and the shell command")
    secrets = []
    for mount in fields["mounts"].items() if "mounts" in fields else []:
        keys = mount.fields(("type", "id", "target"))
        kind = keys["type"].text() if "type" in keys else ""
        if kind != "secret":
            mount.note(Code.IGNORED_MOUNT, f"mount of type {kind[:40]!r} ignored; only secrets are mounted")
            continue
        for name in ("id", "target"):
            if name not in keys:
                mount.fail(f"{name} is missing", next_step=f"write {name}: for the secret")
        secrets.append(SecretMount(id=filled(keys["id"]), target=_secret_file(keys["target"])))
    return RunStep(command=_command(fields["command"]), secrets=tuple(secrets))


def _secret_file(value: Value) -> str:
    """Read where it is seen: a path that may be relative to the directory in which the command runs, as BuildKit has
    it."""
    text = filled(value)
    path = posixpath.normpath(text)
    refused = [f"/{name}" for name in _NEVER_KEPT] if path.startswith("/") else [".", ".."]
    path = f"/{path.lstrip('/')}" if path.startswith("/") else path
    if "\0" in text or path in refused or text.endswith("/") or path.startswith("../"):
        value.expected("the path of a file, such as /run/secrets/token")
    return text


def _command(value: Value) -> str:
    text = value.text()
    if not text:
        value.expected("a shell command")
    if "\n" in text:
        value.fail("the command has more than one line", next_step="write each command as an item of its own")
    return text


def kept_paths(value: Value) -> tuple[str, ...]:
    """Read `cogpack.keep`: absolute paths, given without their first slash."""
    return tuple(map(_kept, value.items()))


def _kept(value: Value) -> str:
    text = value.text()
    path = posixpath.normpath(text).lstrip("/")
    if not text.startswith("/") or "\0" in text or path.partition("/")[0] in _NEVER_KEPT:
        value.expected("an absolute path of the image such as /var/tmp/model, not of /dev, /proc, /run or /sys")
    return path


def step_places(config: Config) -> tuple[str, ...]:
    """Say what messages about each step begin with: those of `build.run`, then those of `build.pre_install`."""
    runs = sum(f"build.run[{index}]" in config.places for index in range(len(config.run)))
    keys = [f"build.run[{index}]" for index in range(runs)]
    keys += [f"build.pre_install[{index}]" for index in range(len(config.run) - runs)]
    return tuple(map(config.where, keys))
