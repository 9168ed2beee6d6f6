"""`prunescope run` on the real dvc.yaml with fake stages: what runs, what is written, what happens when something dies."""

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from running import RUN, alive, attempt, change, content, environment, until_nothing_runs

from clone import ALL, Clone


@pytest.mark.slow
def test_it_is_dvc_repro_with_stages_side_by_side(clone, tmp_path):
    other = Clone(tmp_path / "other")
    assert other.executed("dvc", "repro") == ALL
    planned = attempt(clone, "--dry").stdout
    assert len(re.findall(r"^\S+  ", planned, re.MULTILINE)) == sum(ALL.values())
    assert "report  " in planned and not (clone.folder / "dvc.lock").exists()
    assert clone.executed(*RUN) == ALL
    assert content(clone.folder) == content(other.folder), "dvc.lock too, whichever stage ended first"
    assert clone.executed("dvc", "repro") == {} == clone.executed(*RUN)
    assert attempt(clone, "--dry").stdout == "nothing would run\n"

    for one in (clone, other):  # a stage that runs again changes a room whose hash was already asked for in the same run
        change(one, "download", "open('src/prunescope/data/more.py', 'a').write('#')\n")
    again = other.executed("dvc", "repro")
    assert clone.executed(*RUN) == again and again.keys() > {"download", "pretrain", "evaluate"}
    assert content(clone.folder) == content(other.folder)

    level = ("exp", "run", "-S", "sparsity=0.5")
    clone.log.write_text("")
    said = attempt(clone, "--", *level)
    assert said.returncode == 0 and "WARNING" not in said.stdout + said.stderr, "DVC names every file that is still to be made"
    assert dict(Counter(clone.log.read_text().split())) == other.executed("dvc", *level)
    assert content(clone.folder) == content(other.folder)
    assert clone.executed(*RUN, "--", "exp", "run", "-S", "sparsity=0.8") == {}, "the run cache has it"


@pytest.mark.slow
def test_an_experiment_in_a_folder_of_its_own_leaves_its_logs(clone):
    clone.run(*RUN, "--", "exp", "run", "--temp", "--name", "flaky", "download")
    assert [path.name for path in (clone.folder / "logs").rglob("*.log")] == ["download@digits.log"]
    assert (clone.folder / "logs" / "flaky").is_dir() and (clone.folder / "logs" / "times.json").is_file()


def test_a_failed_stage_stops_only_what_depends_on_it(clone):
    change(clone, "prune", "import sys\nif 'iterative' in sys.argv:\n    sys.exit('no room for more')\n")
    failed = attempt(clone)
    assert failed.returncode != 0
    assert "FAILED   prune-iterative@vgg16_bn-digits-0.8-0" in failed.stdout and "    no room for more\n" in failed.stdout
    [left] = re.findall(r"left out: (.*)", failed.stdout)
    assert {name.partition("@")[0] for name in left.split(", ")} == {
        "finetune",
        "distill",
        "evaluate",
        "cka",
        "selected",
        "report",
    }
    ran = Counter(clone.log.read_text().split())
    assert ran == {**{name: ALL[name] for name in ran}, "finetune": 2, "distill": 2}
    assert {"finetune-dense", "distill-dense", "evaluate-dense"} <= ran.keys()


def test_a_killed_stage_is_started_again_once(clone, tmp_path):
    once = f"import os, pathlib\nmark = pathlib.Path({str(tmp_path)!r}, 'mark')\n"
    change(clone, "pretrain", f"{once}if not mark.exists():\n    mark.touch()\n    os.kill(os.getpid(), 9)\n")
    change(clone, "cka", "import os\nos.kill(os.getpid(), 9)\n")
    done = attempt(clone)
    assert re.findall(r"^(\S+)@\S+ was killed \(exit -9\); it is started again", done.stdout, re.MULTILINE) == ["pretrain", "cka"]
    assert "FAILED   cka@" in done.stdout and "FAILED   pretrain" not in done.stdout and done.returncode != 0


@pytest.mark.parametrize("words, message", [
    (("--engine", "abacus"), "--engine: found abacus, wanted one of local"),
    (("--jobs", "4000"), "--jobs: found 4000, wanted 1 to"),
    (("--engine-option", "x"), "--engine-option: found x, wanted key=value"),
    (("--engine-option", "x=1"), "--engine-option: found x, wanted none: the local engine has no options"),
    (("--", "exp", "run", "-S", "study.seeds=3"), "study.seeds: found 3"),
    (("--engine", "ray", "--", "exp", "run", "-S", "runtime.device=cuda:1"), "runtime.device: found cuda:1, wanted auto or cuda"),
    (("--", "exp", "run", "-S", "runtime.device=cuda"), "found cuda, wanted auto or cpu: nvidia-smi shows no GPU"),
    (("--", "exp", "run", "-S", "runtime.device=mps"), "runtime.device: found mps, wanted auto or cpu"),
    (("--", "repro", "--dry"), "found a look at repro --dry, wanted `prunescope run --dry` alone"),
    (("--dry", "--", "exp", "run", "-S", "sparsity=0.5"), "wanted `prunescope run --dry` alone"),
])  # fmt: skip
def test_bad_input_is_refused_before_any_work(clone, monkeypatch, words, message):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # also where there are GPUs
    refused = attempt(clone, *words)
    assert refused.returncode == 1 and message in refused.stderr
    assert not clone.log.exists() and not (clone.folder / "prepared").exists()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc")
def test_stages_of_a_killed_fork_server_end_before_they_are_started_again(clone, tmp_path):
    once = f"import fcntl, pathlib, time\nmark = pathlib.Path({str(tmp_path)!r}, 'mark')\nheld = mark.open('a')\n"
    once += "fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)\n"  # as the lock in resume/: a second copy is refused
    change(clone, "download", once + "if mark.stat().st_size == 0:\n    held.write('x')\n    held.flush()\n    time.sleep(60)\n")
    head = subprocess.Popen(
        (sys.executable, *RUN[1:]), cwd=clone.folder, env=environment(clone), stdout=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 60
    while not ((tmp_path / "mark").exists() and (tmp_path / "mark").stat().st_size) and time.monotonic() < until:
        time.sleep(0.1)
    servers = [pid for pid in alive(clone.folder) if b"forkserver" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    [server] = [pid for pid in servers if f"PPid:\t{head.pid}\n" in Path(f"/proc/{pid}/status").read_text()]
    os.kill(server, signal.SIGKILL)
    said, _ = head.communicate(timeout=240)
    assert head.returncode == 0 and "was killed (exit 255); it is started again" in said
    assert alive(clone.folder) == [] and clone.executed("dvc", "repro") == {}


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_nothing_is_left_behind_when_the_head_is_stopped_or_killed(clone, number):
    change(clone, "prune", "import time\ntime.sleep(60)\n")
    given = {"cwd": clone.folder, "env": environment(clone), "start_new_session": True}
    head = subprocess.Popen((sys.executable, *RUN[1:]), **given, stdout=subprocess.PIPE, text=True)
    assert head.stdout
    for line in head.stdout:
        if "begins   prune" in line:
            break
    time.sleep(1)
    head.send_signal(number)
    head.stdout.read()
    head.stdout.close()
    assert head.wait(timeout=60) != 0
    until_nothing_runs(clone.folder)
    change(clone, "prune", "import time\ntime.sleep = lambda seconds: None\n")
    assert attempt(clone).returncode == 0, "and the next one completes"
    assert clone.executed("dvc", "repro") == {}


HOLDS = """
import subprocess, sys, time
from pathlib import Path
code = "import time, zc.lockfile; held = zc.lockfile.LockFile('.dvc/tmp/lock'); open('held', 'w'); time.sleep(0.8)"
subprocess.Popen([sys.executable, "-c", code])
while not Path("held").exists():
    time.sleep(0.01)
"""
IMPATIENT = """
import sys
import dvc.lock
from prunescope.__main__ import main
from prunescope.runner import warm

warm.available = lambda: False  # without the seconds for torch
dvc.lock.DEFAULT_TIMEOUT = 0.2
sys.argv = ["prunescope", "run", "--plain", "--jobs", "1", "--", "repro", "download"]
sys.exit(main())
"""


def test_a_stage_is_not_lost_when_another_dvc_command_is_at_work_as_it_ends(clone):
    change(clone, "download", HOLDS)
    given = {"cwd": clone.folder, "env": environment(clone), "capture_output": True, "text": True}
    done = subprocess.run((sys.executable, "-c", IMPATIENT), **given, timeout=60, check=False)
    assert done.returncode == 0 and "waiting for another DVC command" in done.stdout, done.stdout + done.stderr
    assert "download@digits:" in (clone.folder / "dvc.lock").read_text()
