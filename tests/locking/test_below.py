"""What lies below wheels is decided alike, whatever an older lock says of the image."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.locked_bases import IMAGE

from cogpack.lockfile import Decisions, LockedInterpreter, LockedToolkit
from cogpack.locking import below, decide_interpreter
from cogpack.locking.cuda_toolkit import Toolkit
from cogpack.locking.question import PlatformQuestion
from cogpack.locking.unasked import Unasked
from cogpack.project import find_project
from cogpack.session import Session, Settings

LAID = LockedInterpreter(version="3.12.4", url="https://p.example/a.tar.gz", sha256="0" * 64)
TOOLKIT = LockedToolkit(cuda="12.4", architectures="8.0", compiler="g++-13")
SILENT = msgspec.structs.replace(IMAGE, config='{"rootfs": {"diff_ids": []}}')


def test_with_a_compiler_of_cuda_in_the_image_no_release_stays_that_was_asked_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_it(session: object, project: object, base: Any, *_: object, **__: object) -> Toolkit:
        return Toolkit(base=base, locked=TOOLKIT)

    monkeypatch.setattr(below, "decide_toolkit", with_it)
    monkeypatch.setattr(decide_interpreter, "find_interpreter", lambda *_, **__: LAID)
    (tmp_path / "cog.yaml").write_text(
        "predict: predict.py:P\nbuild: {gpu: true, cuda: '12.4', python_version: 3.12.4}\n"
        "cogpack: {base: 'registry.test/python:1', cuda_toolkit: image}\n"
    )
    (tmp_path / "predict.py").write_text("")
    for release in (None, "3.12.9"):
        before = msgspec.structs.replace(SILENT, release=release)
        kept = Decisions(base=before, wheels=(), clashes=(), toolkit=TOOLKIT)
        with Session(Settings(environment={}, cache=tmp_path / "cache")) as session:
            question = PlatformQuestion(session=session, project=find_project(tmp_path), kept=kept, last=kept)
            found = below.decide_below(question, None, Unasked(), None)
        assert (found.base, found.interpreter) == (SILENT, None)
