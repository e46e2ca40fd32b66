"""What benchmarks pack and send, made on the spot: weights like a real model's, layouts, wheels and a base."""

import base64
import hashlib
import io
import json
import os
import random
import statistics
import struct
import tarfile
import zipfile
from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_COLUMNS, _ROWS = 8192, 2048


def generate(folder: Path, size: int, files: int) -> list[Path]:
    """Decoders in Hugging Face layout, `size` bytes in all: bfloat16, normally distributed, so that they compress as
    those of real models do."""
    chunk = _bfloat16(_COLUMNS * _ROWS)
    paths = []
    for number in range(files):
        place = folder / f"component{number}"
        place.mkdir(parents=True)
        (place / "config.json").write_text('{"model_type": "llama"}')
        header: dict[str, Any] = {}
        count = max(2, size // files // len(chunk))
        names = [f"model.layers.{index // 4}.mlp.{index % 4}.weight" for index in range(count - 2)]
        for index, name in enumerate(["model.embed_tokens.weight", *names, "lm_head.weight"]):
            span = [index * len(chunk), (index + 1) * len(chunk)]
            header[name] = {"dtype": "BF16", "shape": [_ROWS, _COLUMNS], "data_offsets": span}
        text = json.dumps(header).encode()
        path = place / "model.safetensors"
        with path.open("wb") as stream:
            stream.write(len(text).to_bytes(8, "little") + text)
            for index in range(count):
                cut = (number * count + index) * 4099 % len(chunk)  # each tensor other bytes
                stream.write(chunk[cut:])
                stream.write(chunk[:cut])
        paths.append(path)
    return paths


def _bfloat16(count: int) -> bytes:
    """`count` normally distributed numbers, of rows of different widths, the same on every machine."""
    source = random.Random(1)
    widths = 16
    normal = statistics.NormalDist()
    quantiles = [normal.inv_cdf((index + 0.5) / 65536) for index in range(65536)]
    found = bytearray()
    for _ in range(widths):
        width = source.uniform(0.01, 0.1)
        table = [struct.unpack("<I", struct.pack("<f", width * value))[0] >> 16 for value in quantiles]
        found += array("H", map(table.__getitem__, array("H", source.randbytes(2 * count // widths)))).tobytes()
    return bytes(found)


def make_layout(root: Path, layers: Sequence[bytes]) -> list[Path]:
    """An OCI layout with one image of such plain layers, tagged v1; the paths of their blobs."""
    blobs = root / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def add(data: bytes) -> dict[str, object]:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"digest": f"sha256:{digest}", "size": len(data)}

    described = [{"mediaType": "application/vnd.oci.image.layer.v1.tar", **add(data)} for data in layers]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in described]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **add(json.dumps(config).encode())},
        "layers": described,
    }
    entry = {"mediaType": manifest["mediaType"], **add(json.dumps(manifest).encode())}
    entry["annotations"] = {"org.opencontainers.image.ref.name": "v1"}
    (root / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (root / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return [blobs / str(layer["digest"])[7:] for layer in described]


def random_layout(root: Path, count: int, size: int) -> list[Path]:
    """A layout of `count` layers of `size` random bytes each: tars in name only."""
    return make_layout(root, [os.urandom(size) for _ in range(count)])


def base_tar(files: Mapping[str, bytes] = {}) -> bytes:
    """A layer with names and directories of a Python image, the line in which glibc tells its version, and `files`: for
    images that are pushed and never run."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path, mode in (("tmp", 0o1777), ("usr", 0o755), ("usr/bin", 0o755), ("lib", 0o755)):
            entry = tarfile.TarInfo(path)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            archive.addfile(entry)
        for path, data in (
            ("usr/bin/python3.13", b"\x7fELF, or nearly"),
            ("lib/libc.so.6", b"GNU C Library (stand-in) stable release version 2.41.\n"),
            *files.items(),
        ):
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(data), 0o755
            archive.addfile(entry, io.BytesIO(data))
        entry = tarfile.TarInfo("usr/bin/python3")
        entry.type, entry.linkname = tarfile.SYMTYPE, "python3.13"
        archive.addfile(entry)
    return out.getvalue()


def record_row(path: str, data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
    quoted = f'"{path}"' if "," in path else path
    return f"{quoted},sha256={digest},{len(data)}\n"


def make_wheel(
    directory: Path,
    name: str,
    version: str = "1.0",
    *,
    files: Mapping[str, bytes] | None = None,
    executable: frozenset[str] = frozenset(),
    links: frozenset[str] = frozenset(),
    entry_points: str = "",
    tag: str = "py3-none-any",
    requires: tuple[str, ...] = (),
    extras: tuple[str, ...] = (),
    python: str = "",
    raw: Mapping[str, bytes] | None = None,
    method: int = zipfile.ZIP_DEFLATED,
) -> Path:
    """`files`: by path in the wheel; `raw`: members that RECORD does not list, or that replace the usual ones."""
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    contents = dict(files or {f"{name.replace('-', '_')}.py": f"NAME = {name!r}\n".encode()})
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {line}\n" for line in requires)
    metadata += "".join(f"Provides-Extra: {extra}\n" for extra in extras)
    metadata += f"Requires-Python: {python}\n" if python else ""
    contents[f"{info}/METADATA"] = metadata.encode()
    contents[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: {tag}\n".encode()
    if entry_points:
        contents[f"{info}/entry_points.txt"] = entry_points.encode()
    record = "".join(record_row(path, data) for path, data in contents.items()) + f"{info}/RECORD,,\n"
    contents[f"{info}/RECORD"] = record.encode()
    contents |= raw or {}
    path = directory / f"{stem}-{tag}.whl"
    directory.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", method) as archive:
        for member, data in contents.items():
            entry = zipfile.ZipInfo(member, (2020, 1, 1, 0, 0, 0))
            entry.compress_type = method
            mode = 0o120777 if member in links else 0o100755 if member in executable else 0o100644
            entry.external_attr = mode << 16
            archive.writestr(entry, data)
    return path
