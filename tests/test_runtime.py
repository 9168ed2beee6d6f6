"""Where a stage runs, its seeds, and how it ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from prunescope import runtime
from prunescope.errors import PrunescopeError
from prunescope.study.stage import arguments, mirror

CPU = torch.device("cpu")


def test_the_cpu_is_there_and_auto_finds_something() -> None:
    assert runtime.device("cpu") == CPU
    assert runtime.device("auto").type in ("cuda", "mps", "cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a CUDA device")
@pytest.mark.parametrize("name", ["cuda", "cuda:1"])
def test_an_absent_gpu_is_said_so(name) -> None:
    with pytest.raises(PrunescopeError, match=f"found device {name}, but torch .* sees no CUDA device; use auto or cpu"):
        runtime.device(name)


@pytest.mark.parametrize("name", ["quatsch", "xpu", "cuda:", "cpu:0", ""])
def test_other_devices_are_refused(name) -> None:
    with pytest.raises(PrunescopeError, match=f"found device {name}, wanted auto, cpu, mps, cuda, or cuda:1 and so on"):
        runtime.device(name)


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="has an Apple GPU")
def test_an_absent_apple_gpu_is_said_so() -> None:
    with pytest.raises(PrunescopeError):
        runtime.device("mps")


def test_precision_by_name() -> None:
    assert runtime.precision("fp32", CPU) == torch.float32
    assert runtime.precision("bf16", CPU) == torch.bfloat16
    assert runtime.precision("auto", CPU) in (torch.float32, torch.bfloat16)
    with runtime.autocast(CPU, torch.bfloat16):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
    with runtime.autocast(CPU, torch.float32):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


def test_seeds_depend_on_every_number_and_its_place() -> None:
    drawn = {}
    for numbers in ((0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (12345, 678), (0, 10**9)):
        runtime.seed_everything(*numbers)
        drawn[numbers] = float(torch.rand(()))
    assert len(set(drawn.values())) == 8
    runtime.seed_everything(0, 1)
    assert float(torch.rand(())) == drawn[0, 1]


def test_the_record_of_the_environment_has_the_contracts_keys() -> None:
    record = runtime.environment(CPU, torch.float32)
    assert sorted(record) == ["device", "platform", "precision", "processor", "python", "threads", "torch", "torchvision"]
    assert (record["device"], record["precision"], record["threads"]) == ("cpu", "fp32", torch.get_num_threads())
    assert record["torch"] == torch.__version__ and record["processor"]


def test_arguments_are_cells_and_paths(monkeypatch, capsys) -> None:
    line = "stage --model vgg16 --sparsity 0.8 --seed 3 --base-checkpoint a/b"
    monkeypatch.setattr(sys, "argv", line.split())
    args = arguments("doc", "model", "sparsity", "seed", "base_checkpoint", optional=("history",))
    assert (args.model, args.sparsity, args.seed) == ("vgg16", 0.8, 3)
    assert (args.base_checkpoint, args.history) == (Path("a/b"), None)
    with pytest.raises(SystemExit):
        arguments("doc", "model", "sparsity", "seed", "base_checkpoint", "metrics")
    assert "--metrics" in capsys.readouterr().err


def test_the_mirror_is_a_directory_named_in_the_environment(monkeypatch) -> None:
    monkeypatch.delenv("PRUNESCOPE_MIRROR", raising=False)
    assert mirror() is None
    monkeypatch.setenv("PRUNESCOPE_MIRROR", "some/where")
    assert mirror() == Path("some/where")


@pytest.mark.parametrize("body, code, error", [
    ("print('done')", 0, ""),
    ("raise PrunescopeError('found a, wanted b')", 1, "error: found a, wanted b\n"),
    ("raise KeyboardInterrupt", 130, "interrupted: finished stages are kept; run it again to go on\n"),
    ("raise KeyboardInterrupt('stopped after 6 steps')", 130, "interrupted: stopped after 6 steps\n"),
])  # fmt: skip
def test_a_stage_ends_in_one_line_and_its_code(body, code, error) -> None:
    imports = "from prunescope.errors import PrunescopeError\nfrom prunescope.study.stage import main\n"
    script = f"{imports}def recipe():\n    {body}\nmain(recipe)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (code, error)
    assert done.stdout == ("done\n" if code == 0 else ""), "output was lost at the end"


def test_a_bug_keeps_its_traceback() -> None:
    script = "from prunescope.study.stage import main\ndef recipe():\n    1 / 0\nmain(recipe)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 1 and "ZeroDivisionError" in done.stderr


def test_threads_are_those_of_numpys_matrix_products_too() -> None:
    """Their number decides about the last bits: a study has the same with and without OMP_NUM_THREADS."""
    code = (
        "import numpy, torch, threadpoolctl; from prunescope import runtime; runtime.prepare(2, torch.device('cpu'));"
        "runtime.prepare(1, torch.device('cpu')); numpy.ones((9, 9)) @ numpy.ones((9, 9));"
        "pools = threadpoolctl.threadpool_info();"
        "print(torch.get_num_threads(), *{pool['num_threads'] for pool in pools if pool['user_api'] == 'blas'})"
    )
    free = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run([sys.executable, "-c", code], env=free, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "1"]
