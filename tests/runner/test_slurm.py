"""The Slurm engine on a Slurm of a few scripts, job by job; and what it refuses. test_slurm_study.py has whole studies."""

import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import fake_slurm
import pytest

from prunescope.errors import PrunescopeError
from prunescope.runner import slurm, slurm_options, slurm_worker
from prunescope.runner.job import Job, unheard, was_killed

submitit = pytest.importorskip("submitit", reason="needs submitit: pip install 'prunescope[slurm]'")
LOOP = "echo begun > begun; while :; do sleep 0.05; done"
SAVES = f"""sh -c "trap 'sleep 0.5; echo saved >> saved; exit 130' TERM; {LOOP}" """


@pytest.fixture
def place(tmp_path, monkeypatch) -> Iterator[Path]:
    """A folder to work in, and a Slurm on the PATH whose folder is `slurm` there."""
    for name, value in fake_slurm.install(tmp_path / "slurm").items():
        monkeypatch.setenv(name, value)
    for name in ("SLURM_JOB_ID", "CUDA_VISIBLE_DEVICES"):  # the head's own
        monkeypatch.setenv(name, "7")
    monkeypatch.setattr(submitit.SlurmJob, "watcher", type(submitit.SlurmJob.watcher)(delay_s=600))  # it remembers by id
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for pid in tmp_path.glob("slurm/*/pid"):  # of a test that failed; the launcher then ends the stage
        if not (pid.parent / "state").exists():
            with suppress(ProcessLookupError):
                os.kill(int(pid.read_text()), signal.SIGKILL)


@contextmanager
def engine(
    *, device: str = "auto", threads: int = 1, processes: str | int = "auto", jobs: int | None = None, **options: str
) -> Iterator[slurm.Slurm]:
    made = slurm.make(jobs=jobs, device=device, threads=threads, processes=processes, options=options)
    try:
        yield made
    finally:
        made.close()


def job(place: Path, command: str, **more) -> Job:
    (place / "logs").mkdir(exist_ok=True)
    return Job("prune@cell", command, place, place / "logs" / "prune@cell.log", {"DVC_STAGE": "prune@cell"}, **more)


def log_of(place: Path) -> str:
    return (place / "logs" / "prune@cell.log").read_text()


def begin(made: slurm.Slurm, todo: Job, begins=unheard) -> tuple[threading.Thread, list[int]]:
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(made.run(todo, begins)), daemon=True)
    thread.start()
    return thread, codes


def wait_for(path: Path, seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < until, path
        time.sleep(0.05)


def test_a_job_has_what_was_asked_for_and_what_slurm_gives(place) -> None:
    given: dict[str, Any] = {
        "partition": "gpu",
        "time": "7",
        "mem_gb": "6",
        "account": "lab",
        "setup": "export LOADED=cuda",
        "sbatch.reservation": "r",
    }
    command = "echo ${CUDA_VISIBLE_DEVICES-all} $SLURM_JOB_ID $OMP_NUM_THREADS $DVC_STAGE $LOADED; exit 3"
    with engine(threads=2, **given) as made:
        assert (made.slots, made.apart) == (64, True)
        assert made.run(job(place, command)) == 3, "the stage's own exit code"
        assert log_of(place) == "Slurm job 1\n0 1 2 prune@cell cuda\n"
        assert made.run(job(place, command, gpu=False, alone=True)) == 3
        assert log_of(place).endswith("Slurm job 2\n2 2 prune@cell cuda\n"), "no devices"
    wanted = {
        "cpus-per-task=2", "nodes=1", "ntasks-per-node=1", "partition=gpu", "time=7", "mem=6GB", "account=lab", "reservation=r",
        f"job-name=prune@cell.{made.mark}", "signal=USR2@90", "wckey=submitit", "open-mode=append",
    }  # fmt: skip
    for number, more in ((1, {"gpus-per-node=1"}), (2, {"exclusive"})):
        text = (place / "slurm" / str(number) / "script").read_text()
        found = {line for line in re.findall("#SBATCH --(.*)", text) if not line.startswith(("error", "output"))}
        assert found == wanted | more
        assert " -c 2 " in text, "srun takes it for itself"
    variables = (place / "slurm" / "1" / "variables").read_text().split()
    assert not {"SLURM_JOB_ID", "CUDA_VISIBLE_DEVICES"} & set(variables), "the head's own do not travel"


@pytest.mark.parametrize("given, gpus", [
    ({}, 0), ({"partition": "gpu"}, 1), ({"partition": "gpu", "gpus": "0"}, 0), ({"gpus": "2"}, 2),
    ({"partition": "gpu", "device": "cpu"}, 0), ({"executor": "local"}, 0),
])  # fmt: skip
def test_gpus_are_asked_for_where_there_are_some(place, given: dict[str, Any], gpus) -> None:
    with engine(**given) as made:
        assert made.gpus == gpus


def test_one_who_stops_waits_for_states_and_empties_the_queue(place) -> None:
    begun: set[str] = set()
    with engine() as made:
        first, ended = begin(made, job(place, SAVES), lambda: begun.add("first"))
        wait_for(place / "begun")
        (place / "slurm" / "full").touch()
        second, left = begin(made, job(place, "exit 0"), lambda: begun.add("second"))
        wait_for(place / "slurm" / "2" / "name")
        while len(made._going) < 2 or not begun:
            time.sleep(0.05)
        made.stop()
        first.join(timeout=30)
        second.join(timeout=30)
        assert (ended, left) == ([130], [143]) and (place / "saved").read_text() == "saved\n"
        assert begun == {"first"}, "the second one waits in the queue"
        assert made.run(job(place, "exit 0")) == 143 and not (place / "slurm" / "3").exists(), "nothing begins any more"
        made.stop()
    scancel = (place / "slurm" / "cancelled").read_text().splitlines()
    assert scancel and all({"1", "2"} <= set(line.split()) for line in scancel), (
        "without ids it would take all of the user's jobs"
    )


def test_one_who_asks_twice_does_not_wait(place) -> None:
    with engine() as made:
        thread, codes = begin(made, job(place, f"trap '' TERM; {LOOP}"))
        wait_for(place / "begun")
        made.stop()
        time.sleep(1)
        assert not codes
        made.kill()
        thread.join(timeout=30)
    assert len(codes) == 1 and was_killed(codes[0])


def test_a_stage_goes_on_in_another_job_when_the_time_is_over(place) -> None:
    with engine() as made:
        thread, codes = begin(made, job(place, f"test -e saved || {{ {SAVES}; }}"))
        wait_for(place / "begun")
        os.kill(int((place / "slurm" / "1" / "pid").read_text()), slurm_worker.TIME_LIMIT)
        thread.join(timeout=30)
    assert codes == [0] and (place / "saved").exists()
    log = log_of(place).replace("Terminated\n", "").splitlines()  # a shell's word
    assert log == [
        "Slurm job 1",
        "the job's time was over: the stage has saved its state and goes on in another job",
        "Slurm job 2",
    ]


def test_a_job_that_ends_without_a_result_was_killed(place, monkeypatch) -> None:
    monkeypatch.setattr(submitit.SlurmJob, "_results_timeout_s", 1)
    monkeypatch.setattr(slurm, "ASKED", 0.0)
    with engine() as made:
        thread, codes = begin(made, job(place, SAVES))
        wait_for(place / "begun")
        os.kill(int((place / "slurm" / "1" / "pid").read_text()), signal.SIGKILL)
        thread.join(timeout=30)
        assert codes == [137] and was_killed(codes[0])
        assert "job 1 ended without a result (FAILED)" in log_of(place)
        wait_for(place / "saved")  # the launcher ends an orphan

        (place / "slurm" / "full").touch()
        (place / "slurm" / "2").mkdir()  # as if a worker that does not see the folder had taken it
        ((place / "slurm" / "2") / "state").write_text("FAILED")
        monkeypatch.setattr(made, "_submit", lambda job: submitit.SlurmJob(made.folder, "2"))
        made.folder.mkdir(exist_ok=True)
        assert made.run(job(place, "exit 0")) == 1, "it is not tried again"
    assert "ended (FAILED) before it wrote anything, wanted a folder that workers share" in log_of(place)


def test_a_worker_without_the_folder_says_so(place) -> None:
    code, again, said = slurm_worker.work("exit 0", str(place / "none"), "log", {}, threads=1, gpu=False, stop="none", head=None)
    assert (code, again) == (1, False)
    assert re.fullmatch(r"found no \S+/none on \S+, wanted the head's folder: Slurm needs one that workers share", said)


def test_a_job_that_begins_after_the_stop_ends_at_once(place, monkeypatch) -> None:
    monkeypatch.setattr(slurm_worker.signal, "signal", lambda *_: None)
    (place / "stop").touch()
    given = {"threads": 1, "gpu": False, "stop": str(place / "stop"), "head": None}
    assert slurm_worker.work("echo ran > ran", str(place), "log", {}, **given) == (143, False, "")
    assert not (place / "ran").exists()


def test_what_an_earlier_head_left_in_the_queue_ends_first(place, monkeypatch) -> None:
    monkeypatch.setattr(submitit.SlurmJob, "_results_timeout_s", 1)
    with engine() as earlier:
        thread, codes = begin(earlier, job(place, SAVES))
        wait_for(place / "begun")
        with engine() as made:
            (place / "slurm" / "9").mkdir()
            (place / "slurm" / "9" / "name").write_text("another's")
            assert made.run(job(place, "test -e saved")) == 0
        thread.join(timeout=30)
    cancelled = (place / "slurm" / "cancelled").read_text().splitlines()
    assert codes and all(line.split()[-1] == "1" for line in cancelled), "others' jobs are left alone"


@pytest.mark.parametrize("given, message", [
    ({"queue": "gpu"}, "--engine-option: found queue, wanted one of executor, time, cpus_per_task"),
    ({"time": "abc"}, "--engine-option: found time=abc, wanted a whole number, at least 1, of minutes"),
    ({"time": "0"}, "--engine-option: found time=0, wanted a whole number"),
    ({"mem_gb": "1.5"}, "--engine-option: found mem_gb=1.5, wanted a whole number"),
    ({"exclusive": "2"}, "--engine-option: found exclusive=2, wanted 0 or 1"),
    ({"partition": ""}, "--engine-option: found partition='', wanted a value"),
    ({"executor": "debug"}, "--engine-option: found executor=debug, wanted one of slurm, local"),
    ({"partition": "fast"}, "--engine-option: found partition=fast, wanted one of those that sinfo lists"),
    ({"jobs": 0}, "--jobs: found 0, wanted 1 or more"),
    ({"device": "cuda", "gpus": "0"}, "runtime.device: found cuda, wanted auto or cpu: there are no GPUs to ask for"),
    ({"processes": 2, "partition": "gpu"}, "runtime.processes: found 2, wanted auto or at most 1, the GPUs that a stage gets"),
    ({"processes": 3, "gpus": "2"}, "runtime.processes: found 3, wanted auto or at most 2, the GPUs that a stage gets here"),
])  # fmt: skip
def test_bad_input_is_refused(place, given: dict[str, Any], message) -> None:
    with pytest.raises(PrunescopeError) as refused, engine(**given):
        pass
    assert message in str(refused.value) and "\n" not in str(refused.value)
    assert not (place / "logs").exists()


def test_a_slurm_that_is_not_there_or_does_not_answer_is_refused(place, monkeypatch) -> None:
    (place / "slurm" / "down").touch()
    with pytest.raises(PrunescopeError, match=r"sinfo did not answer: .*Unable to contact slurm controller"), engine():
        pass
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with pytest.raises(PrunescopeError, match=r"found no sbatch, srun, sinfo, .*executor=local"), engine():
        pass


def test_options_are_those_of_submitit() -> None:
    known = submitit.SlurmExecutor._valid_parameters()
    options = slurm_options.parsed(dict.fromkeys(slurm_options.WORDS, "x") | {"signal_delay_s": "5"})
    taken = {name.removeprefix("slurm_") for name in slurm_options.parameters(options) if name.startswith("slurm_")}
    assert taken >= set(slurm_options.WORDS) and taken <= known
