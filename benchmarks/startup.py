"""From the start of a stage's process to its first training step, and the import of torch alone as the floor.

    python benchmarks/startup.py

The stage is pretrain on the digits with a budget of 0 epochs: building, validation and writing its files are in the time.
"""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from common import interleaved, parser, table, where

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    args = parser(__doc__).parse_args()
    print(where(torch.device("cpu")))
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        params = (ROOT / "params.yaml").read_text(encoding="utf-8")
        begin = params.index("  digits:")
        digits = re.sub(r"(    pretrain: {epochs: )[^,]+", r"\g<1>0", params[begin:], count=1)
        Path("params.yaml").write_text(params[:begin] + digits, encoding="utf-8")

        def run(*command: str) -> None:
            subprocess.run(
                [sys.executable, *command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=os.environ
            )

        run(str(ROOT / "stages/download.py"), "--dataset", "digits", "--store", "store", "--metrics", "m.json")
        cell = ("--dataset", "digits", "--seed", "0", "--store", "store")
        start = ("--weights", "weights", "--start", "start")
        run(str(ROOT / "stages/weights.py"), "--model", "vgg16_bn", "--dataset", "digits", "--store", "store", *start)
        files = (*start[2:], "--checkpoint", "c.safetensors", "--metrics", "m.json", "--history", "h.csv")

        def stage(model: str) -> None:
            run(str(ROOT / "stages/pretrain.py"), "--model", model, *cell, *files)

        candidates = {
            "import torch": lambda: run("-c", "import torch"),
            "pretrain VGG16, 0 epochs": lambda: stage("vgg16_bn"),
            "pretrain DenseNet169, 0 epochs": lambda: stage("densenet169"),
        }
        print(table(interleaved(candidates, rounds=args.rounds), reference="import torch"))


if __name__ == "__main__":
    main()
