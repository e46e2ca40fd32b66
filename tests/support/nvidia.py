"""NVIDIA's archive of packages is stood in for by one of its form."""

from support.debian_archive import Signer, write_flat
from support.debian_mirror import Archive, pooled

_DEV = ("cublas", "cufft", "curand", "cusolver", "cusparse")


def nvidias(archive: Archive) -> Signer:
    """Write one below `/compute/cuda/repos`, and give who signs it."""
    signer = Signer()
    root = archive.root / "compute/cuda/repos/ubuntu2204/x86_64"
    index = ""
    for cuda in ("12.4", "12.6"):
        dashed, home = cuda.replace(".", "-"), f"usr/local/cuda-{cuda}"
        names = [f"cuda-{name}-{dashed}" for name in ("nvrtc-dev", "profiler-api", "nvtx", "nvml-dev")]
        names += [f"lib{name}-dev-{dashed}" for name in _DEV]
        index += pooled(
            root, f"cuda-minimal-build-{dashed}", files={f"{home}/bin/nvcc": "#!/bin/sh\n"}, Depends=names[0]
        )
        for name in names:
            index += pooled(root, name, files={f"{home}/include/{name}.h": ""})
    write_flat(root, index.replace("Filename: ", "Filename: ./"), signer)
    return signer
