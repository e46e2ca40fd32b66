"""What `cogpack bench pull` found, in sentences, for its text and its page."""

from typing import TYPE_CHECKING

from cogpack.text import size_text

if TYPE_CHECKING:
    from cogpack.commands.bench import PullBench


def verdict(found: "PullBench") -> str:
    """Say in a sentence what holds up the pull of the engine that is here."""
    pull, host = found.pulls[0], found.network
    share = 100 * pull.costs.get(pull.wall, 0) / pull.seconds if pull.wall else 0
    most = f"without that, {share:.0f} % of the time would be saved"
    match pull.wall:
        case "streams":
            return (
                f"{pull.client} is held up by its few streams of {size_text(host.stream)}/s each; {most}. More at "
                f"once: cogpack pull, or max-concurrent-downloads of the engine"
            )
        case "network":
            return f"{pull.client} is held up by the network, {size_text(host.total or 0)}/s in all; {most}"
        case "unpack":
            return f"{pull.client} is held up by unpacking, one layer at a time; {most}"
        case "disk":
            return f"{pull.client} is held up by the disk, {size_text(found.disk)}/s; {most}"
        case None:
            return f"nothing holds {pull.client} up for long"


def network_text(found: "PullBench") -> str:
    """Say who gave the bytes, and how."""
    network = found.network
    parts = [network.host]
    if network.redirected:
        parts.append(f"bytes come from {network.storage}")
    parts.append("TLS" if network.tls else "no TLS")
    parts.append(f"first byte after {1000 * network.first_byte:.0f} ms")
    if not network.ranges:
        parts.append("no ranges: a layer comes over one connection")
    return ", ".join(parts)


def machine_text(found: "PullBench") -> str:
    """Say what this machine does."""
    unpack = ", ".join(f"{form} {size_text(rate)}/s" for form, rate in found.unpack.items())
    engine = f"{found.engine} unpacks {unpack}" if unpack else "no engine was asked, so unpacking counts as nothing"
    return f"{engine}; the disk takes {size_text(found.disk)}/s"
