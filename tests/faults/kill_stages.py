"""Kill a tiny study at random moments, again and again, until it has finished; then compare it with an uninterrupted one.

    python tests/faults/kill_stages.py --kills 24 --seed 0

Kills with SIGKILL: the stage alone, dvc alone (its stage lives on as an orphan, which is ended before dvc is started again), or
the whole process group. At the end every checkpoint must equal the uninterrupted study's byte for byte and every metrics file
but for times. Prints "N of N files bit-identical" and what was killed; exits 1 otherwise.
"""

import argparse
import contextlib
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
VICTIMS = ("pretrain", "prune-iterative", "prune-layerwise", "prune-lottery", "finetune", "distill")
TARGETS = ("pretrain", "prune-iterative", "prune-layerwise", "prune-other", "finetune", "finetune-dense", "distill")


def clone(folder: Path) -> Path:
    """A copy of the working tree with one narrow network, small batches and frequent saves."""
    folder.mkdir(parents=True)
    for name in ("src", "stages", "weights"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("dvc.yaml", ".dvcignore", ".gitignore"):
        shutil.copy(ROOT / name, folder / name)
    content = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    content["study"] |= {"models": ["vgg11_bn"], "name": "faults", "other_methods": ["lottery"]}
    content["study"]["methods"].append("lottery")
    content["prune"]["lottery"] |= {"score": "gradient_times_weight", "reestimate_batches": 4}
    content["distill"] |= {"teachers": ["vgg11_bn"], "student": "vgg11_bn"}
    content["data"]["digits"]["network"]["width"] = 0.125
    content["data"]["digits"]["training"]["batch_size"] = 16
    for budget, epochs in (("pretrain", 12), ("finetune", 12), ("distill", 12)):  # some ten seconds a stage
        content["data"]["digits"][budget]["epochs"] = epochs
    content["data"]["digits"]["epochs_per_round"] = 1.2
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
    """Running stage scripts of this clone: PID -> script's name, with the method for prune."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
            if len(words) > 1 and words[1].startswith(b"stages/") and (entry / "cwd").resolve() == folder:
                script = Path(words[1].decode()).stem
                method = words[words.index(b"--method") + 1].decode() if script == "prune" else ""
                found[int(entry.name)] = f"{script}-{method}" if method else script
        except OSError:
            continue  # it has just ended
    return found


def kill(folder: Path, dvc: subprocess.Popen, pid: int, kind: str) -> None:
    """Kill, and wait until nothing of the clone runs."""
    with contextlib.suppress(ProcessLookupError):  # it has just ended
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


def wait_for_stage(folder: Path, dvc: subprocess.Popen, left: Counter[str]) -> tuple[int, str] | None:
    """The next running stage that is still to be killed some times; None when dvc ends first."""
    while dvc.poll() is None:
        for pid, name in stages_of(folder).items():
            if left[name]:
                return pid, name
        time.sleep(0.05)
    return None


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
        left: Counter[str] = Counter({name: -(-args.kills // len(VICTIMS)) for name in VICTIMS})
        while True:
            dvc = start(parts)
            while found := wait_for_stage(parts, dvc, left):
                pid, name = found
                time.sleep(random.uniform(1.5, 6))  # from the start of its process; a stage needs about 2 s to begin
                if stages_of(parts).get(pid) == name:
                    kind = random.choice(KINDS)
                    kill(parts, dvc, pid, kind)
                    hits[f"{name} by {kind}"] += 1
                    left[name] -= 1
                    break
            code = dvc.wait()
            if code == 0:
                break
            if not found:
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
        enough = hits.total() >= 0.8 * args.kills and resumed >= hits.total() // 2  # a stage may end before its last kill
        return 0 if len(same) == len(files) and enough else 1


if __name__ == "__main__":
    sys.exit(main())
