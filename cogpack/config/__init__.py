"""What the human wrote is read: the bytes of `cog.yaml` go in, a frozen `Config` comes out. No disk, no environment.

`parse` makes one. Who only speaks of what may stand in it, as a pull does, loads no YAML.
"""

from cogpack.config.config_label import config_label
from cogpack.config.model import (
    PLATFORMS,
    PYTHONS,
    AptArchive,
    Arch,
    Config,
    DebianChoice,
    Isolation,
    ManagedWeight,
    NoneDefault,
    PackOptions,
    PackWeights,
    RunStep,
    SecretMount,
    SplitRule,
    StepLimits,
    Suite,
    WeightSource,
)
