"""Choosing layers, and capturing their outputs before anything can change them."""

import pytest
import torch
from torch import Tensor, nn

from prunescope.errors import PrunescopeError
from prunescope.similarity.features import (
    BLOCK_ELEMENTS,
    capture,
    channel_axis,
    evaluating,
    flattened,
    gram,
    layer_names,
    pooled,
    unseen,
)


class Backwards(nn.Module):
    """Defined last to first, with a head that eval mode does not call and a list that is never called itself."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 2)
        self.extra = nn.Linear(4, 2)
        self.body = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])
        self.stem = nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for module in self.body:
            x = module(x)
        return self.head(x) + self.extra(x) if self.training else self.head(x)


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Linear(3, 3)
        self.once = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.once(self.shared(self.shared(x)))


def hooks(network: nn.Module) -> int:
    return sum(len(module._forward_hooks) for module in network.modules())


def small_vgg() -> nn.Sequential:
    features = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(True), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(True)
    )
    return nn.Sequential(features, nn.Flatten(), nn.Sequential(nn.Linear(96, 8), nn.ReLU(True), nn.Linear(8, 3)))


def test_all_are_the_convolution_and_linear_modules() -> None:
    network = nn.Sequential(
        nn.Conv1d(1, 1, 1), nn.Conv2d(1, 1, 1), nn.Conv3d(1, 1, 1), nn.ConvTranspose2d(1, 1, 1), nn.Linear(1, 1)
    )
    network.extend([nn.ReLU(), nn.BatchNorm2d(1), nn.Embedding(2, 2)])
    assert layer_names(network) == ["0", "1", "2", "3", "4"]
    assert layer_names(nn.Linear(2, 2)) == [""]


def test_a_regular_expression_matches_whole_names() -> None:
    network = small_vgg()
    assert layer_names(network, r"0\.[14]") == ["0.1", "0.4"]
    assert layer_names(network, r"2") == ["2"]
    for wrong, message in (("nothing", "0.0"), ("(", "no regular expression"), ("", "no layer")):
        with pytest.raises(PrunescopeError, match=message):
            layer_names(network, wrong)
    for empty in ("all", "blocks"):
        with pytest.raises(PrunescopeError, match=r"no modules"):
            layer_names(nn.ReLU(), empty)


def test_blocks_open_the_largest_part_until_there_are_five() -> None:
    def block(count: int) -> nn.Sequential:
        return nn.Sequential(*(nn.Linear(2, 2) for _ in range(count)), nn.ReLU())

    # as DenseNet: one container with the parts, and a classifier; then VGG, whose parts are its convolutions
    dense = nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.ReLU(), block(4), block(1), block(8)), nn.Linear(2, 2))
    assert layer_names(dense, "blocks") == ["0.0", "0.2", "0.3", "0.4", "1"]
    # the two convolutions come out of the larger half; 2.0 and 2.2 must be opened too, since three parts are not five
    assert layer_names(small_vgg(), "blocks") == ["0.0", "0.3", "2.0", "2.2"]
    # as ResNet: five parts at once, so even the longest stays whole
    assert layer_names(nn.Sequential(*(block(n) for n in (1, 2, 30, 2, 1))), "blocks") == ["0", "1", "2", "3", "4"]
    # the larger of two is opened, and is enough
    assert layer_names(nn.Sequential(block(2), block(4)), "blocks") == ["0", "1.0", "1.1", "1.2", "1.3"]
    # a ModuleList has no output of its own, however many parts there are
    assert layer_names(Backwards(), "blocks") == ["head", "extra", "body.0", "body.1", "stem"]
    listed = nn.Sequential(*(block(9) for _ in range(5)), nn.ModuleList([block(1), block(1)]))
    assert layer_names(listed, "blocks") == ["0", "1", "2", "3", "4", "5.0", "5.1"]


def test_capture_is_in_forward_order_without_what_is_not_called() -> None:
    network = Backwards().eval()
    assert layer_names(network) == ["head", "extra", "body.0", "body.1", "stem"]
    with capture(network, layer_names(network)) as found:
        network(torch.randn(4, 3))
    assert list(found) == ["stem", "body.0", "body.1", "head"]


def test_capture_keeps_what_an_in_place_module_overwrites() -> None:
    torch.manual_seed(0)
    linear = nn.Linear(5, 6)
    network = nn.Sequential(linear, nn.ReLU(inplace=True))
    x = torch.randn(8, 5)
    with torch.inference_mode(), capture(network, ["0", "1"]) as found:
        network(x)
        expected = x @ linear.weight.T + linear.bias
    assert expected.min() < 0
    torch.testing.assert_close(found["0"], expected)
    torch.testing.assert_close(found["1"], expected.relu())


def test_hooks_are_removed_also_after_an_error() -> None:
    network = small_vgg()
    with capture(network, layer_names(network)):
        assert hooks(network) == 4
    assert hooks(network) == 0
    with pytest.raises(RuntimeError), capture(network, layer_names(network)):
        network(torch.randn(2, 5, 8, 8))
    assert hooks(network) == 0
    with pytest.raises(AttributeError), capture(network, ["2.0", "missing"]):
        pass
    assert hooks(network) == 0


def test_a_module_called_twice_is_refused_by_name() -> None:
    network = Twice()
    with pytest.raises(PrunescopeError, match="shared called twice"), capture(network, layer_names(network)):
        network(torch.randn(4, 3))
    assert hooks(network) == 0
    with capture(network, layer_names(network, "once")) as found:
        network(torch.randn(4, 3))
    assert list(found) == ["once"]


def test_an_output_that_is_no_tensor_is_refused_by_name() -> None:
    network = nn.Sequential(nn.LSTM(3, 4, batch_first=True))
    with pytest.raises(PrunescopeError, match="tuple as output of layer 0"), capture(network, ["0"]):
        network(torch.randn(2, 5, 3))


def test_evaluating_gives_each_module_its_mode_back() -> None:
    first, second = small_vgg(), small_vgg().eval()
    first[0].eval()
    before = [module.training for module in first.modules()]
    assert len(set(before)) == 2
    with pytest.raises(ValueError, match="stop"), evaluating([first, second]):
        assert not any(module.training for network in (first, second) for module in network.modules())
        raise ValueError("stop")
    assert [module.training for module in first.modules()] == before
    assert not any(module.training for module in second.modules())


@pytest.mark.parametrize("shape", [(6,), (6, 5), (6, 3, 4, 5), (3, BLOCK_ELEMENTS // 3 + 7)])
def test_gram_is_the_product_of_the_centred_features(shape: tuple[int, ...]) -> None:
    output = torch.randn(shape, generator=torch.Generator().manual_seed(1)) + 3
    features = output.double().reshape(shape[0], -1)
    features = features - features.mean(0)
    found = gram(flattened(output))
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, features @ features.T, rtol=1e-5, atol=1e-5 * float(features.square().sum()))
    torch.testing.assert_close(gram(flattened(output.double())), features @ features.T, rtol=1e-12, atol=1e-9)


def test_features_do_not_depend_on_the_memory_format_nor_copy_for_it() -> None:
    output = torch.randn(6, 3, 4, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    for layout in (output.contiguous(memory_format=torch.channels_last), output.transpose(1, 3), output[:, :, ::2]):
        torch.testing.assert_close(gram(flattened(layout)), gram(flattened(layout.contiguous())))
    for layout in (output, output.contiguous(memory_format=torch.channels_last)):
        assert flattened(layout).data_ptr() == layout.data_ptr()
    assert flattened(output.bfloat16()).dtype == torch.float32


def test_pooled_features_are_means_over_positions() -> None:
    output = torch.randn(6, 3, 4, 5, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(pooled(output), output.mean((2, 3)))
    torch.testing.assert_close(pooled(output[:, :, :, 0]), output[:, :, :, 0].mean(2))
    assert torch.equal(pooled(output[:, :, 0, 0]), output[:, :, 0, 0])


def test_gram_survives_a_large_common_offset() -> None:
    output = torch.randn(32, 200, generator=torch.Generator().manual_seed(3))
    shifted = output + 1000
    exact = gram(shifted.double())
    torch.testing.assert_close(gram(shifted), exact, rtol=1e-5, atol=1e-4 * float(exact.diagonal().mean()))


def test_gram_of_rows_equal_up_to_rounding_is_exactly_zero() -> None:
    row = torch.randn(1, 300, generator=torch.Generator().manual_seed(4))
    equal = row.expand(61, 300)
    assert (equal - equal.mean(0)).abs().max() > 0, "rounding of the mean leaves something: else this tests nothing"
    assert not gram(equal).any()
    assert not gram(torch.zeros(5, 3)).any()
    assert gram(equal + 1e-4 * torch.randn(61, 300, generator=torch.Generator().manual_seed(5))).trace() > 0
    assert gram(torch.full((5, 3), torch.nan)).isnan().all()


def test_channels_lie_where_the_layer_puts_them() -> None:
    tokens, image = torch.randn(4, 49, 96), torch.randn(4, 8, 5, 6)
    assert pooled(tokens, channel_axis(nn.Linear(7, 96), tokens)).shape == (4, 96)
    assert channel_axis(nn.Conv2d(3, 8, 1), image) == 1
    assert channel_axis(nn.Linear(7, 6), image) == -1, "(n, height, width, channels)"
    swin = nn.Sequential(nn.Linear(96, 4), nn.GELU(), nn.Linear(4, 96))
    assert channel_axis(swin, torch.randn(2, 7, 7, 96)) == -1
    convnext = nn.Sequential(nn.Conv2d(8, 8, 3), nn.Linear(8, 32), nn.Linear(32, 8))  # permuted back at its end
    assert channel_axis(convnext, image) == 1
    assert channel_axis(nn.ReLU(), image) == 1


class Attending(nn.Module):
    """A projection as a function alone, as in Swin, and torch's attention, which calls none of its projections."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 6)
        self.used = nn.Linear(6, 6)
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)

    def forward(self, x):
        x = nn.functional.linear(self.first(x), self.used.weight)
        return self.attention(x, x, x, need_weights=False)[0]


def test_attention_is_seen_by_what_it_puts_out_and_what_is_not_seen_is_named() -> None:
    network = Attending().eval()
    names = layer_names(network, "all")
    with torch.inference_mode(), capture(network, names) as found:
        out = network(torch.randn(3, 5, 4))
    assert list(found) == ["first", "attention"] and torch.equal(found["attention"], out)
    assert pooled(out, channel_axis(network.attention, out)).shape == (3, 6)
    assert unseen(network, found) == ["used", "attention.in_proj"]
    assert unseen(network, names) == ["attention.in_proj"]
