"""Predictions of a whole split, and the accuracy that training looks at."""

import pytest
import torch
from torch import nn

from prunescope.networks.predict import predict, validate

CPU = torch.device("cpu")


def test_accuracy_of_ragged_batches_counts_images(make_store, make_network) -> None:
    """7 images in batches of 3, 3 and 1: a mean over batches would weigh the last image three times."""
    store, network = make_store(val=7), make_network()
    logits, labels = predict(network, store, "val", device=CPU, batch_size=7)
    correct = logits.argmax(1) == labels
    over_batches = float(torch.stack([part.float().mean() for part in correct.split(3)]).mean())
    loss, accuracy = validate(network, store, "val", device=CPU, batch_size=3)
    assert accuracy == int(correct.sum()) / 7 != over_batches
    each = -logits.double().log_softmax(1)[torch.arange(7), labels]
    assert loss == pytest.approx(float(each.mean()))


def test_predictions_are_in_the_stores_order_and_do_not_depend_on_batches(make_store, make_network) -> None:
    store, network = make_store(), make_network().train()
    for split, count in (("train", 20), ("val", 7), ("test", 9)):
        one, labels = predict(network, store, split, device=CPU, batch_size=100)
        many, again = predict(network, store, split, device=CPU, batch_size=2)
        assert one.shape == (count, 3) and one.dtype == torch.float32
        assert labels.tolist() == again.tolist() == store.labels[store.indices(split)].tolist()
        torch.testing.assert_close(one, many)
    assert network.training, "predict left the network in evaluation mode"
    assert network[1].num_batches_tracked == 0, "predict trained the batch norm"
    assert not one.requires_grad


def test_at_most_so_many_images_evenly_spread(make_store, make_network) -> None:
    store, network = make_store(val=9), make_network()
    logits, labels = predict(network, store, "val", device=CPU)
    for most, places in ((3, [0, 3, 6]), (4, [0, 2, 4, 6]), (9, list(range(9))), (50, list(range(9)))):
        some, theirs = predict(network, store, "val", device=CPU, most=most)
        torch.testing.assert_close(some, logits[places])
        assert theirs.tolist() == labels[places].tolist()


def test_evaluation_mode_is_used(make_store) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Dropout(0.9), nn.Linear(192, 3))
    first, _ = predict(network, make_store(), "test", device=CPU)
    second, _ = predict(network, make_store(), "test", device=CPU)
    assert torch.equal(first, second)
