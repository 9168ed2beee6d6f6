"""CKA of all samples at once, with other kernels and pooled features, of layers far from zero; and the vectors that are kept."""

import numpy as np
import pytest
import torch
from cka_networks import TinyDense, images, layer_outputs, naive_map, seeded, tiny_vgg
from torch import Tensor, nn

from prunescope.errors import PrunescopeError
from prunescope.similarity import grams
from prunescope.similarity.cka import cka_maps, cka_whole
from prunescope.similarity.hsic import linear_cka, rbf_cka


def features_of(network: nn.Module, batches: list[Tensor]) -> list[np.ndarray]:
    """Features (all samples, p) of each layer."""
    return [np.concatenate(parts) for parts in zip(*(layer_outputs(network, batch).values() for batch in batches), strict=True)]


@pytest.mark.parametrize("estimator", ["debiased", "biased"])
def test_the_whole_is_one_batch_of_everything(estimator: str) -> None:
    networks = {"a": seeded(tiny_vgg, 1), "b": seeded(TinyDense, 2)}
    batches = images(16, 9, 3)  # a batch of 3 is no trouble here
    found = cka_whole(networks, batches, estimator=estimator)
    rows, columns = (features_of(networks[name], batches) for name in "ab")
    wanted = np.array([[linear_cka(x, y, debiased=estimator == "debiased") for y in columns] for x in rows])
    np.testing.assert_allclose(found["a", "b"], wanted, rtol=0, atol=1e-6)
    assert (found.samples, found.batches, found.estimator) == (28, 1, f"{estimator} full-batch linear CKA")
    at_once = cka_maps(networks, [torch.cat(batches)], estimator=estimator)
    np.testing.assert_allclose(at_once["a", "b"], wanted, rtol=0, atol=1e-6)
    assert at_once.estimator == f"{estimator} minibatch linear CKA"
    with pytest.raises(PrunescopeError, match="found 3 samples"):
        cka_whole(networks, images(2, 1), estimator="debiased")


def test_gaussian_kernels_and_pooled_features() -> None:
    networks = {"a": seeded(tiny_vgg, 1), "b": seeded(TinyDense, 2)}
    [batch] = images(24)
    rows, columns = (features_of(networks[name], [batch]) for name in "ab")
    gaussian = cka_maps(networks, [batch], bandwidth=0.6)
    assert gaussian["a", "b"][1, 2] == pytest.approx(rbf_cka(rows[1], columns[2], 0.6), abs=1e-6)
    assert gaussian.estimator == "debiased minibatch RBF(0.6) CKA"
    pooled = cka_maps(networks, [batch], pool=True)
    means = [rows[0].reshape(24, 6, -1).mean(2), columns[0].reshape(24, 4, -1).mean(2)]
    assert pooled["a", "b"][0, 0] == pytest.approx(linear_cka(*means), abs=1e-6)
    assert pooled["a", "a"][2, 3] == pytest.approx(linear_cka(rows[2], rows[3]), abs=1e-6), "linear layers have no positions"
    with torch.no_grad():
        networks["a"][3].weight.zero_()  # type: ignore[index]
    with pytest.warns(UserWarning, match="a: .*: 3, 7, 10"):
        assert np.isnan(cka_maps(networks, [batch], bandwidth=0.6)["a", "a"][1:]).all()


def test_layers_with_a_large_common_offset_are_centred_before_the_product(monkeypatch) -> None:
    """Those that the first batch shows are centred at once; a later batch's pass is repeated where the loss would count."""
    network = seeded(tiny_vgg, 1)
    with torch.no_grad():
        network[0].bias += 10  # type: ignore[index]
        network[4].running_mean += 3  # type: ignore[index]
    calls = []
    network.register_forward_hook(lambda *_: calls.append(1))
    batches = images(24, 24)
    found = cka_maps({"net": network}, batches)["net", "net"]
    assert len(calls) == 2
    same = images(1)[0].expand(24, -1, -1, -1) + 1e-3 * batches[1]
    later = seeded(tiny_vgg, 2)
    later.register_forward_hook(lambda *_: calls.append(2))
    repeated = cka_maps({"net": later}, [batches[0], same, same])["net", "net"]
    assert calls.count(2) == 4, "the second batch twice"
    np.testing.assert_allclose(repeated, naive_map(later, later, [batches[0], same, same]), rtol=0, atol=1e-5)
    between = images(1)[0].expand(24, -1, -1, -1) + 0.5 * batches[1]
    calls.clear()
    found_between = cka_maps({"net": later}, [batches[0], between, between])["net", "net"]
    assert calls == [2, 2, 2], "a layer that is only a little above the share for centring costs no pass"
    np.testing.assert_allclose(found_between, naive_map(later, later, [batches[0], between, between]), rtol=0, atol=1e-6)
    wanted = naive_map(network, network, batches)  # from the same float32 features
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6)
    monkeypatch.setattr(grams, "COMMON", 2)
    monkeypatch.setattr(grams, "REPEATED", 2)
    assert np.abs(cka_maps({"net": network}, batches)["net", "net"] - wanted).max() > 1e-5, "else this tests nothing"


def test_kept_vectors_are_the_centred_kernels() -> None:
    networks = {"a": seeded(tiny_vgg, 1), "b": seeded(TinyDense, 2)}
    found = cka_maps(networks, images(16, 9), keep=True)
    assert [vectors.shape for vectors in found.vectors] == [(8, 120), (8, 36)]
    assert found.place("b") == slice(4, 8)
    first, second = (
        vectors.astype(float) * np.sqrt((n - 1) / (n - 3)) for vectors, n in zip(found.vectors, (16, 9), strict=True)
    )
    product = first @ first.T + second @ second.T
    norms = np.sqrt(np.outer(product.diagonal(), product.diagonal()))
    np.testing.assert_allclose(product / norms, found.values, atol=1e-6)
    assert found.error("a", "b").shape == (4, 4)
    assert np.isfinite(found.errors).all()


class Tokens(nn.Module):
    """Patches as tokens, in any order, through a linear layer each."""

    def __init__(self, order: Tensor | None = None) -> None:
        super().__init__()
        self.mix, self.head, self.order = nn.Linear(12, 6), nn.Linear(6, 3), order

    def forward(self, x: Tensor) -> Tensor:
        tokens = nn.functional.unfold(x, 2, stride=2).mT  # (n, 16, 12)
        if self.order is not None:
            tokens = tokens.gather(1, self.order[: len(x), :, None].expand(-1, -1, 12))
        return self.head(torch.relu(self.mix(tokens)).mean(1))


def test_pooled_features_of_tokens_do_not_know_their_order() -> None:
    """The right value: two networks whose tokens are permuted image by image have a pooled similarity of 1."""
    order = torch.stack([torch.randperm(16, generator=torch.Generator().manual_seed(n)) for n in range(24)])
    one = Tokens()
    other = Tokens(order)
    other.load_state_dict(one.state_dict())
    for cka in (cka_maps, cka_whole):
        assert cka({"a": one, "b": other}, images(24), pool=True)["a", "b"][0, 0] == pytest.approx(1, abs=1e-5)
    assert cka_maps({"a": one, "b": other}, images(24))["a", "b"][0, 0] < 0.9
