"""What lies below an image's wheels is decided: base and interpreter, and the compilers that builds have over these."""

from collections.abc import Sequence

import msgspec

from cogpack.config import Config, Suite
from cogpack.lockfile import Decisions, LockedInterpreter, Python
from cogpack.lockfile.base_kinds import Base, RegistryBase
from cogpack.locking.archives import read_archives
from cogpack.locking.asked_base import is_asked_for
from cogpack.locking.base_question import BaseQuestion
from cogpack.locking.build_compiler import BuildCompiler
from cogpack.locking.cuda_toolkit import decide_toolkit
from cogpack.locking.decide_base import decide_base, take_on_beside
from cogpack.locking.decide_bytecode import wants_release
from cogpack.locking.decide_interpreter import decide_interpreter
from cogpack.locking.question import PlatformQuestion
from cogpack.locking.shared_base import read_shared_base
from cogpack.locking.unasked import Unasked, foreseen, kept_with
from cogpack.locking.wheels.building import Ground
from cogpack.locking.wheels.torch_cuda import check_torch, foreseen_cuda
from cogpack.resolve.base_image import BaseFiles
from cogpack.resolve.wheels.target import TargetPython


class Below(msgspec.Struct, frozen=True, kw_only=True):
    """Is what was decided. `kept`: the pins that hold with what is there `unasked`; `ground`: what wheels are
    built over; `compiler`: what of it is C's; `listed`: the files of the image that is the base, once it was read."""

    kept: Decisions | None
    unasked: Unasked
    base: Base
    interpreter: LockedInterpreter | None
    python: Python
    ground: Ground
    compiler: BuildCompiler
    listed: Sequence[BaseFiles]

    @property
    def files(self) -> BaseFiles | None:
        return self.listed[-1] if self.listed else None


def decide_below(question: PlatformQuestion, suite: Suite | None, unasked: Unasked | None, cuda: str | None) -> Below:
    """Decide it over this `suite` of Debian, None for the usual one. `unasked`: None for a guess; `cuda`: torch's, None
    for what its lines or a lock say."""
    if unasked is None:
        bases = _Bases(question, suite, Unasked())
        guess = foreseen(question.project, bases.base, bases.interpreter)
        return (_Bases(question, suite, guess) if guess.packages else bases).below(cuda)
    return _Bases(question, suite, unasked).below(cuda)


class _Bases:
    """Decides the base, and others over it, all in one way."""

    def __init__(self, question: PlatformQuestion, suite: Suite | None, unasked: Unasked) -> None:
        session, project = question.session, question.project
        config = project.config
        self._question = question
        self._unasked = unasked
        self._kept = kept = kept_with(question.kept, unasked)
        self._listed: list[BaseFiles] = []
        if config.pack.cuda_toolkit:
            check_torch(project)
        self._of_base = msgspec.structs.replace(
            BaseQuestion.of(session, config),
            suite=suite,
            shared=read_shared_base(project),
            last=question.last.base if question.last else None,
            listed=self._listed.append,
            upgrade_system=question.upgrade_system,
            compiler=unasked.compiler_packages,
            tools=unasked.tool_packages,
        )
        before = kept.base if kept else None
        in_image = kept and kept.toolkit and kept.toolkit.packages is None and config.pack.cuda_toolkit == "image"
        if before is not None and in_image and is_asked_for(before, config, suite) and _is_settled(before, config):
            self.base = before  # with the compiler it is decided below
        else:
            archives = read_archives(session, project, before)
            self.base = decide_base(msgspec.structs.replace(self._of_base, archives=archives), before)
        self.interpreter = decide_interpreter(
            session, config, self._of_base.platform, self.base, kept.interpreter if kept else None
        )

    def below(self, cuda: str | None) -> Below:
        session, project, kept = self._question.session, self._question.project, self._kept
        config, base = project.config, self.base
        python = self.interpreter.python if self.interpreter else base.own_python
        assert python is not None
        target = TargetPython(python=python.minor, glibc=base.glibc, arch=self._of_base.platform.architecture)
        toolkit = None
        if config.pack.cuda_toolkit:
            last = self._question.last
            cuda = cuda or (kept.toolkit.cuda if kept and kept.toolkit else foreseen_cuda(session, project, target))
            of_base = msgspec.structs.replace(self._of_base, last=last.build_base if last else None)
            toolkit = decide_toolkit(of_base, project, base, cuda, kept)
        at_builds = toolkit.base if toolkit else base
        base = at_builds if config.pack.cuda_toolkit == "image" else base
        beside = msgspec.structs.replace(
            self._of_base,
            shared=None,
            archives=read_archives(session, project, base),
            last=None,
            upgrade_system=False,
            building=True,
        )

        def take_on(before: Base) -> Base | None:
            return take_on_beside(beside, before, kept.base, base) if kept else None

        compiler = BuildCompiler(
            base,
            own=self.interpreter is None,
            kept=kept,
            snapshot=beside.snapshot,
            compiler=self._unasked.compiler_packages,
            decide=lambda wanted: decide_base(msgspec.structs.replace(beside, compiler=wanted), base),
            take_on=take_on if self._question.upgrade_system else None,
        )
        return Below(
            kept=kept,
            unasked=self._unasked,
            base=base,
            interpreter=self.interpreter,
            python=python,
            ground=Ground(
                base=at_builds,
                interpreter=self.interpreter,
                target=target,
                toolkit=toolkit.locked if toolkit else None,
                compiling=compiler.base if toolkit is None and compiler.helps else None,
            ),
            compiler=compiler,
            listed=self._listed,
        )


def _is_settled(base: Base, config: Config) -> bool:
    """Tell whether the release of its Python is there just where it is to be."""
    return wants_release(config, base) == (isinstance(base, RegistryBase) and base.release is not None)
