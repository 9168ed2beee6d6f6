"""Batches: a function of (seed, step), every augmented image found again by naive cropping and mirroring."""

import itertools

import numpy as np
import pytest
import torch

from prunescope.data import batches as batches_module
from prunescope.data.batches import balanced, in_order
from prunescope.errors import PrunescopeError

CPU = torch.device("cpu")


def normalised(store, pixels: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 -> (3, H, W), the definition."""
    return ((pixels / 255 - np.array(store.mean)) / np.array(store.std)).transpose(2, 0, 1)


def candidates(store, row: int, padding: int, flip: str):
    """Every image that augmentation may make of a row: (offset, vertical, horizontal), pixels."""
    size = store.image_size
    padded = np.pad(store.images[row], ((padding, padding), (padding, padding), (0, 0)), mode="reflect")
    vertical = (False, True) if flip == "both" else (False,)
    horizontal = (False, True) if flip in ("horizontal", "both") else (False,)
    for top, left, up, side in itertools.product(range(2 * padding + 1), range(2 * padding + 1), vertical, horizontal):
        image = np.empty((size, size, 3), np.uint8)
        for y, x in itertools.product(range(size), range(size)):
            image[y, x] = padded[top + (size - 1 - y if up else y), left + (size - 1 - x if side else x)]
        yield (top, left, up, side), image


@pytest.mark.parametrize("padding, flip, epochs", [(0, "none", 2), (1, "none", 4), (0, "horizontal", 3), (1, "both", 8)])
def test_every_image_is_a_crop_and_mirror_of_one_row_each_epoch(make_store, make_batches, padding, flip, epochs) -> None:
    store = make_store(train=12, val=0, test=0, size=4)
    batches = make_batches(store, batch_size=4, crop_padding=padding, flip=flip)
    known = {}
    for row in range(12):
        for how, image in candidates(store, row, padding, flip):
            known[normalised(store, image).round(3).tobytes()] = (row, how)
    ways = (2 * padding + 1) ** 2 * {"none": 1, "horizontal": 2, "both": 4}[flip]
    assert len(known) == 12 * ways, "two ways to make one image"
    keys = np.stack([np.frombuffer(key).reshape(3, 4, 4) for key in known])
    seen = []
    for epoch in range(epochs):
        rows = []
        for step in range(3 * epoch, 3 * epoch + 3):
            images, labels = batches.at(step)
            for image, label in zip(images.numpy(), labels.tolist(), strict=True):
                distance = np.abs(keys - image).max((1, 2, 3))
                assert distance.min() < 1e-3, "no crop and mirror of any row"
                row, how = list(known.values())[int(distance.argmin())]
                assert label == store.labels[row]
                rows.append(row)
                seen.append(how)
        assert sorted(rows) == list(range(12))
        assert rows != list(range(12)), "not shuffled"
    for part in range(4):  # every offset and direction is drawn
        assert len({how[part] for how in seen}) == (
            2 * padding + 1 if part < 2 else 1 + (flip == "both" or (flip == "horizontal" and part == 3))
        )


def test_a_batch_is_a_function_of_seed_and_step(make_store, make_batches) -> None:
    store = make_store()
    batches = make_batches(store)
    forward = [batches.at(step) for step in range(10)]
    other = make_batches(store)
    for step in (9, 0, 5, 4, 8, 3):  # in any order, over epoch borders
        assert torch.equal(other.at(step)[0], forward[step][0]) and torch.equal(other.at(step)[1], forward[step][1])
    assert not any(torch.equal(a[0], b[0]) for a, b in itertools.combinations(forward, 2))
    elsewhere = make_batches(store, seed=1)
    assert not any(torch.equal(elsewhere.at(step)[0], forward[step][0]) for step in range(10))


def test_batches_leave_the_global_generators_alone(make_store, make_batches) -> None:
    torch.manual_seed(7)
    wanted = torch.rand(3)
    torch.manual_seed(7)
    batches = make_batches(make_store())
    batches.at(0)
    assert torch.equal(torch.rand(3), wanted)


def test_shapes_and_the_remainder_of_an_epoch(make_store, make_batches) -> None:
    batches = make_batches(make_store(train=11), batch_size=4)
    assert batches.steps_per_epoch == 2
    images, labels = batches.at(0)
    assert (images.shape, images.dtype) == ((4, 3, 8, 8), torch.float32)
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert (labels.shape, labels.dtype) == ((4,), torch.int64)
    whole = make_batches(make_store(train=3), batch_size=64)
    assert (whole.batch_size, whole.steps_per_epoch) == (3, 1)


def test_the_images_left_out_change_from_epoch_to_epoch(make_store, make_batches) -> None:
    store = make_store(train=5, val=0, test=0, classes=5)
    batches = make_batches(store, batch_size=4, crop_padding=0, flip="none")
    left_out = {(set(range(5)) - set(batches.at(epoch)[1].tolist())).pop() for epoch in range(30)}
    assert left_out == set(range(5))


def test_what_cannot_be_cropped_or_is_empty_is_refused(make_store, make_batches) -> None:
    with pytest.raises(PrunescopeError, match="crop_padding 8 must be below image_size 8"):
        make_batches(make_store(), crop_padding=8)
    assert make_batches(make_store(), crop_padding=7).at(0)[0].shape == (5, 3, 8, 8)
    with pytest.raises(PrunescopeError, match="train split is empty"):
        make_batches(make_store(train=0))


def test_evaluation_order_is_the_positions_and_the_last_batch_is_ragged(make_store) -> None:
    store = make_store()
    positions = np.array([4, 1, 30, 2, 2, 9, 35])
    parts = list(in_order(store, positions, batch_size=3, device=CPU))
    assert [len(labels) for _, labels in parts] == [3, 3, 1]
    assert torch.cat([labels for _, labels in parts]).tolist() == store.labels[positions].tolist()
    found = torch.cat([images for images, _ in parts]).numpy()
    wanted = np.stack([normalised(store, store.images[row]) for row in positions])
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    assert parts[0][0].is_contiguous(memory_format=torch.channels_last)
    assert list(in_order(store, positions[:0], batch_size=3, device=CPU)) == []


def test_reading_changes_no_pixel_of_the_store(make_store, make_batches) -> None:
    store = make_store()
    before = store.images.copy()
    store.images.setflags(write=False)  # as a memory map for reading
    make_batches(store, crop_padding=0).at(0)
    list(in_order(store, store.indices("val"), batch_size=3, device=CPU))
    assert np.array_equal(store.images, before)


def test_a_channel_without_contrast_stays_finite(make_store, make_batches) -> None:
    from dataclasses import replace

    images, _ = make_batches(replace(make_store(), std=(0.0, 0.1, 0.1))).at(0)
    assert images.isfinite().all()


@pytest.mark.parametrize("count, wanted", [(3, [1, 1, 1]), (10, [3, 3, 3]), (1, [1, 1, 1]), (1000, [7, 7, 6])])
def test_a_balanced_choice_has_equally_many_of_each_class(make_store, count, wanted) -> None:
    store = make_store(train=20)
    # classes in turn over all 36 images: how many of each the split has
    have = np.bincount(store.labels[store.indices("train")], minlength=3)
    chosen = balanced(store, "train", count)
    assert (
        np.bincount(store.labels[chosen], minlength=3).tolist() == [min(w, h) for w, h in zip(wanted, have, strict=True)]
        if count < 1000
        else have.tolist()
    )
    assert (np.diff(chosen) > 0).all() and set(chosen) <= set(store.indices("train"))


def test_balanced_epochs_have_each_class_and_in_it_each_image_equally_often(make_store, make_batches) -> None:
    store = make_store(train=60, val=0, test=0, size=4)
    store.labels[:] = np.repeat([0, 1, 2], [41, 16, 3])
    batches = make_batches(store, batch_size=6, crop_padding=0, flip="none", balanced=True)
    rows = {normalised(store, store.images[row]).round(3).tobytes(): row for row in range(60)}
    keys = np.stack([np.frombuffer(key).reshape(3, 4, 4) for key in rows])
    orders = []
    for epoch in range(3):
        seen = []
        for step in range(10 * epoch, 10 * epoch + 10):
            images, labels = batches.at(step)
            found = [list(rows.values())[int(np.abs(keys - image).max((1, 2, 3)).argmin())] for image in images.numpy()]
            assert store.labels[found].tolist() == labels.tolist() == batches.labels_at(step).tolist()
            seen += found
        times = np.bincount(seen, minlength=60)
        assert [int(times[store.labels == k].sum()) for k in range(3)] == [20, 20, 20]
        assert times[:41].max() == 1 and set(times[41:57].tolist()) == {1, 2} and set(times[57:].tolist()) == {6, 7}
        batches_of_classes = np.array(store.labels[seen]).reshape(10, 6)
        assert sum(len(set(row)) > 1 for row in batches_of_classes.tolist()) >= 9, "batches of one class"
        orders.append(seen)
    assert orders[0] != orders[1] and set(orders[0]) != set(orders[1])
    uneven = make_store(train=61, val=0, test=0, size=4)
    drawn = torch.cat([make_batches(uneven, batch_size=61, balanced=True).labels_at(epoch) for epoch in range(40)])
    counts = torch.bincount(drawn)
    assert counts.sum() == 61 * 40 and (counts - 61 * 40 / 3).abs().max() <= 20  # the odd one is dealt at random


@pytest.mark.parametrize("padding", [0, 2])
def test_a_split_that_does_not_fit_is_read_batch_by_batch_with_the_same_bits(
    make_store, make_batches, monkeypatch, padding
) -> None:
    store = make_store()
    resident = make_batches(store, crop_padding=padding)
    monkeypatch.setattr(batches_module, "free_bytes", lambda device: 100)
    streamed = make_batches(store, crop_padding=padding)
    assert resident.resident is not None and streamed.resident is None
    for step in range(8):
        assert torch.equal(resident.at(step)[0], streamed.at(step)[0])
        assert torch.equal(resident.at(step)[1], streamed.at(step)[1])


def test_free_memory_is_told() -> None:
    assert 1 << 20 < batches_module.free_bytes(CPU) < 1 << 50
