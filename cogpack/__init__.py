"""cogpack: a Cog project becomes a standard OCI image, without Docker.

What a program may import is named here (docs/library.md) and loaded when it is asked for: `import cogpack` and
`cogpack --version` load nothing else.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:  # read by type checkers alone, which know the name; `typing` itself would take 10 ms
    from cogpack.commands.build import Built, build, load
    from cogpack.commands.copy import Copied, copy
    from cogpack.commands.diff import Difference, diff
    from cogpack.commands.doctor import Diagnosis, doctor
    from cogpack.commands.execute import execute
    from cogpack.commands.export import export
    from cogpack.commands.fetch import Fetched, fetch
    from cogpack.commands.inspect import Inspected, inspect
    from cogpack.commands.lock import Locked, check_libraries, check_lock, check_run, lock
    from cogpack.commands.plan import Planned, plan
    from cogpack.commands.pull import PulledImage, pull
    from cogpack.commands.pull_weights import Pulled, pull_weights
    from cogpack.commands.push import Pushed, push
    from cogpack.commands.run import Predicted, run, train
    from cogpack.commands.schema import schema
    from cogpack.commands.serve import Served, serve
    from cogpack.commands.verify import Verified, verify
    from cogpack.errors import CogpackError, DeniedError, InputError, MismatchError, ModelError, UnavailableError
    from cogpack.notes import Code, Note
    from cogpack.policy import DeniedNoteError, Rules
    from cogpack.progress import Cancellation, Cancelled, Progress, Silent, Task
    from cogpack.running.options import ContainerOptions
    from cogpack.sandbox.run import Streams
    from cogpack.session import Session, Settings

__version__ = "0.2.0"

__all__ = [
    "Built",
    "Cancellation",
    "Cancelled",
    "Code",
    "CogpackError",
    "ContainerOptions",
    "Copied",
    "DeniedError",
    "DeniedNoteError",
    "Diagnosis",
    "Difference",
    "Fetched",
    "InputError",
    "Inspected",
    "Locked",
    "MismatchError",
    "ModelError",
    "Note",
    "Planned",
    "Predicted",
    "Progress",
    "Pulled",
    "PulledImage",
    "Pushed",
    "Rules",
    "Served",
    "Session",
    "Settings",
    "Silent",
    "Streams",
    "Task",
    "UnavailableError",
    "Verified",
    "build",
    "check_libraries",
    "check_lock",
    "check_run",
    "copy",
    "diff",
    "doctor",
    "execute",
    "export",
    "fetch",
    "inspect",
    "load",
    "lock",
    "plan",
    "pull",
    "pull_weights",
    "push",
    "run",
    "schema",
    "serve",
    "train",
    "verify",
]

_MODULES = {
    "commands.build": ("Built", "build", "load"),
    "commands.copy": ("Copied", "copy"),
    "commands.diff": ("Difference", "diff"),
    "commands.doctor": ("Diagnosis", "doctor"),
    "commands.execute": ("execute",),
    "commands.export": ("export",),
    "commands.fetch": ("Fetched", "fetch"),
    "commands.inspect": ("Inspected", "inspect"),
    "commands.lock": ("Locked", "check_libraries", "check_lock", "check_run", "lock"),
    "commands.plan": ("Planned", "plan"),
    "commands.pull": ("PulledImage", "pull"),
    "commands.pull_weights": ("Pulled", "pull_weights"),
    "commands.push": ("Pushed", "push"),
    "commands.run": ("Predicted", "run", "train"),
    "commands.schema": ("schema",),
    "commands.serve": ("Served", "serve"),
    "commands.verify": ("Verified", "verify"),
    "errors": ("CogpackError", "DeniedError", "InputError", "MismatchError", "ModelError", "UnavailableError"),
    "notes": ("Code", "Note"),
    "policy": ("DeniedNoteError", "Rules"),
    "progress": ("Cancellation", "Cancelled", "Progress", "Silent", "Task"),
    "running.options": ("ContainerOptions",),
    "sandbox.run": ("Streams",),
    "session": ("Session", "Settings"),
}
"""What `__getattr__` loads, by the module that has it."""


if not TYPE_CHECKING:  # to them a name that is not above is a mistake

    def __getattr__(name: str) -> object:
        from importlib import import_module

        for module, names in _MODULES.items():
            if name in names:
                return getattr(import_module(f"cogpack.{module}"), name)
        raise AttributeError(f"module 'cogpack' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
