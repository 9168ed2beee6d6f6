"""Fine-tuning written out with torch.optim: what the stage must come to."""

import math
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from prunescope.data import store as stores
from prunescope.data.batches import Batches
from prunescope.networks.architectures import build
from prunescope.networks.checkpoint import Checkpoint
from prunescope.seeds import mix


def rest_of_training(
    start: Checkpoint, store: Path, recipe: dict[str, Any], *, total: int, base: Checkpoint
) -> dict[str, Tensor]:
    """The state dict after the steps of the budget `total` that a pruned checkpoint has left; seed 0, a cosine schedule."""
    training, spent = recipe["training"], start.about["steps"]
    settings = {name: training[name] for name in ("batch_size", "crop_padding", "flip")}
    batches = Batches(stores.read(store), "train", seed=1, device=torch.device("cpu"), **settings)
    network = build(start.architecture)
    network.load_state_dict(start.state | (start.reestimated if start.about["reestimated"] else {}))
    teacher, teaching = build(base.architecture).eval(), start.about["teaching"]
    teacher.load_state_dict(base.state)
    teacher.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    parameters, rate = list(network.parameters()), recipe["finetune"]["learning_rate"]
    update = torch.optim.SGD(
        parameters, rate, training["momentum"], weight_decay=training["weight_decay"], nesterov=True, foreach=False
    )
    for number, parameter in enumerate(parameters):
        if (momentum := start.optimizer.get(f"momentum:{number}")) is not None:
            update.state[parameter]["momentum_buffer"] = momentum.clone()
    begin = spent if start.about["restarted"] else 0
    network.train()
    for step in range(spent, total):
        place, length = step - begin, total - begin
        falling = rate * 0.5 * (1 + math.cos(math.pi * place / length)) * min(1.0, (place + 1) / max(1, length // 20))
        update.param_groups[0]["lr"] = falling
        torch.manual_seed(mix(0, step))  # dropout
        images, labels = batches.at(step)
        update.zero_grad()
        logits = network(images)
        loss = F.cross_entropy(logits, labels)
        if teaching:
            warm, share = teaching["temperature"], teaching["soft_weight"]
            with torch.no_grad():
                target = F.log_softmax(teacher(images) / warm, 1)
            soft = F.kl_div(F.log_softmax(logits / warm, 1), target, reduction="batchmean", log_target=True)
            loss = (1 - share) * loss + share * warm**2 * soft
        loss.backward()
        update.step()
        with torch.no_grad():
            for name, mask in start.masks.items():
                network.get_parameter(name).mul_(mask)
    return {name: tensor.detach() for name, tensor in network.state_dict().items() if tensor.is_floating_point()}
