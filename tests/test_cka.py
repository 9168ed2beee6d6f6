"""Debiased CKA against golden values, against formulas written out independently, and on whole small networks."""

import copy
import math
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from prunescope.cka import Maps, cka_maps, diagonal, linear_cka, off_diagonal_mean, u_centred
from prunescope.errors import PrunescopeError

Matrix = NDArray[np.float64]


class TinyDense(nn.Module):
    """Two dense layers, as in DenseNet: BN, in-place ReLU, convolution, and the concatenation of everything so far."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(4), nn.BatchNorm2d(7)])
        self.convs = nn.ModuleList(
            [nn.Conv2d(4, 3, 3, padding=1, bias=False), nn.Conv2d(7, 3, 3, padding=1, bias=False)]
        )
        self.classifier = nn.Linear(10, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for norm, conv in zip(self.norms, self.convs, strict=True):
            x = torch.cat([x, conv(nn.functional.relu(norm(x), inplace=True))], 1)
        return self.classifier(nn.functional.relu(x, inplace=True).mean((2, 3)))


def tiny_vgg(inplace: bool = True) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(inplace), nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace),
        nn.Flatten(), nn.Linear(128, 12), nn.ReLU(inplace), nn.Dropout(), nn.Linear(12, 5),
    )  # fmt: skip


def images(*sizes: int, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(n, 3, 8, 8, generator=generator) + 0.5 for n in sizes]


def seeded(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return make()


def hsic_song(x: Matrix, y: Matrix) -> float:
    """HSIC_1 of Song et al. 2012, equation 5, written out: no centring anywhere."""
    n = len(x)
    k, m = x @ x.T, y @ y.T
    np.fill_diagonal(k, 0)
    np.fill_diagonal(m, 0)
    one = np.ones(n)
    middle = (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
    return float(((k * m).sum() + middle - 2 / (n - 2) * (one @ k @ m @ one)) / (n * (n - 3)))


def debiased_feature_space(x: Matrix, y: Matrix) -> float:
    """Debiased linear CKA by Kornblith et al.'s demo (feature_space_linear_cka): p x q products, no Gram matrix."""
    x, y, n = x - x.mean(0), y - y.mean(0), len(x)

    def corrected(a: Matrix, b: Matrix) -> float:
        rows_a, rows_b = (a**2).sum(1), (b**2).sum(1)
        total = rows_a.sum() * rows_b.sum()
        return ((a.T @ b) ** 2).sum() - n / (n - 2) * (rows_a @ rows_b) + total / ((n - 1) * (n - 2))

    return float(corrected(x, y) / np.sqrt(corrected(x, x) * corrected(y, y)))


def layer_outputs(network: nn.Module, batch: Tensor) -> dict[str, Matrix]:
    """Outputs (n, p) of convolution and linear modules in eval mode, cloned in the order of the calls."""
    found: dict[str, Matrix] = {}

    def keep(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        return lambda module, inputs, output: found.update({name: output.clone().flatten(1).double().numpy()})

    handles = [
        module.register_forward_hook(keep(name))
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    with torch.no_grad():
        network.eval()(batch)
    for handle in handles:
        handle.remove()
    return found


def naive_map(a: nn.Module, b: nn.Module, batches: list[Tensor]) -> Matrix:
    """Nguyen et al. 2021 with Song's formula per cell and batch, batches weighted by their pairs of samples."""
    cross, own_a, own_b = (0.0 for _ in range(3))
    for batch in batches:
        weight = math.comb(len(batch), 2)
        rows, columns = (list(layer_outputs(network, batch).values()) for network in (a, b))
        cross = cross + weight * np.array([[hsic_song(x, y) for y in columns] for x in rows])
        own_a = own_a + weight * np.array([hsic_song(x, x) for x in rows])
        own_b = own_b + weight * np.array([hsic_song(y, y) for y in columns])
    return cross / np.sqrt(np.outer(own_a, own_b))


@pytest.fixture
def demo() -> tuple[Matrix, Matrix]:
    random = np.random.RandomState(1337)  # the generator behind the golden values
    x = random.randn(100, 10)
    return x, random.randn(100, 10) + x


def test_golden_values(demo: tuple[Matrix, Matrix]) -> None:
    """From the demo of google-research/representation_similarity."""
    assert linear_cka(*demo, debiased=False) == pytest.approx(0.55761, abs=5e-6)
    assert linear_cka(*demo) == pytest.approx(0.51346, abs=5e-6)
    x, y = demo
    assert linear_cka(torch.from_numpy(x), y.tolist()) == linear_cka(x, y)


def test_gram_form_is_the_feature_space_form(demo: tuple[Matrix, Matrix]) -> None:
    x, y = demo
    wide = np.random.default_rng(0).normal(size=(100, 300)) + x @ np.ones((10, 300)) + 7
    for other in (y, wide):
        assert linear_cka(x, other) == pytest.approx(debiased_feature_space(x, other), abs=1e-12)
        a, b = x - x.mean(0), other - other.mean(0)
        norms = np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b)
        assert linear_cka(x, other, debiased=False) == pytest.approx(np.linalg.norm(a.T @ b) ** 2 / norms, abs=1e-12)


@pytest.mark.parametrize("n", [4, 5, 30])
def test_u_centred_product_is_songs_hsic(n: int) -> None:
    random = np.random.default_rng(n)
    x, y = random.normal(size=(n, 7)) + 3, random.normal(size=(n, 4))
    k, m = u_centred(torch.from_numpy(np.stack([x @ x.T, y @ y.T])))
    assert float((k * m).sum()) / (n * (n - 3)) == pytest.approx(hsic_song(x, y), rel=1e-9, abs=1e-12)
    for matrix in (k, m):
        torch.testing.assert_close(matrix.sum(0), torch.zeros(n, dtype=torch.float64), atol=1e-10, rtol=0)
        assert not matrix.diagonal().any()


@pytest.mark.parametrize("debiased", [True, False])
def test_invariances(demo: tuple[Matrix, Matrix], debiased: bool) -> None:
    x, y = demo
    random = np.random.default_rng(1)
    value = linear_cka(x, y, debiased)
    rotation = np.linalg.qr(random.normal(size=(10, 10)))[0]
    order = random.permutation(100)
    assert linear_cka(x, x, debiased) == pytest.approx(1, abs=1e-12)
    assert linear_cka(y, x, debiased) == pytest.approx(value, abs=1e-12)
    assert linear_cka(x @ rotation, y, debiased) == pytest.approx(value, abs=1e-12)
    assert linear_cka(-3e3 * x + 5, y, debiased) == pytest.approx(value, abs=1e-9)
    assert linear_cka(x[order], y[order], debiased) == pytest.approx(value, abs=1e-12)
    assert abs(linear_cka(x @ np.diag(np.arange(1, 11)), y, debiased) - value) > 0.02, "not for any linear map"
    assert linear_cka(x[order], y, debiased) < 0.2, "rows must correspond"


def test_unrelated_features_are_about_zero_and_not_clamped() -> None:
    random = np.random.default_rng(2)
    draws = [(random.normal(size=(40, 400)), random.normal(size=(40, 400))) for _ in range(40)]
    values = np.array([linear_cka(x, y) for x, y in draws])
    assert abs(values.mean()) < 0.02
    assert values.min() < -0.01
    assert min(linear_cka(x, y, debiased=False) for x, y in draws) > 0.85, "the bias that debiasing removes"


def test_linear_cka_refuses_wrong_shapes_and_gives_nan_for_constants() -> None:
    x = np.random.default_rng(3).normal(size=(4, 2))
    assert math.isnan(linear_cka(x, np.full((4, 3), 0.1)))
    for a, b in ((x[:3], x[:3]), (x, x[:, 0]), (x, np.ones((5, 2)))):
        with pytest.raises(PrunescopeError, match="wanted"):
            linear_cka(a, b)


@pytest.mark.parametrize("sizes", [(24,), (16, 16), (16, 16, 5)])
def test_networks_match_a_naive_reference(sizes: tuple[int, ...]) -> None:
    """VGG-like and DenseNet-like with in-place ReLUs: against the same float32 features, and against a float64 pass."""
    networks = {"vgg": seeded(tiny_vgg, 1), "dense": seeded(TinyDense, 2)}
    batches = images(*sizes)
    found = cka_maps(networks, iter(batches))
    doubles = {name: copy.deepcopy(network).double() for name, network in networks.items()}
    assert found.layers == {"vgg": ["0", "3", "7", "10"], "dense": ["stem", "convs.0", "convs.1", "classifier"]}
    assert (found.samples, found.batches) == (sum(sizes), len(sizes))
    assert list(found.maps) == [("vgg", "vgg"), ("vgg", "dense"), ("dense", "dense")]
    for (a, b), matrix in found.maps.items():
        assert matrix.dtype == np.float64
        assert matrix.shape == (4, 4)
        reference = naive_map(networks[a], networks[b], batches)
        np.testing.assert_allclose(matrix, reference, rtol=0, atol=1e-6)
        exact = naive_map(doubles[a], doubles[b], [batch.double() for batch in batches])
        np.testing.assert_allclose(matrix, exact, rtol=0, atol=1e-6)
        in_double = cka_maps(doubles, batches, pairs=[(a, b)]).maps[a, b]
        np.testing.assert_allclose(in_double, exact, rtol=0, atol=1e-10)


def test_rows_are_the_first_network_and_the_reverse_is_the_transpose() -> None:
    networks = {"a": seeded(tiny_vgg, 1), "b": seeded(tiny_vgg, 2), "unused": nn.Identity()}
    pairs = [("a", "b"), ("b", "a"), ("a", "a"), ("a", "b")]
    both = cka_maps(networks, images(20), pairs=pairs, layers="0|3|10")
    assert list(both.maps) == [("a", "b"), ("b", "a"), ("a", "a")]
    assert list(both.layers) == ["a", "b"]
    np.testing.assert_array_equal(both.maps["a", "b"], both.maps["b", "a"].T)
    alone = cka_maps(networks, images(20), pairs=[("b", "a")], layers="0|3|10")
    np.testing.assert_allclose(alone.maps["b", "a"], both.maps["b", "a"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(both.maps["a", "a"].diagonal(), 1, rtol=0, atol=1e-12)
    np.testing.assert_allclose(both.maps["a", "a"], both.maps["a", "a"].T, rtol=0, atol=1e-12)
    features_a, features_b = (list(layer_outputs(networks[name], images(20)[0]).values()) for name in "ab")
    assert both.maps["a", "b"][0, 2] == pytest.approx(linear_cka(features_a[0], features_b[3]), abs=1e-6)
    assert abs(both.maps["a", "b"][0, 2] - both.maps["a", "b"][2, 0]) > 1e-3


def test_the_same_network_under_two_names() -> None:
    network = seeded(tiny_vgg, 1)
    found = cka_maps({"a": network, "b": network}, images(12))
    np.testing.assert_array_equal(found.maps["a", "b"], found.maps["a", "a"])


def test_minibatches_approach_the_whole() -> None:
    """Unbiased at any batch size: 60 batches of 8 are near the value of all 480, which the biased estimate is not."""
    networks = {"a": seeded(tiny_vgg, 1), "b": seeded(tiny_vgg, 2)}
    everything = torch.cat(images(480))
    full = cka_maps(networks, [everything], pairs=[("a", "b")]).maps["a", "b"]
    errors = [
        np.abs(cka_maps(networks, everything.split(size), pairs=[("a", "b")]).maps["a", "b"] - full).max()
        for size in (8, 240)
    ]
    assert errors[0] < 0.08
    assert errors[1] < 0.02
    rows, columns = (list(layer_outputs(networks[name], everything[:8]).values()) for name in "ab")
    biased = np.array([[linear_cka(x, y, debiased=False) for y in columns] for x in rows])
    assert np.abs(biased - full).max() > 0.3


def test_in_place_relu_changes_nothing() -> None:
    overwriting, keeping = seeded(lambda: tiny_vgg(inplace=True), 3), seeded(lambda: tiny_vgg(inplace=False), 3)
    maps = [cka_maps({"net": network}, images(16, 8)).maps["net", "net"] for network in (overwriting, keeping)]
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
    assert diagonal(found.maps["a", "b"]).min() > 1 - 1e-9
    assert np.abs(diagonal(found.maps["a", "c"])).max() < 0.15


def test_a_dead_layer_is_nan_and_named() -> None:
    network, healthy = seeded(tiny_vgg, 5), seeded(tiny_vgg, 6)
    with torch.no_grad():
        network[3].weight.zero_()  # type: ignore[index]  # its bias is all that is left for it and what follows
    with pytest.warns(UserWarning, match=r"pruned: .*: 3, 7, 10$") as caught:
        found = cka_maps({"pruned": network, "healthy": healthy}, images(61, 30))
    assert len(caught) == 1
    assert str(caught[0].filename) == __file__
    inside, across = found.maps["pruned", "pruned"], found.maps["pruned", "healthy"]
    assert np.isnan(inside[1:]).all()
    assert np.isnan(inside[:, 1:]).all()
    assert inside[0, 0] == pytest.approx(1)
    assert np.isnan(across[1:]).all()
    assert np.isfinite(across[0]).all()
    assert np.isfinite(found.maps["healthy", "healthy"]).all()
    assert math.isnan(off_diagonal_mean(inside))
    with torch.no_grad():
        network[0].weight.fill_(torch.nan)  # type: ignore[index]
    with pytest.warns(UserWarning, match="not finite: 0, 3"):
        assert np.isnan(cka_maps({"pruned": network}, images(8)).maps["pruned", "pruned"]).all()


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
        found.maps["net", "net"], cka_maps({"net": network}, images(6, 5)).maps["net", "net"]
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
        ("unknown networks.*'other'.*wanted pairs of: net", line, (torch.ones(4, 4),), {"pairs": [("net", "other")]}),
        ("no pair", line, (torch.ones(4, 4),), {"pairs": []}),
        (r"bfloat16; wanted float32: call network.float", nn.Linear(4, 2).bfloat16(), (torch.ones(4, 4),), {}),
        ("no layer of Linear", line, (torch.ones(4, 4),), {"layers": "conv.*"}),
        ("8 rows in the output of layer part of net", Views(), (torch.ones(4, 8),), {}),
        ("other layers of net.*batch 1", Fickle(), (torch.randn(4, 4), torch.randn(5, 4)), {}),
        ("none of the chosen", Fickle(), (torch.randn(4, 4),), {"layers": "two"}),
    ]
    for message, network, batches, options in cases:
        with pytest.raises(PrunescopeError, match=message):
            run(network, *batches, **options)
    assert len(cases) == 9


def test_summaries() -> None:
    matrix = np.array([[1.0, 0.2, np.nan], [0.4, 1.0, np.nan], [np.nan, np.nan, np.nan]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert off_diagonal_mean(matrix) == pytest.approx(0.3)
        assert math.isnan(off_diagonal_mean(np.ones((1, 1))))
    np.testing.assert_array_equal(diagonal(matrix), [1, 1, np.nan])
    for summary in (off_diagonal_mean, diagonal):
        with pytest.raises(PrunescopeError, match=r"\(2, 3\)"):
            summary(np.ones((2, 3)))
