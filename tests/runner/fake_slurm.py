"""Slurm's commands as far as the engine uses them, on this machine: each job is a session of processes, its state a folder.

FAKE_SLURM names the folder: NUMBER/script, NUMBER/name, NUMBER/pid (none while it waits), NUMBER/state once it ended.
"""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

COMMANDS = ("sbatch", "srun", "sinfo", "squeue", "sacct", "scancel")
PLACE = Path(os.environ.get("FAKE_SLURM", "."))


def install(folder: Path) -> dict[str, str]:
    """The commands in a folder; returns the environment that finds them."""
    (folder / "bin").mkdir(parents=True)
    for name in COMMANDS:
        path = folder / "bin" / name
        path.write_text(f'#!/bin/sh\nexec {sys.executable} -S -E {__file__} {name} "$@"\n')
        path.chmod(0o755)
    return {"PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}", "FAKE_SLURM": str(folder)}


def jobs() -> list[Path]:
    return sorted((path for path in PLACE.iterdir() if path.name.isdigit()), key=lambda path: int(path.name))


def state(job: Path) -> str:
    if (job / "state").exists():
        return (job / "state").read_text()
    return "RUNNING" if (job / "pid").exists() else "PENDING"


def sbatch(script: str) -> None:
    job = PLACE / str(len(jobs()) + 1)
    job.mkdir()
    text = Path(script).read_text()
    (job / "script").write_text(text)
    (job / "variables").write_text("\n".join(sorted(os.environ)))
    [name] = re.findall("--job-name=(.*)", text)
    (job / "name").write_text(name.strip("'"))
    print(f"Submitted batch job {job.name}")
    sys.stdout.flush()
    if (PLACE / "full").exists() or os.fork():
        return
    os.setsid()
    for number in (0, 1, 2):
        os.dup2(os.open(os.devnull, os.O_RDWR), number)
    gpus = re.findall(r"--gpus-per-node=(\d+)", text)
    devices = {"CUDA_VISIBLE_DEVICES": ",".join(map(str, range(int(gpus[0]))))} if gpus else {}
    environment = os.environ | {"SLURM_JOB_ID": job.name, "SLURM_PROCID": "0"} | devices
    batch = subprocess.Popen(["bash", str(job / "script")], env=environment)
    code = batch.wait()
    if not (job / "state").exists():
        (job / "state").write_text("FAILED" if code else "COMPLETED")


def srun(*words: str) -> None:
    """The job's one task; like Slurm's, without a shell, output to files."""
    job = PLACE / os.environ["SLURM_JOB_ID"]
    start = words.index(sys.executable)
    files = [words[words.index(option) + 1].replace("%j", job.name).replace("%t", "0") for option in ("--output", "--error")]
    for number, file in enumerate(files, start=1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT), number)
    (job / "pid").write_text(str(os.getpid()))
    os.execv(words[start], words[start:])


def sinfo(*words: str) -> None:
    if (PLACE / "down").exists():
        sys.exit("slurm_load_partitions: Unable to contact slurm controller (connect failure)")
    for name, resources in (("all*", "(null)"), ("gpu", "gpu:a100:8(S:0-1)")):
        if f"--partition={name}" in words or not any(word.startswith("--partition=") for word in words):
            print(name, resources)


def squeue(*words: str) -> None:
    for job in jobs():
        if state(job) in ("PENDING", "RUNNING"):
            print(job.name, (job / "name").read_text())


def sacct(*words: str) -> None:
    print("JobID|State|NodeList")
    for job in jobs():
        if job.name in words:
            print(f"{job.name}|{state(job)}|here")


def scancel(*words: str) -> None:
    """As Slurm's: SIGTERM; without --signal the job then counts as cancelled (the SIGKILL that follows is left out)."""
    wanted = [word.removeprefix("--state=") for word in words if word.startswith("--state=")]
    with (PLACE / "cancelled").open("a") as file:
        file.write(" ".join(words) + "\n")
    for job in jobs():
        before = state(job)
        if job.name not in words or before not in (wanted or ("PENDING", "RUNNING")):
            continue
        if "--signal=TERM" not in words:
            (job / "state").write_text("CANCELLED by 1000")
        if before == "RUNNING":
            os.kill(int((job / "pid").read_text()), signal.SIGTERM)


if __name__ == "__main__":
    {command.__name__: command for command in (sbatch, srun, sinfo, squeue, sacct, scancel)}[sys.argv[1]](*sys.argv[2:])
