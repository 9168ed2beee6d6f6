"""Attention's projections are layers like others: named, excluded, scored, chosen, held, and used by torch's fast path."""

import pytest
import torch
from torch import Tensor, nn

from prunescope.networks.masks import achieved_sparsity, layer_of, prunable
from prunescope.pruning.calibration import mean_gradients
from prunescope.pruning.plans import PLANS
from prunescope.pruning.run import run
from prunescope.pruning.scores import SCORES
from prunescope.training.loop import Log, fit
from prunescope.training.losses import cross_entropy
from prunescope.training.optimizers import make

LAYERS = [
    "stem",
    "together.in_proj",
    "together.out_proj",
    "apart.q_proj",
    "apart.k_proj",
    "apart.v_proj",
    "apart.out_proj",
    "head",
]


class Attending(nn.Module):
    """Self-attention with its three projections in one weight, then attention to the pixels with a weight for each."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 4, stride=4)  # 8 px -> 4 tokens
        self.together = nn.MultiheadAttention(8, 2, batch_first=True)
        self.apart = nn.MultiheadAttention(8, 2, kdim=3, vdim=3, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.stem(images).flatten(2).mT
        tokens = self.together(tokens, tokens, tokens, need_weights=False)[0]
        pixels = images.flatten(2).mT
        return self.head(self.apart(tokens, pixels, pixels, need_weights=False)[0].mean(1))


@pytest.mark.parametrize("exclude, left", [
    ((), LAYERS),
    (("*.in_proj",), [layer for layer in LAYERS if layer != "together.in_proj"]),
    (("apart.[qkv]_proj", "stem"), ["together.in_proj", "together.out_proj", "apart.out_proj", "head"]),
])  # fmt: skip
def test_the_projections_are_layers_with_names_of_their_own(exclude, left) -> None:
    weights = prunable(Attending(), exclude)
    assert list(map(layer_of, weights)) == left
    assert all(weight.ndim > 1 for weight in weights.values()), "never a bias"


@pytest.mark.parametrize("score", sorted(SCORES))
@pytest.mark.parametrize("plan, scope", [("oneshot", "global"), ("oneshot", "layer"), ("oneshot", "erk"), ("layerwise", "layer")])
def test_every_score_and_plan_prunes_them_exactly_and_training_holds_the_masks(
    make_store, make_batches, score, plan, scope
) -> None:
    network, batches, task = Attending(), make_batches(make_store()), cross_entropy()
    weights = prunable(network)
    seen = []

    def slopes() -> dict[str, Tensor]:
        seen.append(mean_gradients(network, weights, batches, task, count=2, precision=torch.float32))
        assert all(bool(slope.any()) for slope in seen[-1].values()), "every projection has a slope"
        return seen[-1]

    rounds = PLANS[plan](tuple(weights), 0.75, budget=8, scope=scope, recovery_share=0.5)
    masks = run(
        weights, rounds, score=lambda chosen: SCORES[score](chosen, seed=1, gradients=slopes), recover=lambda *_: None
    )  # fmt: skip
    assert bool(seen) == (score == "gradient_times_weight")
    assert achieved_sparsity(weights) == 0.75
    if scope == "layer":
        assert all(int(masks[name].sum()) * 4 == weight.numel() for name, weight in weights.items())

    before = {name: weight.detach().clone() for name, weight in weights.items()}
    fit(
        network, batches, task, first=0, last=3, schedule=lambda step: 0.1, validate=lambda network: (0.0, 0.0), seed=0,
        update=make("sgd", list(network.parameters()), momentum=0.9, weight_decay=0.01), log=Log(), precision=torch.float32,
        weights=weights, masks=masks,
    )  # fmt: skip
    for name, weight in weights.items():
        assert not weight[~masks[name]].any() and bool((weight != before[name])[masks[name]].all()), name


def test_the_fast_path_outside_of_training_uses_the_pruned_weights(make_store) -> None:
    network = Attending().eval()
    with torch.no_grad():
        network.together.in_proj_weight[::2] = 0
    images = torch.rand(4, 3, 8, 8)
    slow = network(images)  # gradients are on
    assert torch.backends.mha.get_fastpath_enabled()
    with torch.inference_mode():
        torch.testing.assert_close(network(images), slow)
