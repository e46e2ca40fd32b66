"""NVIDIA's own nvcc, of its wheels, compiles a source for a GPU where there is none, and the image has what that is
linked with."""

import json
from pathlib import Path

import pytest
from integration.conftest import Project
from support.wheels import make_wheel

from cogpack.sandbox.rungs.choice import Rung, probe

pytestmark = pytest.mark.integration

CONFIG = """
build:
  gpu: true
  cuda: "13.0"
  python_version: "3.13"
  python_requirements: requirements.txt
predict: predict.py:Runner
environment: [TORCH_CUDA_ARCH_LIST=9.0]
cogpack: {cuda_toolkit: build, bytecode: false}
"""
SETUP = """
import os, subprocess, sysconfig
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext


class Nvcc(build_ext):
    def build_extension(self, ext):
        out = self.get_ext_fullpath(ext.name)
        os.makedirs(os.path.dirname(out), exist_ok=True)
        include, home = sysconfig.get_path("include"), os.environ["CUDA_HOME"]
        options = ["-shared", "-Xcompiler", "-fPIC", "-arch=sm_90", "-cudart", "shared"]
        subprocess.run(["nvcc", *options, f"-I{include}", f"-L{home}/lib64", "-o", out, *ext.sources], check=True)


setup(name="ops", version="1.0", ext_modules=[Extension("ops", ["ops.cu"])], cmdclass={"build_ext": Nvcc})
"""
KERNEL = """
#include <Python.h>
#include <cub/cub.cuh>

__global__ void sum(const float* in, float* out, int n) {
  typedef cub::BlockReduce<float, 256> Reduce;
  __shared__ typename Reduce::TempStorage storage;
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  float total = Reduce(storage).Sum(i < n ? in[i] : 0.f);
  if (threadIdx.x == 0) atomicAdd(out, total);
}

static PyObject* launch(PyObject*, PyObject*) {
  sum<<<1, 256>>>(nullptr, nullptr, 0);
  return PyUnicode_FromString(cudaGetErrorName(cudaGetLastError()));
}

static PyMethodDef methods[] = {{"launch", launch, METH_NOARGS, nullptr}, {nullptr, nullptr, 0, nullptr}};
static PyModuleDef module = {PyModuleDef_HEAD_INIT, "ops", nullptr, -1, methods};
PyMODINIT_FUNC PyInit_ops(void) { return PyModule_Create(&module); }
"""
PARTS = {
    "cccl": "nvidia-cuda-cccl==13.0.85",
    "crt": "nvidia-cuda-crt==13.0.88",
    "cudart": "nvidia-cuda-runtime==13.0.96",
    "nvcc": "nvidia-cuda-nvcc==13.0.88",
    "nvvm": "nvidia-nvvm==13.0.88",
}
"""What cuda-toolkit 13.0.2 requires for these extras; for the libraries' it is a GB that nothing here wants."""
OTHERS = ("cublas", "cufft", "curand", "cusolver", "cusparse", "nvml", "nvrtc", "nvtx", "profiler")


def test_a_source_is_compiled_by_nvcc_of_wheels_and_what_comes_of_it_runs(hello: Project, tmp_path: Path) -> None:
    if all(probe(tmp_path).refusal(rung, owners=False) for rung in (Rung.ROOT, Rung.USERNS, Rung.CHROOT)):
        pytest.skip("this machine runs no containers without proot")
    links = tmp_path / "links"
    links.mkdir()
    requires = tuple(f'{line}; extra == "{extra}"' for extra, line in PARTS.items())
    make_wheel(links, "cuda-toolkit", "13.0.99", requires=requires, extras=(*PARTS, *OTHERS))
    files = {
        "cog.yaml": CONFIG,
        "requirements.txt": "nvidia-cuda-runtime==13.0.96\n./ops\n",
        "ops/setup.py": SETUP,
        "ops/ops.cu": KERNEL,
    }
    for name, text in files.items():
        path = hello.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (hello.root / "cogpack.lock").unlink(missing_ok=True)
    locked = json.loads(hello.cogpack("lock", "--json", UV_FIND_LINKS=str(links)).stdout)["platforms"]["linux/amd64"]
    (build,) = locked["builds"]
    assert {name.partition("-")[0] for name in build["requires"]} >= {"nvidia_cuda_nvcc", "nvidia_nvvm"}
    assert locked["toolkit"]["compiler"] == "g++-14"
    assert not [one for one in locked["toolkit"]["packages"]["packages"] if one["name"].startswith("cuda")]
    done = hello.cogpack("exec", "python", "-c", "import ops; print(ops.launch())", UV_FIND_LINKS=str(links))
    assert done.stdout.strip() in ("cudaErrorInsufficientDriver", "cudaErrorNoDevice"), "it ran, and found no GPU"
