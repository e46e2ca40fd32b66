"""`cogpack.lock` is held as values, and read and written as text.

`model`: what it holds · `base_kinds`: the kinds of base in it, `interpreter`: the Python over one · `line_pins`,
`clones`, `pip_lines`: what known lines of `build.run` bring · `builds`: what wheels were built of · `weights`: those of
git-lfs and of servers · `table`: what all its tables have in common · `text`: its TOML in and out, `shared`: what all
platforms have alike · `attached`: the text that is attached to an image.
"""

from cogpack.lockfile.attached import LOCK_LIMIT, LOCK_TYPE, NO_ADDRESS, NO_HOST, AttachedLock, parse_attached_lock
from cogpack.lockfile.builds import BuildSource, GitSource, IndexSource, LockedBuild, ProjectSource, UrlSource
from cogpack.lockfile.clones import LockedClone, LockedSubmodule
from cogpack.lockfile.hub import LockedHubChoice, LockedHubFile, LockedHubRevision
from cogpack.lockfile.interpreter import LockedInterpreter, Python
from cogpack.lockfile.line_pins import LockedFetch, LockedPlace, LockedSandboxed
from cogpack.lockfile.model import (
    REQUIRES,
    VERSION,
    Decisions,
    Lock,
    LockedClash,
    LockedDistribution,
    LockedExecutableStack,
    LockedSteps,
    LockedStepsLayer,
    LockedWheel,
    Result,
    Results,
    StepsLayerKind,
    input_digests,
)
from cogpack.lockfile.pip_lines import LockedBreak, LockedPipLine
from cogpack.lockfile.table import FILE
from cogpack.lockfile.text import encode_lock, parse_lock, read_lock
from cogpack.lockfile.toolkit import LockedToolkit
from cogpack.lockfile.weights import LockedPart, LockedWeight, RemoteWeight
