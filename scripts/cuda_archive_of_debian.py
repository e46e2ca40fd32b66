"""Makes an archive of the form of NVIDIA's out of Debian's packages of CUDA, for who can't reach NVIDIA's: the same
files, below /usr/local/cuda-VERSION, in packages of NVIDIA's names. Names, dependencies and the maintainer script are
as NVIDIA's are known to be; static libraries that are large, npp and the profilers are left out.

    apt-get download nvidia-cuda-toolkit nvidia-cuda-dev libnvidia-ml-dev libcublas12 ...    # non-free, into DIRECTORY
    apt-get download libcub-dev libthrust-dev libcu++-dev                                    # main, of the same suite
    python scripts/cuda_archive_of_debian.py DIRECTORY 12.4 OUT

OUT/compute/cuda/repos/ubuntu2204/x86_64 has the packages, Packages.gz and InRelease, and OUT/key.asc who signed it."""

import argparse
import fnmatch
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from support.debian_archive import Signer, write_flat

_TARGET = "targets/x86_64-linux"
_INCLUDE, _LIB = f"{_TARGET}/include", f"{_TARGET}/lib"
_LINKS = {"include": _INCLUDE, "lib64": _LIB}
_PROFILE = """
TOP              = $(_HERE_)/..
NVVMIR_LIBRARY_DIR = $(TOP)/$(_NVVM_BRANCH_)/libdevice
LD_LIBRARY_PATH += $(TOP)/lib:
PATH            += $(TOP)/$(_NVVM_BRANCH_)/bin:$(_HERE_):
INCLUDES        +=  "-I$(TOP)/$(_TARGET_DIR_)/include" $(_SPACE_)
LIBRARIES        =+ $(_SPACE_) "-L$(TOP)/LIB/stubs" "-L$(TOP)/LIB"
CUDAFE_FLAGS    +=
PTXAS_FLAGS     +=
""".replace("/LIB", "/$(_TARGET_DIR_)/lib$(_TARGET_SIZE_)")
"""NVIDIA's own; Debian's names its own places."""
_SCRIPT = """#!/bin/sh
set -e
if [ "$1" = configure ]; then
    update-alternatives --install /usr/local/cuda cuda /usr/local/cuda-{cuda} {weight}
    update-alternatives --install /usr/local/cuda-{major} cuda-{major} /usr/local/cuda-{cuda} {weight}
fi
"""

Rule = tuple[str, str]
_LIBRARIES = {
    "cublas": ("cublas*.h nvblas.h", "libcublas* libnvblas*", ""),
    "cufft": ("cufft*.h cudalibxt.h", "libcufft*", ""),
    "curand": ("curand*.h", "libcurand*", ""),
    "cusolver": ("cusolver*.h", "libcusolver*", "cublas cusparse"),
    "cusparse": ("cusparse*.h", "libcusparse*", "nvjitlink"),
    "nvjitlink": ("nvJitLink.h", "libnvJitLink*", ""),
}
"""Libraries that are two packages: headers, the library, and which others they want."""


def _of_libraries(names: str, include: str, lib: str) -> tuple[list[Rule], list[Rule]]:
    headers = [(f"usr/include/{one}", include) for one in names.split()]
    stubs = [(f"usr/lib/x86_64-linux-gnu/stubs/{one}.so", f"{_LIB}/stubs") for one in lib.split()]
    links = [(f"usr/lib/x86_64-linux-gnu/{one}.so", _LIB) for one in lib.split()]
    static = [(f"usr/lib/x86_64-linux-gnu/{one}.a", _LIB) for one in lib.split()]
    return [*headers, *stubs, *links, *static], [(f"usr/lib/x86_64-linux-gnu/{one}.so.*", _LIB) for one in lib.split()]


def packages(split: bool) -> dict[str, tuple[list[Rule], str]]:
    """By name without its version: where its files come from and go to, and what it depends on. `split`: as since
    CUDA 12.3, with cicc and nvcc's headers beside nvcc."""
    found: dict[str, tuple[list[Rule], str]] = {}
    for name, (headers, lib, wanted) in _LIBRARIES.items():
        if name == "nvjitlink" and not split:
            continue
        dev, shared = _of_libraries(headers, _INCLUDE, lib)
        others = wanted.split() if split else []
        found[f"lib{name}"] = (shared, " ".join(["cuda-toolkit-config-common", *(f"lib{one}" for one in others)]))
        found[f"lib{name}-dev"] = (dev, " ".join([f"lib{name}", *(f"lib{one}-dev" for one in others)]))
    dev, shared = _of_libraries("nvrtc.h", _INCLUDE, "libnvrtc libnvrtc-builtins")
    found["cuda-nvrtc"], found["cuda-nvrtc-dev"] = (shared, ""), (dev, "cuda-nvrtc")
    found["cuda-profiler-api"] = (
        [("usr/include/cudaProfiler.h", _INCLUDE), ("usr/include/cuda_profiler_api.h", _INCLUDE)],
        "",
    )
    dev, shared = _of_libraries("nvToolsExt*.h", _INCLUDE, "libnvToolsExt")
    found["cuda-nvtx"] = [*dev, *shared, ("usr/include/nvtx3/*", f"{_INCLUDE}/nvtx3")], ""
    stubs = "usr/lib/x86_64-linux-gnu/stubs"
    nvml = [("usr/include/nvml.h", _INCLUDE), (f"{stubs}/libnvidia-ml.so", f"{_LIB}/stubs")]
    found["cuda-nvml-dev"] = nvml, ""
    found["cuda-driver-dev"] = [(f"{stubs}/libcuda.so", f"{_LIB}/stubs")], ""
    found["cuda-cuobjdump"] = [("usr/bin/cuobjdump", "bin")], ""
    found["cuda-nvprune"] = [("usr/bin/nvprune", "bin")], ""
    cccl = [(f"usr/include/{one}/*", f"{_INCLUDE}/{one}") for one in ("cub", "thrust", "cuda", "nv")]
    found["cuda-cccl"] = cccl, ""
    crt = [("usr/include/crt/*", f"{_INCLUDE}/crt"), ("usr/lib/nvidia-cuda-toolkit/bin/crt/*", "bin/crt")]
    nvvm = [
        ("usr/include/nvvm.h", "nvvm/include"),
        ("usr/lib/nvidia-cuda-toolkit/bin/cicc", "nvvm/bin"),
        ("usr/lib/nvidia-cuda-toolkit/libdevice/*", "nvvm/libdevice"),
        ("usr/lib/x86_64-linux-gnu/libnvvm.so*", "nvvm/lib64"),
    ]
    programs = "__nvcc_device_query bin2c cudafe++ fatbinary nvlink ptxas"
    nvcc = [(f"usr/bin/{one}", "bin") for one in programs.split()]
    nvcc += [("usr/lib/nvidia-cuda-toolkit/bin/nvcc", "bin"), ("usr/include/fatbinary_section.h", _INCLUDE)]
    nvcc += [("usr/include/nvPTXCompiler.h", _INCLUDE)]
    if split:
        found["cuda-crt"], found["cuda-nvvm"] = (crt, ""), (nvvm, "")
    found["cuda-nvcc"] = (nvcc, "cuda-crt cuda-nvvm") if split else (nvcc + crt + nvvm, "")
    libs = "libcudart libcudart_static libcudadevrt libculibos"
    dev, shared = _of_libraries("*.h *.hpp nvfunctional", _INCLUDE, libs)
    dev += [("usr/include/cooperative_groups/*", f"{_INCLUDE}/cooperative_groups")]
    found["cuda-cudart"] = shared, "cuda-toolkit-config-common cuda-toolkit-V-config-common"
    found["cuda-cudart-dev"] = dev, "cuda-cccl cuda-cudart cuda-driver-dev"
    found["cuda-minimal-build"] = [], "cuda-cccl cuda-cudart-dev cuda-nvcc cuda-nvprune"
    return found


def _unpacked(directory: Path, into: Path) -> None:
    for file in sorted(directory.glob("*.deb")):
        tar = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", file], stdout=subprocess.PIPE)
        left = ["./usr/share/*", "*blas*_static.a", "*cufft*_static*.a", "*cus*_static.a", "*curand_static.a", "*npp*"]
        left += ["*nvjpeg*", "*nvrtc*static.a", "*JitLink_static.a", "*nvptxcompiler*", "*metis*", "*nvdisasm"]
        left += ["*compute-sanitizer*"]
        subprocess.run(["tar", "-C", into, "-x", *(f"--exclude={one}" for one in left)], stdin=tar.stdout, check=True)
        if tar.wait():
            raise SystemExit(f"{file}: is no package")


def _place(source: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    if source.is_symlink():
        to.symlink_to(Path(source.readlink()).name)
    else:
        to.hardlink_to(source)


def make(files: Path, cuda: str, out: Path) -> None:
    """Write the archive of `cuda` below `out`, of Debian's files."""
    major, minor = cuda.split(".")
    dashed, home = f"{major}-{minor}", f"usr/local/cuda-{cuda}"
    root = out / "compute/cuda/repos/ubuntu2204/x86_64"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    index = ""
    left = sorted(
        path.relative_to(files).as_posix() for path in files.rglob("*") if path.is_symlink() or path.is_file()
    )

    def write(name: str, depends: list[str], version: str) -> str:
        (tree / "DEBIAN").mkdir(exist_ok=True)
        fields = {"Package": name, "Version": version, "Architecture": "amd64", "Maintainer": "a stand-in <a@b.org>"}
        fields |= {"Depends": ", ".join(depends)} if depends else {}
        text = "".join(f"{key}: {value}\n" for key, value in fields.items()) + "Description: stands in for NVIDIA's\n"
        (tree / "DEBIAN/control").write_text(text)
        file = root / f"{name}_{version}_amd64.deb"
        subprocess.run(["dpkg-deb", "--root-owner-group", "-Zzstd", "-z1", "-b", tree, file], check=True, stdout=2)
        data = file.read_bytes()
        shutil.rmtree(tree)
        return f"{text}Filename: ./{file.name}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n\n"

    tree = out / "tree"
    for name, lines in (
        ("cuda-toolkit-config-common", "000_cuda.conf /usr/local/cuda"),
        (f"cuda-toolkit-{major}-config-common", f"989_cuda-{major}.conf /usr/local/cuda-{major}"),
    ):
        conf, _, place = lines.partition(" ")
        (tree / "etc/ld.so.conf.d").mkdir(parents=True)
        (tree / "etc/ld.so.conf.d" / conf).write_text(f"{place}/{_LIB}\n")
        index += write(name, [], f"{cuda}.127-1")
    (tree / home).mkdir(parents=True)
    for link, to in _LINKS.items():
        (tree / home / link).symlink_to(to)
    (tree / "DEBIAN").mkdir()
    script = tree / "DEBIAN/postinst"
    script.write_text(_SCRIPT.format(cuda=cuda, major=major, weight=f"{major}{minor}"))
    script.chmod(0o755)
    common = ["cuda-toolkit-config-common", f"cuda-toolkit-{major}-config-common"]
    index += write(f"cuda-toolkit-{dashed}-config-common", common, f"{cuda}.127-1")

    for name, (rules, wanted) in packages(int(major) > 11).items():
        tree.mkdir()
        for pattern, to in rules:
            for path in [one for one in left if fnmatch.fnmatchcase(one, pattern)]:
                if pattern.endswith("/*"):
                    _place(files / path, tree / home / to / path.removeprefix(pattern.removesuffix("*")))
                elif path.count("/") == pattern.count("/"):
                    _place(files / path, tree / home / to / Path(path).name)
                else:
                    continue
                left.remove(path)
        if name == "cuda-nvcc":
            (tree / home / "bin/nvcc.profile").write_text(_PROFILE)
        depends = ["build-essential"] if name == "cuda-nvcc" else []
        for one in wanted.split():
            own = one if one in common else f"{one}-{dashed}"
            depends.append(f"cuda-toolkit-{dashed}-config-common" if "-V-" in one else own)
        index += write(f"{name}-{dashed}", depends, f"{cuda}.127-1")
    signer = Signer()
    write_flat(root, index, signer)
    (out / "key.asc").write_text(str(signer.certificate))
    print("\n".join(f"not taken: {path}" for path in left if not path.startswith("usr/share/")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, help="of Debian's packages")
    parser.add_argument("cuda", help="12.4")
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    files = args.out / "files"
    if not files.exists():
        files.mkdir()
        _unpacked(args.directory, files)
    make(files, args.cuda, args.out)


if __name__ == "__main__":
    main()
