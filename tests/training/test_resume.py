"""An interrupted stage: its state comes back bit for bit, never for other inputs, never half written, never in two processes."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from prunescope import files
from prunescope.errors import PrunescopeError
from prunescope.networks.bits import Bits
from prunescope.networks.masks import apply_, ones, prunable
from prunescope.pruning.selection import keep_top
from prunescope.training.loop import Log, fit
from prunescope.training.losses import Outcome, cross_entropy
from prunescope.training.optimizers import OPTIMIZERS, make
from prunescope.training.progress import Progress
from prunescope.training.rates import SCHEDULES
from prunescope.training.resume import Resume

STEPS = 12  # three epochs


class Killed(Exception):
    """Stands for SIGKILL: nothing is written after it."""


def training(
    tmp_path: Path, make_network: Callable, batches: Any, optimizer: str, *, killed_at: int | None = None, threads: str = "1"
) -> Progress:
    """Train a pruned network with dropout for STEPS steps, saving after each; or until it is killed before a step."""
    network = nn.Sequential(*make_network(), nn.Dropout(0.3), nn.Linear(3, 3))
    weights = prunable(network)
    masks = keep_top({name: weight.detach() for name, weight in weights.items()}, ones(weights), 60)
    apply_(weights, masks)
    update = make(optimizer, list(network.parameters()), momentum=0.9, weight_decay=0.05)
    progress = Progress(Resume("stage-a", {"threads": threads}, every=0, folder=tmp_path), network, update, Log())
    began, progress.masks = progress.log.steps, Bits(masks)

    def loss(network: nn.Module, images: Tensor, labels: Tensor) -> Outcome:
        if progress.log.steps == killed_at:
            raise Killed(f"began at {began}")
        return cross_entropy()(network, images, labels)

    fit(
        network, batches, loss, first=progress.log.steps, last=STEPS, schedule=SCHEDULES["cosine"](0.1, STEPS), update=update,
        precision=torch.float32, seed=0, log=progress.log, validate=lambda network: (0.5, 0.25), weights=weights,
        masks=progress.masks, saver=progress,
    )  # fmt: skip
    return progress


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
@pytest.mark.parametrize("kills", [[1], [4], [6], [11], [2, 5, 6, 9]])
def test_a_killed_run_ends_as_the_uninterrupted_one_bit_for_bit(
    tmp_path, make_store, make_network, make_batches, optimizer, kills
) -> None:
    batches = make_batches(make_store())
    whole = training(tmp_path / "whole", make_network, batches, optimizer)
    for step in kills:
        with pytest.raises(Killed):
            training(tmp_path / "parts", make_network, batches, optimizer, killed_at=step)
    parts = training(tmp_path / "parts", make_network, batches, optimizer)
    assert parts.resumed and not whole.resumed
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, parts.network.state_dict()[name]), name
    for kind, states in whole.update.state.items():
        assert all(torch.equal(a, b) for a, b in zip(states, parts.update.state[kind], strict=True))
    assert parts.log.rows == whole.log.rows and parts.log.steps == STEPS
    assert all(not parts.network.get_parameter(name)[~mask].any() for name, mask in parts.masks.items())


def test_no_step_is_trained_twice_beyond_the_last_save(tmp_path, monkeypatch, make_store, make_network, make_batches) -> None:
    batches = make_batches(make_store())
    with pytest.raises(Killed):
        training(tmp_path, make_network, batches, "sgd", killed_at=7)
    drawn = []
    at = batches.at
    monkeypatch.setattr(batches, "at", lambda step: (drawn.append(step), at(step))[1])
    again = training(tmp_path, make_network, batches, "sgd")
    assert drawn == [7, 8, 9, 10, 11]
    assert again.log.steps == STEPS and [row["step"] for row in again.log.rows[::2]] == [4, 8, 12]


@pytest.mark.parametrize("damage", [
    lambda path: path.write_bytes(path.read_bytes()[:40]),
    lambda path: path.write_bytes(b""),
    lambda path: save_file({"x": torch.ones(1)}, path, metadata={"prunescope": "{}"}),
    lambda path: save_file({"x": torch.ones(1)}, path),
])  # fmt: skip
def test_a_damaged_state_is_no_state(tmp_path, damage) -> None:
    resume = Resume("a", {"x": "p"}, every=60, folder=tmp_path)
    resume.save({"x": torch.ones(2)}, {})
    damage(resume.path)
    assert resume.load() is None


def test_a_second_copy_is_refused_and_the_first_is_named(tmp_path) -> None:
    code = "import sys; from pathlib import Path; from prunescope.training.resume import Resume; " \
           "r = Resume('a', {}, every=1, folder=Path(sys.argv[1])); print('has it', flush=True); sys.stdin.read()"  # fmt: skip
    other = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdin and other.stdout and other.stdout.readline() == b"has it\n"
    with pytest.raises(PrunescopeError, match=f"a is already running as process {other.pid} .*`kill {other.pid}`"):
        Resume("a", {"x": "p"}, every=1, folder=tmp_path)
    other.kill()
    other.wait()
    other.stdin.close()
    other.stdout.close()
    Resume("a", {"x": "p"}, every=1, folder=tmp_path)  # a lock dies with its process


def test_a_full_disk_keeps_the_last_state_and_is_said(tmp_path, monkeypatch) -> None:
    resume = Resume("a", {"x": "p"}, every=60, folder=tmp_path)
    resume.save({"x": torch.ones(2)}, {"steps": 1})

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(PrunescopeError, match=r"cannot write .*a\.safetensors: No space left on device"):
        resume.save({"x": torch.zeros(2)}, {"steps": 2})
    found = resume.load()
    assert found is not None and found[1] == {"steps": 1}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.lock", "a.pid", "a.safetensors"], "no half file is left"


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes there")
def test_a_disk_that_fills_while_safetensors_writes_is_said(tmp_path) -> None:
    """The system refuses the bytes inside safetensors' own writer: a limit on the size of files stands for the full disk."""
    code = textwrap.dedent("""
        import resource, signal, sys, torch
        from pathlib import Path
        from prunescope.training.resume import Resume
        from prunescope.errors import PrunescopeError
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resume = Resume("a", {"x": "p"}, every=1, folder=Path(sys.argv[1]))
        resume.save({"x": torch.ones(10)}, {"steps": 1})
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        try:
            resume.save({"x": torch.ones(1 << 20)}, {"steps": 2})
        except PrunescopeError as error:
            print(error)
        print(resume.load()[1])
    """)
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "cannot write" in done.stdout and "{'steps': 1}" in done.stdout
    assert not list(tmp_path.glob("*.part"))


def test_results_written_remove_the_state_but_an_orphan_keeps_it(tmp_path, monkeypatch) -> None:
    resume = Resume("a", {"x": "p"}, every=60, folder=tmp_path)
    resume.save({"x": torch.ones(2)}, {})
    monkeypatch.setattr(os, "getppid", lambda: 1)
    resume.finish()
    assert resume.path.exists(), "dvc will run the stage again"
    monkeypatch.undo()
    again = Resume("a", {"x": "p"}, every=60, folder=tmp_path)
    again.finish()
    assert not again.path.exists()


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_the_step_and_saves(tmp_path, make_store, make_network, make_batches, kind) -> None:
    before = signal.getsignal(signal.SIGINT)  # ignored where the tests run in the background of a shell
    network = make_network()
    update = make("sgd", list(network.parameters()), momentum=0.9, weight_decay=0)
    progress = Progress(Resume("a", {"x": "p"}, every=1e9, folder=tmp_path), network, update, Log())

    def loss(network: nn.Module, images: Tensor, labels: Tensor) -> Outcome:
        if progress.log.steps == 5:
            os.kill(os.getpid(), kind)
        return cross_entropy()(network, images, labels)

    with pytest.raises(KeyboardInterrupt, match="stopped after 6 steps"), progress.stopping_between_steps():
        fit(
            network, make_batches(make_store()), loss, first=0, last=12, schedule=lambda step: 0.1, update=update,
            precision=torch.float32, seed=0, log=progress.log, validate=lambda network: (0.0, 0.0), saver=progress,
        )  # fmt: skip
    assert signal.getsignal(signal.SIGINT) is before
    found = progress.resume.load()
    assert found is not None and found[1]["steps"] == 6
    for name, tensor in network.state_dict().items():
        assert torch.equal(found[0][f"network/{name}"], tensor)
