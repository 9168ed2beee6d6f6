"""A network that diverges on the last step of its budget is not written."""

import pytest
import torch

from prunescope.errors import PrunescopeError
from prunescope.networks.predict import validate
from prunescope.training.loop import Log, fit
from prunescope.training.losses import cross_entropy
from prunescope.training.optimizers import make


def test_a_last_step_that_breaks_the_network_stops(make_store, make_network, make_batches) -> None:
    """Every training loss is finite, the weights after the last update are not."""
    network, store, log = make_network(), make_store(), Log()
    with pytest.raises(PrunescopeError, match=r"validation loss is nan after step 3 \(epoch 0\.75\), learning rate 1e\+38; noth"):
        fit(
            network, make_batches(store), cross_entropy(), first=0, last=3, precision=torch.float32, seed=0, log=log,
            schedule=lambda step: 1e38 if step == 2 else 0.01,
            update=make("sgd", list(network.parameters()), momentum=0.9, weight_decay=0.05),
            validate=lambda network: validate(network, store, "val", device=torch.device("cpu")),
        )  # fmt: skip
    assert [row["split"] for row in log.rows] == ["train"], "its validation is no row"
