"""The machine's git is run: with what its user has set up to reach servers, and nothing that a repository brings.

What the user has counts: credential helpers, `insteadOf`, proxies, certificates, an ssh agent. Nobody is asked
anything. No hook, filter or monitor is run, and only servers are talked to: no local path and no `ext::`, wherever
an address leads.
"""

import os
import re
import select
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from cogpack.errors import CogpackError, DeniedError, InputError, MismatchError, UnavailableError
from cogpack.patterns import pattern
from cogpack.progress import Cancellation
from cogpack.sizes import BLOCK

_LOCAL = frozenset(
    {"GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_DIR", "GIT_EXTERNAL_DIFF", "GIT_GRAFT_FILE"}
    | {"GIT_INDEX_FILE", "GIT_INTERNAL_SUPER_PREFIX", "GIT_NAMESPACE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX"}
    | {"GIT_REPLACE_REF_BASE", "GIT_SHALLOW_FILE", "GIT_TEMPLATE_DIR", "GIT_TRACE", "GIT_WORK_TREE"}
)
"""Variables of one repository (`git rev-parse --local-env-vars`), which is not ours."""

_FIXED = {
    "GIT_ALLOW_PROTOCOL": "http:https:ssh",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_DEFAULT_HASH": "sha1",
    "GIT_DEFAULT_REF_FORMAT": "files",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GCM_INTERACTIVE": "never",
    "LC_ALL": "C",
    "SSH_ASKPASS_REQUIRE": "never",
}
_SETTINGS = {
    "core.attributesFile": os.devnull,
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "fetch.recurseSubmodules": "false",
    "fetch.unpackLimit": "1",
    "fetch.writeCommitGraph": "false",
    "gc.auto": "0",
    "http.lowSpeedLimit": "512",
    "http.lowSpeedTime": "120",
    "maintenance.auto": "false",
}

_REFUSED = pattern(
    r"could not read (?:Username|Password)|terminal prompts disabled|Authentication failed|Permission denied"
    r"|error: 40[13]|HTTP 40[13]|Host key verification failed|[Aa]ccess denied",
)
_ABSENT = pattern(r"repository '.*' not found|Repository not found|error: (?:404|410)|does not appear to be a git repo")
_FINAL = pattern(r"requested URL returned error: 4(?!08|29|99)\d\d")
_CERTIFICATE = pattern(r"SSL certificate problem|certificate verification failed|certificate subject name")
_NO_TLS = pattern(r"unexpected TLS packet|wrong version number|WRONG_VERSION_NUMBER")
_NO_DEPTH = "dumb http transport does not support shallow"
_LACKING = pattern(
    r"(?:unable to read(?: tree| blob| commit| tag| object)?|[Cc]ould not read"
    r"|(?:bad|missing) (?:tree|blob|commit|tag)(?: object)?|(?:loose|packed) object)"
    r"(?: sha1 file of \S+)? ['(]?([0-9a-f]{7,64})\b"
)
"""What is said of an object that others of a repository name: of the server's, behind "remote:", else of our copy."""
_HUNG_UP = "the remote end hung up"
_TRANSPORT = pattern(r"transport '(.*)' not allowed")


class GitFailedError(Exception):
    """Raised where git ended with an error; `said` is what it wrote."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.said = said


class NoDepthError(InputError):
    """Raised where a server gives whole histories alone."""


class Git:
    """Runs git. `authorities`: gives the file of certificates that counts, where git is not told of another; asked when
    git is first run.

    git reads no `SSL_CERT_FILE`, nor `SSL_CERT_DIR`.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        cancellation: Cancellation,
        authorities: Callable[[], Path | None] = lambda: None,
    ) -> None:
        found = {name: value for name, value in environment.items() if name not in _LOCAL}
        found |= _FIXED
        found.pop("SSH_ASKPASS", None)  # a window that asks; GIT_ASKPASS may be a script with a token
        self._environment = found
        self._cancellation = cancellation
        chosen = environment.get("SSL_CERT_FILE") or environment.get("SSL_CERT_DIR")
        self._authorities = authorities if chosen and "GIT_SSL_CAINFO" not in environment else None

    def __call__(
        self,
        *words: str,
        directory: Path | None = None,
        data: bytes = b"",
        heard: Callable[[bytes], object] = lambda _: None,
        variables: Mapping[str, str] = {},
    ) -> bytes:
        """Run a command to its end, and give what it wrote; `heard` is told what it says meanwhile."""
        from cogpack.temporary import temporary_file  # few runs start git

        with temporary_file(data) as given:
            process = self._started(words, directory, given.fileno(), subprocess.PIPE, variables)
            written, said = bytearray(), bytearray()
            assert process.stdout
            assert process.stderr
            streams = {process.stdout.fileno(): written, process.stderr.fileno(): said}
            try:
                while streams:
                    ended = process.poll() is not None
                    ready, _, _ = select.select(list(streams), [], [], 0.25)
                    self._cancellation.check()
                    if ended and not ready:  # a helper that it has started holds them, and may stay for long
                        break
                    for stream in ready:
                        if not (block := os.read(stream, 1 << 16)):
                            del streams[stream]
                            continue
                        streams[stream] += block
                        if streams[stream] is said:
                            heard(block)
                process.wait()
            finally:
                _end(process)
        if process.returncode:
            raise GitFailedError(said.decode(errors="replace"))
        return bytes(written)

    def stream(self, *words: str, directory: Path, data: bytes) -> Iterator[bytes]:
        """Run a command that is given `data`, and give what it writes as it comes."""
        from cogpack.temporary import temporary_file

        with temporary_file(data) as given, temporary_file() as said:
            process = self._started(words, directory, given.fileno(), said.fileno(), {})
            assert process.stdout
            try:
                while block := process.stdout.read(BLOCK):
                    self._cancellation.check()
                    yield block
                process.wait()
            finally:
                _end(process)
            if process.returncode:
                said.seek(0)
                raise GitFailedError(said.read().decode(errors="replace"))

    @cached_property
    def _trust(self) -> dict[str, str]:
        """Whom to believe, as a setting for all hosts: the user's own for one (`http.URL.sslCAInfo`) goes before it,
        as it would not before a variable. Nothing where the user has one for all."""
        if self._authorities is None:
            return {}
        with suppress(OSError):  # told by the command itself
            asked = ["git", "config", "--get", "http.sslCAInfo"]
            if subprocess.run(asked, env=self._environment, cwd="/", capture_output=True, check=False).stdout.strip():
                return {}
        return {"http.sslCAInfo": str(file)} if (file := self._authorities()) else {}

    def start(self, *words: str, directory: Path) -> "subprocess.Popen[bytes]":
        """Start a command that is talked to; what it says of errors nobody hears."""
        return self._started(words, directory, subprocess.PIPE, subprocess.DEVNULL, {})

    def _started(
        self, words: tuple[str, ...], directory: Path | None, given: int, said: int, variables: Mapping[str, str]
    ) -> "subprocess.Popen[bytes]":
        settings = [word for name, value in (_SETTINGS | self._trust).items() for word in ("-c", f"{name}={value}")]
        place = [f"--git-dir={directory}"] if directory else []
        try:
            return subprocess.Popen(
                ["git", *settings, *place, *words],
                env={**self._environment, **variables},
                cwd=directory,
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=said,
                start_new_session=True,  # no terminal, so that ssh asks nobody; and Ctrl-C is ours to hand on
            )
        except FileNotFoundError:
            raise InputError(
                "git clone in build.run: there is no git program here, which is needed to know what a clone holds",
                next_step="install git on this machine",
            ) from None
        except OSError as error:
            raise InputError(
                f"git can't be started: {error.strerror}", next_step="check the installation of git"
            ) from error


def translated(error: GitFailedError, url: str) -> CogpackError:
    """Say what it means that a server was not reached."""
    lines = [line.strip() for line in error.said.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith(("fatal:", "error:", "remote:", "ssh:"))] or lines
    told = [line for line in told if line.startswith("remote: fatal:")] or told  # what this git says only follows
    told = [line for line in told if _HUNG_UP not in line] or told  # which is never why
    told = [line for line in lines if _REFUSED.search(line)] or told  # as ssh says it, before git's own words
    first = re.sub(r"^(?:remote: )?(?:fatal: |error: )?", "", told[-1] if told else "git failed without a word")[:300]
    first = "".join(char if char.isprintable() else " " for char in first)
    if found := _TRANSPORT.search(error.said):
        return InputError(
            f"{url}: git would go there by {found[1]}, and cogpack lets it speak http, https and ssh only",
            next_step="look at url.*.insteadOf in git's configuration",
        )
    if _REFUSED.search(error.said):
        return DeniedError(
            f"{url}: git has no access: {first}",
            next_step="log in so that git clone works here without a question (a credential helper, ~/.netrc, "
            "an ssh agent); a repository that is not there looks the same",
        )
    if _ABSENT.search(error.said):
        return InputError(f"{url}: there is no such repository: {first}", next_step="correct the address")
    if _NO_DEPTH in error.said:
        return NoDepthError(
            f"{url}: it is served as plain files (git's dumb HTTP), which give no history cut short, as --depth, "
            "--shallow-submodules or .gitmodules ask for",
            next_step="clone it whole, or name a server that runs git (https://HOST/PATH or ssh)",
        )
    if _FINAL.search(error.said):
        return InputError(f"{url}: the server refuses: {first}", next_step="correct the address, or ask who runs it")
    if _CERTIFICATE.search(error.said):
        return InputError(
            f"{url}: git does not trust the server's certificate: {first}",
            next_step="name the authority that signed it, by SSL_CERT_FILE or git config http.URL.sslCAInfo",
        )
    if _NO_TLS.search(error.said):
        return InputError(
            f"{url}: the server does not speak TLS: {first}", next_step="check the port, or write http://"
        )
    lacking = [(line.startswith("remote:"), found[1]) for line in lines if (found := _LACKING.search(line))]
    if lacking and not any(of_server for of_server, _ in lacking):
        # By ssh, what the server's git says comes without a mark, and either hangs up when the other one ends.
        either = "the server's repository, or in " if _HUNG_UP in error.said else ""
        return MismatchError(
            f"{url}: git can't read {lacking[0][1]} in {either}the copy of the repository: {first}",
            next_step="run cogpack cache clean, then try again; if it comes back, the server's repository is damaged",
        )
    if oid := next((oid for of_server, oid in lacking if of_server), None):
        return InputError(
            f"{url}: the server's repository has no {oid}, which others of its objects name: {first}",
            next_step="it is damaged, or has a part of another one alone (clone --filter): clone that one",
        )
    return UnavailableError(
        f"{url}: git can't reach the repository: {first}",
        next_step="check the address and the network, then run it again; or ask who runs the server",
    )


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Let git remove what it has begun; it has two seconds."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(2)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    for stream in (process.stdout, process.stderr):
        if stream:
            stream.close()
