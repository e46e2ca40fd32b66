"""Tries on a GPU what cogpack lays into an image for it, and says of each whether it works.

    cd examples/gpu-trial
    cogpack exec --gpus all python predict.py                   # or: cogpack run --gpus all
    cogpack exec -f ./nvcc.yaml --gpus all python predict.py    # with the compiler of CUDA

Each is a process of its own, since libraries that one has loaded are found by the next.
"""

import ctypes.util
import shutil
import subprocess
import sys

from cog import BaseRunner

LIBRARIES = ("cudart", "cublas", "cublasLt", "cudnn", "cufft", "curand", "cusolver", "cusparse", "nccl", "nvrtc")
CODE = """
#include <torch/extension.h>
__global__ void twice(float* x, int n) { int i = blockIdx.x * blockDim.x + threadIdx.x; if (i < n) x[i] *= 2; }
void run(torch::Tensor x) { twice<<<(x.numel() + 255) / 256, 256>>>(x.data_ptr<float>(), x.numel()); }
"""


def libraries() -> str:
    lacking = [name for name in LIBRARIES if ctypes.util.find_library(name) is None]
    assert not lacking, f"not found by name: {lacking}"
    return f"{len(LIBRARIES)} found by name"


def onnxruntime() -> str:
    """Where torch, which knows where the wheels are, was not imported."""
    import onnx
    import onnxruntime as ort
    from onnx import TensorProto, helper

    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "relu", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CUDAExecutionProvider"])
    providers = session.get_providers()
    assert providers[0] == "CUDAExecutionProvider", f"it fell back to {providers}"
    import numpy as np

    (found,) = session.run(None, {"x": np.array([-1, 0, 1, 2], np.float32)})
    assert found.tolist() == [0, 0, 1, 2]
    return f"onnxruntime {ort.__version__}: {providers[0]}"


def matmul() -> str:
    import torch

    torch.manual_seed(0)
    a, b = torch.randn(2, 512, 512)
    error = ((a.cuda() @ b.cuda()).cpu() - a @ b).abs().max().item()
    assert error < 0.1, error
    return f"torch {torch.__version__} on {torch.cuda.get_device_name()}, differs by {error:.4f}"


def cudnn() -> str:
    import torch

    assert torch.backends.cudnn.is_available()
    layer, x = torch.nn.Conv2d(3, 8, 3), torch.randn(1, 3, 64, 64)
    expected = layer(x)
    error = (layer.cuda()(x.cuda()).cpu() - expected).abs().max().item()
    assert error < 0.01, error
    return f"cuDNN {torch.backends.cudnn.version()}, differs by {error:.4f}"


def compiled() -> str:
    import torch

    x = torch.randn(1024, device="cuda")
    found = torch.compile(lambda x: torch.sin(x) * 2 + 1)(x)
    assert torch.allclose(found, torch.sin(x) * 2 + 1, atol=1e-4)
    return "triton compiled it"


def four_bit() -> str:
    import bitsandbytes as bnb
    import torch

    layer = bnb.nn.Linear4bit(64, 64, compute_dtype=torch.float16).cuda()
    found = layer(torch.randn(2, 64, device="cuda", dtype=torch.float16))
    assert torch.isfinite(found).all()
    return f"bitsandbytes {bnb.__version__}"


def extension() -> str:
    if shutil.which("nvcc") is None:
        return "left out: there is no nvcc (nvcc.yaml)"
    import torch
    from torch.utils import cpp_extension

    module = cpp_extension.load_inline("trial", "void run(torch::Tensor x);", CODE, functions=["run"])
    x = torch.ones(1000, device="cuda")
    module.run(x)
    assert x.sum().item() == 2000
    return "nvcc compiled it"


TRIALS = (libraries, onnxruntime, matmul, cudnn, compiled, four_bit, extension)


def tried() -> tuple[str, bool]:
    """Give a line for each, and whether all went well."""
    lines, good = [], True
    for trial in TRIALS:
        command = [sys.executable, __file__, trial.__name__]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        text = done.stdout if done.returncode == 0 else done.stderr
        said = [line for line in text.splitlines() if line.strip(" \x1b[m")]  # colours are no line
        good = good and done.returncode == 0
        lines.append(f"{'ok    ' if done.returncode == 0 else 'FAILED'} {trial.__name__}: {said[-1] if said else f'it ended with {done.returncode}'}")
    return "\n".join(lines), good


class Runner(BaseRunner):
    def run(self) -> str:
        return tried()[0]


if __name__ == "__main__":
    if sys.argv[1:]:
        print({trial.__name__: trial for trial in TRIALS}[sys.argv[1]]())
    else:
        text, good = tried()
        print(text)
        raise SystemExit(not good)
