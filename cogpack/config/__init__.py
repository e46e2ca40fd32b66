"""What the human wrote is read: the bytes of `cog.yaml` go in, a frozen `Config` comes out. No disk, no environment."""

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
from cogpack.config.parse import parse_config
from cogpack.config.steps import step_places
