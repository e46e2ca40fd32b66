"""An image and a plan of one as pages show them: of usual size and names, and with hostile ones among them."""

import json
from typing import Any

from cogpack.commands.inspect import Inspected, InspectedLayer, Referrer
from cogpack.commands.plan import Planned, PlannedFile, PlannedLayer, PlannedStep, PlannedWeight
from cogpack.digest import Digest, sha256
from cogpack.planning.layer_items import ItemKind, LayerItem

HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
SCHEMA = json.dumps(
    {
        "components": {
            "schemas": {
                "Input": {
                    "properties": {
                        "prompt": {"type": "string", "x-order": 0, "description": "What is to be seen."},
                        "steps": {"type": "integer", "minimum": 1, "maximum": 50, "default": 20, "x-order": 1},
                        HOSTILE: {"type": "string", "default": HOSTILE, "x-order": 2},
                    },
                    "required": ["prompt"],
                },
                "Output": {"type": "string", "format": "uri"},
            }
        }
    }
)


def items(kind: ItemKind, *names: str, size: int = 1_230_000) -> tuple[LayerItem, ...]:
    return tuple(
        LayerItem(kind=kind, name=name, version=f"{at % 7}.{at % 11}.1", size=size + 70_000 * at)
        for at, name in enumerate(names)
    )


DEBIAN = (
    "adduser apt base-files bash bsdutils coreutils dash debconf dpkg e2fsprogs findutils gcc-14-base grep gzip libc6"
)
PACKAGES = "ffmpeg libavcodec61 libavformat61 libgl1 libglib2.0-0t64 libx264-164 libx265-215 libvpx9 mesa-libgallium"
SMALL = "annotated-types certifi click coglet fastapi filelock fsspec huggingface-hub jinja2 numpy pillow pydantic tqdm"
NVIDIA = "nvidia-cublas-cu12 nvidia-cufft-cu12 nvidia-curand-cu12"
LAYERS: tuple[tuple[str, int, tuple[LayerItem, ...]], ...] = (
    ("debian: trixie, 89 packages", 31_400_000, items("package", *DEBIAN.split(), HOSTILE)),
    ("packages: ffmpeg, libgl1 and 90 more", 118_000_000, items("package", *PACKAGES.split())),
    ("venv: Python 3.13", 12_000, ()),
    ("wheels: 14 large ones of CUDA", 1_710_000_000, items("wheel", *NVIDIA.split(), size=380_000_000)),
    (
        "wheels: torch 2.13.0",
        887_000_000,
        (LayerItem(kind="wheel", name="torch", version="2.13.0", size=902_000_000),),
    ),
    ("bytecode: Python 3.13.5", 6_100_000, ()),
    ("bytecode: torch 2.13.0", 11_200_000, ()),
    *(
        (
            f"weights: model/model-0000{at}-of-00003.safetensors",
            1_900_000_000,
            (LayerItem(kind="file", name=f"/src/model/model-0000{at}-of-00003.safetensors", size=1_900_000_000),),
        )
        for at in (1, 2, 3)
    ),
    ("weights: 6 files below 64 MiB", 9_700_000, items("file", *(f"/src/model/{one}.json" for one in "abcdef"))),
    ("wheels: 41 small ones", 96_400_000, items("wheel", *SMALL.split(), HOSTILE)),
    ("bytecode: 41 small ones", 14_900_000, ()),
    ("run: 2 commands", 3_300_000, ()),
    (f"clone: https://git.example/{HOSTILE} in /opt", 21_000_000, items("clone", HOSTILE)),
    ("project", 48_000, ()),
)


def inspected(reference: str = "registry.example.com/team/sketch:v7", **more: Any) -> Inspected:
    layers = tuple(
        InspectedLayer(
            name=name,
            key=f"{at}",
            media_type="application/vnd.oci.image.layer.v1.tar+gzip",
            digest=Digest(sha256(name.encode())),
            size=size,
            origin="here" if at > 10 else "lock",
            repositories=("registry.example.com/team/other",) if at < 8 else (),
            items=held,
        )
        for at, (name, size, held) in enumerate(LAYERS)
    )
    settings: dict[str, Any] = {
        "reference": reference,
        "digest": Digest(sha256(b"image")),
        "index": Digest(sha256(b"index")),
        "platform": "linux/amd64",
        "platforms": ("linux/amd64", "linux/arm64"),
        "size": sum(layer.size for layer in layers),
        "layers": layers,
        "environment": (
            "PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin",
            f"TITLE={HOSTILE}",
            "NVIDIA_VISIBLE_DEVICES=all",
        ),
        "labels": {
            "run.cog.openapi_schema": SCHEMA,
            "run.cog.config": '{"build":{"gpu":true,"python_version":"3.13"}}',
            "run.cog.pip_freeze": "\n".join(f"{name}==1.0" for name in SMALL.split() * 4),
            HOSTILE: HOSTILE,
        },
        "inputs": {},
        "output": {},
        "referrers": (
            Referrer(artifact_type="application/vnd.cogpack.lock.v1+toml", digest=Digest(sha256(b"l")), size=700),
            Referrer(artifact_type=HOSTILE, digest=Digest(sha256(b"s")), size=733),
        ),
    }
    return Inspected(**settings | more)


def planned(platforms: tuple[str, ...] = ("linux/amd64",)) -> Planned:
    last = len(LAYERS) - 1
    layers = tuple(
        PlannedLayer(
            name=name,
            key=f"{at}",
            digest=Digest(sha256(name.encode())) if at < last - 4 else None,
            size=size if at != last - 4 else None,
            about=size,
            moves=at >= last - 4,
            mounts=at == last - 1,
            tagged=at < last - 4,
            compression="none: zstd would leave 0.981, it pays from 0.9 down" if name.startswith("weights: m") else "",
            items=held,
            platforms=platforms if at not in (3, 4) else platforms[:1],
        )
        for at, (name, size, held) in enumerate(LAYERS)
    )
    return Planned(
        layers=layers,
        weights=(
            PlannedWeight(
                path="model/model.safetensors",
                size=5_700_000_000,
                rule="tensor",
                why="safetensors with an index",
                others=("none: 1 layer, one stream",),
            ),
        ),
        steps=(
            PlannedStep(command="pip install einops==0.8", known=True, effect=("adds the wheel einops 0.8.0",)),
            PlannedStep(command=f"make {HOSTILE}", sandboxed="make is not known"),
        ),
        isolation="build.run would be isolated by userns; open: the network",
        laid=7_000_000_000,
        laying=42.0,
        schema=json.loads(SCHEMA),
        files=(
            PlannedFile(path="predict.py", size=12_300),
            PlannedFile(path="assets/logo.png", size=31_000),
            PlannedFile(path=HOSTILE, size=3, target=HOSTILE),
        ),
    )
