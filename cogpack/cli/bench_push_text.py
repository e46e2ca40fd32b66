"""What `cogpack bench push` found, in lines and sentences, for its text and its page."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cogpack.text import count_text, size_text, time_text

if TYPE_CHECKING:
    from cogpack.commands.bench_push import PushBench

_BETTER = 0.95
"""Of the time: what more layers at once must leave, to be worth a word."""


def what_text(found: "PushBench") -> str:
    """Say what would be pushed."""
    layers = count_text(len(found.layers), "layer")
    if not found.project:
        return f"{size_text(found.size)} of random bytes in {layers}, for want of a project with more to send"
    reused = f"; the registry has {size_text(found.reused)} more" if found.reused else ""
    return f"{size_text(found.size)} in {layers} of the project here{reused}"


def verdict(found: "PushBench") -> str:
    """Say in a sentence what holds the push up."""
    push, uploads, processor = found.push, found.uploads, found.processor
    if push.wall is None:
        return "nothing holds the push up for long"
    share = 100 * push.costs[push.wall] / push.seconds
    said = f"the push is held up by {{}}; without that, {share:.0f} % of the time would be saved"
    match push.wall:
        case "streams":
            said = said.format(f"its few streams, of {size_text(uploads.stream)}/s each")
            better = min(found.jobs, key=lambda other: (other.seconds, other.jobs))
            if better.seconds < _BETTER * push.seconds:
                return f"{said}. More at once: -j {better.jobs}, {time_text(better.seconds)}"
            return f"{said}. More and smaller layers would be more streams: cogpack.weights.layer_size"
        case "network":
            return said.format(f"the network, {size_text(uploads.total or 0)}/s in all")
        case "registry":
            return said.format(f"the registry, which at the end of a layer takes {finishing_text(found)}")
        case "hashing":
            return said.format(f"sha256, {size_text(processor.sha256)}/s on each of {processor.cores} cores")
        case "compression":
            return said.format(f"compressing, on {count_text(processor.cores, 'core')}")
        case "disk":
            return said.format(f"the disk, {size_text(found.disk)}/s")


def network_text(found: "PushBench") -> str:
    """Say who took the bytes, and how."""
    uploads = found.uploads
    parts = [uploads.host]
    if uploads.redirected:
        parts.append(f"bytes go to {uploads.storage}")
    parts.append("TLS" if uploads.tls else "no TLS")
    parts.append(f"an upload opens in {1000 * uploads.opening:.0f} ms")
    return ", ".join(parts)


def finishing_text(found: "PushBench") -> str:
    """Say what the last request of an upload costs."""
    finishing = found.uploads.finishing
    if not finishing.how:
        return "what nobody could tell"
    more = f" and {size_text(finishing.rate)}/s beyond" if finishing.rate else ", whatever its size"
    at_least = "" if finishing.how == "stored" else "at least "
    return f"{at_least}{1000 * finishing.seconds:.0f} ms{more}"


def machine_text(found: "PushBench") -> str:
    """Say what this machine does."""
    processor = found.processor
    rates = ", ".join(
        f"{name} {size_text(rate)}/s"
        for name, rate in (
            ("sha256", processor.sha256),
            ("gzip", processor.gzip),
            ("zstd", processor.zstd),
            ("inflate", processor.inflate),
        )
    )
    return f"{count_text(processor.cores, 'core')}, of each {rates}; the disk gives {size_text(found.disk)}/s"


def shapes_text(found: "PushBench") -> str:
    """Say which bodies the registry takes."""
    told = []
    for one in found.uploads.shapes:
        rate = f"{size_text(one.rate)}/s" if one.rate else "taken"
        told.append(f"{one.shape} {rate if one.taken else f'refused ({one.said})'}")
    return ", ".join(told)


def left_lines(found: "PushBench") -> Iterator[str]:
    """Say what is still there."""
    if not found.uploads.cancels:
        yield "the registry cancels no uploads for us: what was sent goes when they expire"
    for digest in found.left:
        yield f"could not be deleted: {digest}"
