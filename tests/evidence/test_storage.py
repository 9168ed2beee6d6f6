"""What pruning saves, beside the latency it does not change."""

import json
from dataclasses import replace

from prunescope.evidence import facts, storage
from prunescope.evidence.text import NOTHING
from report_fakes import opened, row, write_training


def test_zeros_bytes_and_milliseconds(tree):
    metrics, study = tree()
    found = row(storage.storage_table(opened(metrics, study)), model="vgg16", method="oneshot")
    packed = round(4_000_000 * (1 - 0.8 * 0.99)) + 125_000
    assert (found["nonzero params, M"], found["theoretical speed-up"], found["MB packed"]) == ("0.208", "4.81×", "0.957")
    assert (found["smaller"], found["smaller, bf16"]) == (f"{4e6 / packed:.1f}×", f"{4e6 / (packed // 2):.1f}×")
    assert (found["1 image, ms"], found["32 images, ms"]) == ("2.00", "64.0")
    assert (found["1 image, of unpruned"], found["32 images, of unpruned"]) == ("0.99×", "1.01×")
    assert storage.measured_speed(opened(metrics, study)) == (
        "Measured in turn with the unpruned network, the pruned ones took 0.99 times as long for 1 image and "
        "1.01 times as long for 32 images."
    )
    found = storage.measured_speed(opened(metrics, study))
    assert storage.measured_speed(opened(metrics, study), 0.8) == found.replace("Measured", "Measured at 80 %,")
    assert storage.measured_speed(opened(metrics, study), 0.5) == "", "no network has this level"
    assert storage.timed_on(opened(metrics, study)) == "cpu (a processor), 2 threads, float32"
    assert round(storage.spread_of_latency(opened(metrics, study)) or 0, 9) == 0.1


def test_nothing_was_timed(tree):
    metrics, study = tree()
    for path in (metrics / "evaluate").rglob("*-latency.json"):
        path.unlink()
    results = opened(metrics, study)
    found = row(storage.storage_table(results), model="vgg16", method="oneshot")
    assert found["1 image, ms"] == NOTHING
    assert storage.measured_speed(results) == ""
    assert storage.spread_of_latency(opened(metrics, study)) is None
    assert storage.timed_on(opened(metrics, study)) == ""


def test_a_narrow_network_has_a_base_of_its_own(tree):
    """It is no sign that arms started apart; a pruned arm that did is."""
    metrics, study = tree(models=("vgg16",))
    study = replace(study, narrow=("vgg16",))
    other = {"base_sha256": "cd" * 32}
    for name in ("pretrain/narrow-vgg16-digits-0.8-0.json", "finetune/vgg16-digits-0.8-0/narrow.json"):
        write_training(metrics / name, 40)
        path = metrics / name
        path.write_text(json.dumps(json.loads(path.read_text()) | other))
    assert facts.base_hashes(opened(metrics, study)) == {"vgg16-digits-0": {"ab" * 32}}
    path = metrics / "finetune/vgg16-digits-0.8-0/oneshot.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | other))
    assert facts.base_hashes(opened(metrics, study)) == {"vgg16-digits-0": {"ab" * 32, "cd" * 32}}
