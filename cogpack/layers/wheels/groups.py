"""Which wheels share a layer, and in what order the layers lie."""

from collections.abc import Iterable, Sequence

from packaging.utils import canonicalize_name

from cogpack.lockfile import LockedClash

MAX_GROUPS = 64

_FRAMEWORKS = ("triton", "torch", "tensorflow", "jaxlib")
_COMMON = ("numpy", "scipy", "torchvision", "torchaudio")


def group(wheels: Sequence[tuple[str, int]], large_wheel: int) -> list[list[str]]:
    """Group wheels, each a file name and its bytes, by file name: the most widely shared first.

    A layer's content depends on its own wheels alone. CUDA's libraries first, then frameworks, what many use, the
    rest by name; then the small ones together, CUDA's apart. More than `MAX_GROUPS` layers there never are: of too
    many large wheels the smallest go to the small ones.
    """
    by_size = sorted((wheel for wheel in wheels if wheel[1] >= large_wheel), key=lambda wheel: (-wheel[1], wheel[0]))
    large = {filename for filename, _ in by_size[: MAX_GROUPS - 2]}
    small = sorted(filename for filename, _ in wheels if filename not in large)
    cuda = [filename for filename in small if is_cuda(filename)]
    rest = [filename for filename in small if not is_cuda(filename)]
    ordered = sorted(large, key=_order)
    first = [[filename] for filename in ordered if is_cuda(filename)]
    others = [[filename] for filename in ordered if not is_cuda(filename)]
    return [*first, *([cuda] if cuda else []), *others, *([rest] if rest else [])]


def title(filenames: Iterable[str], kind: str = "small ones") -> str:
    """Say what the user calls the group: "torch 2.13.0", "14 small ones"; `kind`: of several."""
    names = sorted(filenames)
    if len(names) == 1:
        return f"{_name(names[0])} {names[0].split('-')[1]}"
    return f"{len(names)} {kind}" + (" of CUDA" if all(map(is_cuda, names)) else "")


def _name(filename: str) -> str:
    return canonicalize_name(filename.partition("-")[0])


def is_cuda(filename: str) -> bool:
    """Tell whether a wheel holds libraries of CUDA, by its file name."""
    return _name(filename).startswith(("nvidia-", "cuda-"))


def _order(filename: str) -> tuple[int, str, str]:
    name = _name(filename)
    if is_cuda(filename):
        return 0, name, filename
    if name.startswith(_FRAMEWORKS) and not name.startswith(_COMMON):
        first = next(rank for rank, word in enumerate(_FRAMEWORKS, 1) if name.startswith(word))
        return first, name, filename
    if name in _COMMON:
        return 10 + _COMMON.index(name), name, filename
    return 30 if name == "coglet" else 20, name, filename


def is_hidden(clash: LockedClash, groups: Sequence[Iterable[str]]) -> bool:
    """Tell whether another wheel's files are seen, where `groups` of file names are layers, bottom first."""
    names = {clash.wheel, *clash.over}
    top = next(here for group in reversed(groups) if (here := names.intersection(group)))
    return min(top) != clash.wheel
