"""What a line of `build.run` does to the image is told without running it, as far as it is exactly known.

A line is read by a strict subset of the shell's grammar (`shell`), its words become arguments where that is sure
(`expansion`), and each program's reader (`downloads`, `files`, `git`, `hub`, `pip`) makes `effects` of them, for a
whole line or not at all (`known`). `classify` keeps the order of many. Pure: no disk, no network, no processes.
"""

from cogpack.run_lines.classify import ImpossibleStep, ReadStep, SandboxedStep, classify
from cogpack.run_lines.effects import (
    Clone,
    Effect,
    Fetch,
    HubDownload,
    KnownStep,
    Link,
    MakeDirectories,
    PipInstall,
    PipRequirement,
    PipUninstall,
    SetMode,
    StepEffect,
    WriteText,
    may_bring_libraries,
    settled_steps,
    told,
    touched,
)
from cogpack.run_lines.surroundings import Surroundings
