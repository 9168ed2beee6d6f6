"""`runtime.compile`: the compiled network trains as the eager one within rounding, and the saved network is the plain one."""

from pathlib import Path

import pytest
import torch

from prunescope.training.loop import Log, fit
from prunescope.training.losses import cross_entropy
from prunescope.training.optimizers import make
from prunescope.training.progress import Progress
from prunescope.training.resume import Resume


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # the compiler's own
def test_a_compiled_network_trains_as_an_eager_one(tmp_path: Path, make_store, make_network, make_batches) -> None:
    states = []
    for compiled in (False, True):
        network = make_network()
        update = make("sgd", list(network.parameters()), momentum=0.9, weight_decay=0)
        resume = Resume(f"compiled-{compiled}", {"x": "p"}, every=1e9, folder=tmp_path)
        progress = Progress(resume, network, update, Log(), compiled=compiled)
        assert (progress.shared is network) is not compiled
        fit(
            network, make_batches(make_store()), cross_entropy(), first=0, last=8, schedule=lambda step: 0.05, update=update,
            precision=torch.float32, seed=0, log=progress.log, validate=lambda network: (0.0, 0.0), saver=progress,
            shared=progress.shared,
        )  # fmt: skip
        states.append(network.state_dict())
    assert list(states[0]) == list(states[1])
    for name, tensor in states[0].items():
        torch.testing.assert_close(tensor, states[1][name], rtol=1e-4, atol=1e-5)
