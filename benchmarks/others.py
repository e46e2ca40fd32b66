"""How fast podman and containerd bring weights, by how they lie in layers.

    python benchmarks/others.py [--gib 1] [--files 1] [--rate 40] [--runs 3] [--json FILE]

Needs root, podman and containerd, and what pull.py needs, whose peers and limits these are.
"""

from engines import containerd, podman
from pull import measure_engines, pull_options


def main() -> None:
    measure_engines(lambda _: [podman(), containerd()], pull_options(__doc__).parse_args())


if __name__ == "__main__":
    main()
