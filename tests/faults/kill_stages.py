"""Kill a tiny study at random moments, again and again, until it has finished; then compare it with an uninterrupted one.

    python tests/faults/kill_stages.py --kills 24 --seed 0

Kills with SIGKILL: the stage alone, dvc alone (its stage lives on as an orphan, which is ended before dvc is started again), or
the whole process group. At the end every checkpoint must equal the uninterrupted study's byte for byte and every metrics file
but for times. Prints "N of N files bit-identical" and what was killed; exits 1 otherwise.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
TIMES = {"seconds", "images_per_second"}
KINDS = ("stage", "dvc", "group")
FOLDERS = ("checkpoints", "metrics/pretrain", "metrics/prune", "metrics/finetune", "metrics/distill")
TARGETS = ("pretrain", "prune-iterative", "prune-layerwise", "finetune", "finetune-dense", "distill")


def clone(folder: Path) -> Path:
    """A copy of the working tree with one narrow network, small batches and frequent saves."""
    folder.mkdir(parents=True)
    for name in ("src", "stages"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("dvc.yaml", ".dvcignore", ".gitignore"):
        shutil.copy(ROOT / name, folder / name)
    content = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    content["study"] |= {"models": ["vgg11"], "name": "faults"}
    content["distill"] |= {"teachers": ["vgg11"], "student": "vgg11"}
    content["data"]["digits"]["network"]["width"] = 0.125
    content["data"]["digits"]["training"]["batch_size"] = 32
    content["runtime"] |= {"device": "cpu", "threads": 1, "save_seconds": 0.3}
    (folder / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    for command in (["git", "init", "-q"], ["dvc", "init", "-q"], ["dvc", "config", "core.analytics", "false"]):
        subprocess.run(command, cwd=folder, check=True)
    return folder


def environment(folder: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(folder / "src"), "OMP_NUM_THREADS": "1"}


def start(folder: Path) -> subprocess.Popen:
    with (folder / "log").open("a") as log:
        command = ["dvc", "repro", *TARGETS]
        return subprocess.Popen(command, cwd=folder, env=environment(folder), stdout=log, stderr=log, start_new_session=True)


def stages_of(folder: Path) -> dict[int, str]:
    """Running stage scripts of this clone: PID -> script name."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
            if len(words) > 1 and words[1].startswith(b"stages/") and (entry / "cwd").resolve() == folder:
                found[int(entry.name)] = Path(words[1].decode()).stem
        except OSError:
            continue  # it has just ended
    return found


def kill(folder: Path, dvc: subprocess.Popen, kind: str) -> str | None:
    """Kill and wait until nothing of the clone runs; the script that was hit, None where no stage was training."""
    running = stages_of(folder)
    if not running or dvc.poll() is not None:
        return None
    pid, script = next(iter(running.items()))
    if kind == "stage":
        os.kill(pid, signal.SIGKILL)
    elif kind == "dvc":
        os.kill(dvc.pid, signal.SIGKILL)
        time.sleep(random.uniform(0, 0.5))
        for orphan in stages_of(folder):  # the user does what the lock's message says; SIGTERM lets it save
            os.kill(orphan, signal.SIGTERM)
    else:
        os.killpg(dvc.pid, signal.SIGKILL)
    dvc.wait()
    while stages_of(folder):
        time.sleep(0.05)
    return script


def content(path: Path) -> object:
    if path.suffix == ".json":
        return {key: value for key, value in json.loads(path.read_text(encoding="utf-8")).items() if key not in TIMES}
    return path.read_bytes()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    random.seed(args.seed)
    with tempfile.TemporaryDirectory() as place:
        whole, parts = clone(Path(place).resolve() / "whole"), clone(Path(place).resolve() / "parts")
        began = time.monotonic()
        if start(whole).wait():
            print((whole / "log").read_text()[-3000:])
            return 1
        print(f"uninterrupted: {time.monotonic() - began:.0f} s", flush=True)
        hits: Counter[str] = Counter()
        wanted: dict[str, int] = {}
        while True:
            dvc = start(parts)
            while hits.total() < args.kills and dvc.poll() is None:
                time.sleep(random.uniform(2.5, 7))  # a stage needs 2.5 s to begin
                kind = random.choice(KINDS)
                if script := kill(parts, dvc, kind):
                    hits[f"{script} by {kind}"] += 1
                    wanted[script] = wanted.get(script, 0) + 1
            code = dvc.wait()
            if code == 0:
                break
            if hits.total() >= args.kills and code > 0:
                print((parts / "log").read_text()[-3000:])
                return 1
        files = [path for folder in FOLDERS for path in sorted((whole / folder).rglob("*")) if path.is_file()]
        same = [path for path in files if content(path) == content(parts / path.relative_to(whole))]
        resumed = (parts / "log").read_text().count("resumed after")
        print(f"{hits.total()} kills ({resumed} times a saved state was taken up):")
        for hit, number in sorted(hits.items()):
            print(f"  {number:3} {hit}")
        for path in sorted(set(files) - set(same)):
            print(f"different: {path.relative_to(whole)}")
        print(f"{len(same)} of {len(files)} files bit-identical")
        return 0 if len(same) == len(files) and hits.total() >= args.kills else 1


if __name__ == "__main__":
    sys.exit(main())
