"""What lock files are called: one for each config of a directory, as PEP 751 has `pylock.NAME.toml`."""

FILE = "cogpack.lock"
"""That of cog.yaml; and what any lock is called beside an image, in a depot, and as who vouches for a layer."""

_ENDS = (".yaml", ".yml")


def lock_name(config: str) -> str:
    """Give the name of the lock that lies beside the config file `config`: "cogpack.blur.lock" beside "blur.yaml"."""
    if config == "cog.yaml":
        return FILE
    name = next((config.removesuffix(end) for end in _ENDS if config.endswith(end)), config)
    return f"cogpack.{name}.lock"


def is_lock(name: str) -> bool:
    """Tell whether a path, relative to a project's root, is that of a lock, of whichever config."""
    return name.startswith("cogpack.") and name.endswith(".lock") and "/" not in name
