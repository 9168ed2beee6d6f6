"""CKA maps of whole small networks, against a naive reference and under everything that could disturb them."""

import copy
import itertools
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from cka_networks import TinyDense, images, layer_outputs, naive_map, seeded, tiny_vgg
from torch import Tensor, nn

from prunescope.errors import PrunescopeError
from prunescope.similarity.cka import Maps, cka_maps, cka_whole
from prunescope.similarity.features import unseen
from prunescope.similarity.hsic import linear_cka


@pytest.mark.parametrize("sizes", [(24,), (16, 16), (16, 16, 5)])
def test_networks_match_a_naive_reference(sizes: tuple[int, ...]) -> None:
    """VGG-like and DenseNet-like with in-place ReLUs: against the same float32 features, and against a float64 pass."""
    networks = {"vgg": seeded(tiny_vgg, 1), "dense": seeded(TinyDense, 2)}
    batches = images(*sizes)
    found = cka_maps(networks, iter(batches))
    doubles = {name: copy.deepcopy(network).double() for name, network in networks.items()}
    assert found.layers == {"vgg": ["0", "3", "7", "10"], "dense": ["stem", "convs.0", "convs.1", "classifier"]}
    assert (found.samples, found.batches) == (sum(sizes), len(sizes))
    for a, b in itertools.product(networks, networks):
        matrix = found[a, b]
        assert matrix.dtype == np.float64
        assert matrix.shape == (4, 4)
        reference = naive_map(networks[a], networks[b], batches)
        np.testing.assert_allclose(matrix, reference, rtol=0, atol=1e-6)
        exact = naive_map(doubles[a], doubles[b], [batch.double() for batch in batches])
        np.testing.assert_allclose(matrix, exact, rtol=0, atol=1e-6)
        in_double = cka_maps(doubles, batches)[a, b]
        np.testing.assert_allclose(in_double, exact, rtol=0, atol=1e-10)


def test_rows_are_the_first_network_and_the_reverse_is_the_transpose() -> None:
    networks = {"a": seeded(tiny_vgg, 1), "b": seeded(tiny_vgg, 2)}
    both = cka_maps(networks, images(20), layers="0|3|10")
    assert both.layers == {"a": ["0", "3", "10"], "b": ["0", "3", "10"]}
    np.testing.assert_array_equal(both["a", "b"], both["b", "a"].T)
    np.testing.assert_allclose(both["a", "a"].diagonal(), 1, rtol=0, atol=1e-12)
    np.testing.assert_allclose(both["a", "a"], both["a", "a"].T, rtol=0, atol=1e-12)
    features_a, features_b = (list(layer_outputs(networks[name], images(20)[0]).values()) for name in "ab")
    assert both["a", "b"][0, 2] == pytest.approx(linear_cka(features_a[0], features_b[3]), abs=1e-6)
    assert abs(both["a", "b"][0, 2] - both["a", "b"][2, 0]) > 1e-3
    with pytest.raises(PrunescopeError, match=r"no network 'c'; wanted one of: a, b"):
        both["a", "c"]


def test_the_same_network_under_two_names() -> None:
    network = seeded(tiny_vgg, 1)
    found = cka_maps({"a": network, "b": network}, images(12))
    np.testing.assert_allclose(found["a", "b"], found["a", "a"], rtol=0, atol=1e-6)


def test_minibatches_approach_the_whole() -> None:
    """Unbiased at any batch size: 60 batches of 8 are near the value of all 480, which the biased estimate is not."""
    networks = {"a": seeded(tiny_vgg, 1), "b": seeded(tiny_vgg, 2)}
    everything = torch.cat(images(480))
    full = cka_maps(networks, [everything])["a", "b"]
    errors = [np.abs(cka_maps(networks, everything.split(size))["a", "b"] - full).max() for size in (8, 240)]
    assert errors[0] < 0.08
    assert errors[1] < 0.02
    rows, columns = (list(layer_outputs(networks[name], everything[:8]).values()) for name in "ab")
    biased = np.array([[linear_cka(x, y, debiased=False) for y in columns] for x in rows])
    assert np.abs(biased - full).max() > 0.3


def test_in_place_relu_changes_nothing() -> None:
    overwriting, keeping = seeded(lambda: tiny_vgg(inplace=True), 3), seeded(lambda: tiny_vgg(inplace=False), 3)
    maps = [cka_maps({"net": network}, images(16, 8))["net", "net"] for network in (overwriting, keeping)]
    np.testing.assert_allclose(maps[0], maps[1], rtol=0, atol=1e-9)


def test_shuffled_rows_destroy_similarity() -> None:
    class Shuffled(nn.Module):
        def __init__(self, network: nn.Module) -> None:
            super().__init__()
            self.network = network

        def forward(self, x: Tensor) -> Tensor:
            return self.network(x.roll(1, dims=0))

    network = seeded(tiny_vgg, 4)
    found = cka_maps({"a": network, "b": copy.deepcopy(network), "c": Shuffled(network)}, images(*[32] * 6))
    assert found["a", "b"].diagonal().min() > 1 - 1e-9
    assert np.abs(found["a", "c"].diagonal()).max() < 0.15


def test_a_dead_layer_is_nan_and_named() -> None:
    network, healthy = seeded(tiny_vgg, 5), seeded(tiny_vgg, 6)
    with torch.no_grad():
        network[3].weight.zero_()  # type: ignore[index]  # its bias is all that is left for it and what follows
    with pytest.warns(UserWarning, match=r"pruned: .*: 3, 7, 10$") as caught:
        found = cka_maps({"pruned": network, "healthy": healthy}, images(61, 30))
    assert len(caught) == 1
    assert str(caught[0].filename) == __file__
    inside, across = found["pruned", "pruned"], found["pruned", "healthy"]
    assert np.isnan(inside[1:]).all()
    assert np.isnan(inside[:, 1:]).all()
    assert inside[0, 0] == pytest.approx(1)
    assert np.isnan(across[1:]).all()
    assert np.isfinite(across[0]).all()
    assert np.isfinite(found["healthy", "healthy"]).all()
    with torch.no_grad():
        network[0].weight.fill_(torch.nan)  # type: ignore[index]
    with pytest.warns(UserWarning, match="not finite: 0, 3"):
        assert np.isnan(cka_maps({"pruned": network}, images(8))["pruned", "pruned"]).all()


@pytest.mark.parametrize("sizes", [(3,), (8, 3), (8, 1), (0,)])
def test_fewer_than_four_samples_are_refused(sizes: tuple[int, ...]) -> None:
    with pytest.raises(PrunescopeError, match=rf"found {sizes[-1]} samples in batch {len(sizes) - 1}.*drop_last"):
        cka_maps({"net": seeded(tiny_vgg, 1)}, images(*sizes))
    assert cka_maps({"net": seeded(tiny_vgg, 1)}, images(4)).samples == 4


def test_networks_are_left_as_they_were() -> None:
    network = seeded(tiny_vgg, 7).train()
    network[4].eval()  # type: ignore[index]
    modes = [module.training for module in network.modules()]
    state = copy.deepcopy(network.state_dict())
    seen: list[int] = []

    def breaking() -> Iterator[Tensor]:
        yield from images(6, 6)
        assert torch.is_grad_enabled()
        raise KeyError("loader")

    def check() -> None:
        assert [module.training for module in network.modules()] == modes
        assert not any(module._forward_hooks for module in network.modules())
        for name, value in network.state_dict().items():
            assert torch.equal(value, state[name])

    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = cka_maps({"net": network}, images(6, 5), on_batch=seen.append, device="cpu")
    check()
    assert seen == [6, 11]
    np.testing.assert_array_equal(
        found["net", "net"], cka_maps({"net": network}, images(6, 5))["net", "net"]
    )  # neither dropout nor the caller's autocast plays a part
    with pytest.raises(KeyError, match="loader"):
        cka_maps({"net": network}, breaking())
    check()
    with pytest.raises(RuntimeError):
        cka_maps({"net": network}, [torch.zeros(6, 1, 8, 8)])
    check()


def test_bad_calls_say_what_to_do() -> None:
    class Views(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.part = nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.part(x.reshape(-1, 4))

    class Fickle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(4, 2), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.one(x) if len(x) == 4 else self.two(x)

    def run(network: nn.Module, *batches: object, **options: object) -> Maps:
        return cka_maps({"net": network}, batches, **options)  # type: ignore[arg-type]

    line = nn.Linear(4, 2)
    cases: list[tuple[str, nn.Module, tuple[object, ...], dict[str, object]]] = [
        ("no batch", line, (), {}),
        ("list as batch 0.*images, labels", line, ([torch.ones(4, 4), 0],), {}),
        ("estimator biased with keep; wanted debiased", line, (torch.ones(4, 4),), {"estimator": "biased", "keep": True}),
        (r"bfloat16; wanted float32: call network.float", nn.Linear(4, 2).bfloat16(), (torch.ones(4, 4),), {}),
        ("no layer of Linear", line, (torch.ones(4, 4),), {"layers": "conv.*"}),
        ("8 rows in the output of layer part of net", Views(), (torch.ones(4, 8),), {"layers": "part"}),
        ("none of the chosen", Views(), (torch.ones(4, 8),), {}),
        ("other layers of net.*batch 1", Fickle(), (torch.randn(4, 4), torch.randn(5, 4)), {}),
        ("none of the chosen", Fickle(), (torch.randn(4, 4),), {"layers": "two"}),
    ]
    for message, network, batches, options in cases:
        with pytest.raises(PrunescopeError, match=message):
            run(network, *batches, **options)
    assert len(cases) == 9


def test_all_layers_are_those_with_a_row_for_each_sample_and_the_others_are_named() -> None:
    """Swin v2 makes its position biases by a small network whose input is a table."""

    class Biased(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.bias = nn.Linear(4, 6), nn.Linear(2, 6)

        def forward(self, x):
            return self.first(x) + self.bias(torch.ones(1, 2))

    network = Biased().eval()
    for compare in (cka_maps, cka_whole):
        found = compare({"a": network}, [torch.randn(8, 4)])
        assert found.layers == {"a": ["first"]} and unseen(network, found.layers["a"]) == ["bias"]
        with pytest.raises(PrunescopeError, match="found 1 rows in the output of layer bias of a; wanted the 8 samples"):
            compare({"a": network}, [torch.randn(8, 4)], layers="first|bias")
