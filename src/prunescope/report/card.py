"""A finished network's model card, in the form that Hugging Face's hub reads: YAML, then sections. All comes from files, and what
they do not say is called unknown."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from prunescope import __version__
from prunescope.evidence.classes import FEWEST
from prunescope.evidence.facts import ENVIRONMENT
from prunescope.evidence.quality import FEW
from prunescope.files import write_text
from prunescope.report import card_numbers
from prunescope.report.blocks import Block, Commands, Section, Table, Text, to_markdown
from prunescope.report.card_numbers import UNKNOWN, count, listed, percent, three
from prunescope.report.carded import Carded
from prunescope.results.grid import CHANNELS, NARROW, TAUGHT

HUB = {"accuracy": "accuracy", "macro_f1": "f1", "auc": "roc_auc", "brier": "brier_score"}  # names of metrics on the hub
Sources = Mapping[str, Mapping[str, str]]  # kind of source -> its licence and citation


def write(of: Carded, out: Path, sources: Sources) -> None:
    """Write the card of a network as `out`."""
    arm = of.arm
    level = f"{arm.sparsity * 100:g} %"  # of a student its teacher's, of one of fewer channels that of the networks beside it
    how = f"{arm.method}, {level} sparse" if arm.kind == "pruned" else f"{arm.method} at {level}" if arm.sparsity else arm.method
    source, about = of.setting("data", arm.dataset, "prepare", "source"), dict(of.data)
    about = dict(sources.get(source or "", {})) | {key: value for key, value in about.items() if value}
    made = [
        Section("What it is", list(_what(of))),
        Section("Intended use and limits", list(_limits(of, about))),
        Section("Training data", list(_data(of, about))),
        Section("Training procedure", list(card_numbers.training(of))),
        Section("Evaluation", list(card_numbers.evaluation(of))),
        Section("Critical classes", list(card_numbers.classes(of))),
        Section("Size and latency", [*card_numbers.costs(of), *card_numbers.formats(of)]),
        Section("How to load it", list(_loading(of, about))),
        Section("Provenance", list(_provenance(of))),
    ]
    front = yaml.safe_dump(_front(of, about.get("licence"), source), sort_keys=False, allow_unicode=True)
    title = f"{arm.model} on {arm.dataset}: {how}, seed {arm.seed}"
    write_text(out, f"---\n{front}---\n\n{to_markdown(title, f'Model card by prunescope {__version__}.', made)}")


def _front(of: Carded, licence: str | None, source: str | None) -> dict[str, Any]:
    """What the hub reads. Nothing gives the network a licence of its own: the data's stands for it."""
    found = re.match(r"CC (BY(?:-\w+)*) (\d\.\d)", licence or "")
    if found:
        front = {"license": f"cc-{found[1].lower()}-{found[2]}"}
    elif licence in (None, "none stated"):
        front = {"license": UNKNOWN}
    else:
        front = {"license": "other", "license_name": licence}
    tags = ["prunescope", *(("pruning", of.arm.method) if of.arm.kind == "pruned" else (of.arm.kind,)), _built(of)["name"]]
    metrics = [name for key, name in HUB.items() if of.record(of.arm.evaluate).get(key) is not None]
    front |= {"library_name": "prunescope", "pipeline_tag": "image-classification", "tags": tags}
    return front | {"datasets": [source if source not in (None, "folder") else of.arm.dataset], "metrics": metrics}


def _built(of: Carded) -> dict[str, Any]:
    """The architecture: as the checkpoint says, else as params.yaml asks for it."""
    if of.header:
        return dict(of.header["architecture"])
    name = of.setting("distill", "student") if of.arm.kind == "student" else of.arm.model
    asked = of.setting("data", of.arm.dataset, "network") or {}
    fitted: dict[str, Any] = {"width": UNKNOWN}
    if of.arm.kind != NARROW:
        fitted = {key: asked.get(key, UNKNOWN) for key in ("width", "stem", "head")}
    fitted |= {"channels": UNKNOWN} if of.arm.kind == CHANNELS else {}
    return {"name": name or UNKNOWN, "classes": of.record(f"download/{of.arm.dataset}").get("classes", UNKNOWN)} | fitted


def _what(of: Carded) -> Iterator[Block]:
    arm, tested, built = of.arm, of.record(of.arm.evaluate), _built(of)
    teacher = arm.method.removeprefix("student-")
    taught = f"that learnt from the network {teacher} of {arm.model}{f' at {arm.sparsity * 100:g} %' if arm.sparsity else ''}"
    taught = "that no teacher taught, the control of taught ones" if teacher == "alone" else taught
    kinds = {
        "base": "the dense network that all methods start from",
        "dense": "the dense control: not pruned, trained for as many further steps as every pruned network",
        "narrow": f"a dense network with as few parameters as one that is {arm.sparsity * 100:g} % sparse",
        "channels": "what is left of the dense base without the filters of the smallest L1 norm: a dense network with as few "
        f"parameters as one that is {arm.sparsity * 100:g} % sparse",
        "pruned": f"pruned by {arm.method} to {percent(tested.get('achieved_sparsity'))} % of its prunable weights being zero",
        "student": f"a small student {taught}",
    }
    if arm.method == TAUGHT:
        kinds["dense"] += ", and taught by the base"
    yield Text(f"An image classifier, torchvision's {built['name']}: {kinds[arm.kind]}.")
    rows = {f"architecture: {key}": value for key, value in built.items() if key != "name"}
    if isinstance(fewer := built.get("channels"), Mapping):
        rows["architecture: channels"] = f"fewer in {len(fewer)} layers; the checkpoint's header names them"
    rows |= {"parameters": count(tested.get("parameters")), "of them not zero": count(tested.get("nonzero_parameters"))}
    yield listed(rows, f"Sources: {'the checkpoint' if of.header else 'params.yaml'}, {arm.evaluate}.json.")


def _limits(of: Carded, about: Mapping[str, Any]) -> Iterator[Block]:
    licence = about.get("licence")
    yield Text(
        "Made to compare ways of pruning with each other. No other use was examined; not for decisions on people's health."
    )
    if licence and "-NC" in licence:
        yield Text(f"Trained on data under {licence}: not for commercial use.")
    elif not licence or licence == "none stated":
        yield Text("No licence of its training data is known: what it may be used for is unknown.")
    else:
        yield Text(f"Trained on data whose licence is: {licence}.")
    yield Text(
        f"One network of one seed ({of.arm.seed}). Its numbers are of test images from the source that it was trained on; "
        "how it does on images from elsewhere is unknown."
    )
    table = of.results.classes(of.arm)
    few = [] if table is None or "groups" not in table else list(table[table["groups"] < FEWEST]["class"])
    if few:
        yield Text(f"Classes with fewer than {FEWEST} groups of test images, of which little can be said: {', '.join(few)}.")


def _data(of: Carded, about: Mapping[str, Any]) -> Iterator[Block]:
    known = of.record(f"download/{of.arm.dataset}")
    rows = {"data set": of.arm.dataset, "source": of.setting("data", of.arm.dataset, "prepare", "source") or UNKNOWN}
    rows |= {"licence": about.get("licence") or UNKNOWN, "to be cited": about.get("citation") or UNKNOWN}
    rows |= {f"{split} images": count(known.get(f"{split}_images")) for split in ("train", "val", "test")}
    rows |= {"classes": count(known.get("classes")), "groups (lesions, patients)": count(known.get("groups"))}
    rows["groups in two splits"] = count(known.get("groups_in_two_splits"))
    rows["exact copies across splits"] = count(known.get("duplicates_across_splits"))
    yield listed(rows, f"Sources: metrics of download/{of.arm.dataset}, params.yaml, the prepared store where it is at hand.")
    per_class = known.get("images_per_class") or {}
    names = list(next(iter(per_class.values()), ()))
    if 0 < len(names) <= FEW:
        sizes = [{"class": name} | {split: count(sizes.get(name)) for split, sizes in per_class.items()} for name in names]
        yield Table(pd.DataFrame(sizes), "Images per class and split.", labels=1)


def _loading(of: Carded, about: Mapping[str, Any]) -> Iterator[Block]:
    told = (of.header or {}).get("inputs")  # a file of before does not say its classes
    store = "" if told or not of.header else f", store={f'prepared/{of.arm.dataset}'!r}"
    lines = ["import prunescope", "", f"network = prunescope.load({of.path!r}{store})"]
    if not of.header:
        yield Text("The checkpoint is not at hand where this card was written; the study's workflow makes it at this path.")
    yield Commands(lines)
    size = about.get("image_size") or of.setting("data", of.arm.dataset, "prepare", "image_size") or UNKNOWN
    mean, std = (three(about.get(key)) for key in ("mean", "std"))
    yield Text(
        f"It wants images as (N, 3, {size}, {size}) floats: a pixel divided by 255, less the mean, divided by the std of the "
        f"channels of the training images (mean {mean}; std {std}), and gives a score (N, classes) for each class. "
        "`network.preprocess` makes them of images as in training."
    )
    table = of.results.classes(of.arm)
    yield Text(f"Classes in this order: {UNKNOWN if table is None else ', '.join(table['class'])}.")


def _provenance(of: Carded) -> Iterator[Block]:
    header, last = of.header or {}, of.record(of.arm.training[-1])
    rows = {"checkpoint, sha256": header.get("sha256", f"{UNKNOWN}, the file is not at hand")}
    told = {key.removesuffix("_sha256"): value for key, value in last.items() if key.endswith("_sha256")}
    rows |= {f"parent: {role}, sha256": digest for role, digest in (told | header.get("parents", {})).items()}
    rows |= {"commit": ", ".join(of.made.get("commits", ())) or UNKNOWN, "command": of.made.get("command", UNKNOWN)}
    rows |= {"note": of.made["note"]} if "note" in of.made else {}
    for name, file in (of.record(f"download/{of.arm.dataset}").get("files") or {}).items():
        rows[f"data: {name}, sha256"] = f"{file['sha256']}{'' if file['official'] else ' (not the official file)'}"
    for key in ENVIRONMENT:
        rows[key] = "; ".join(dict.fromkeys(str(of.record(stage).get(key, UNKNOWN)) for stage in of.arm.training))
    yield listed(rows, "What made this network. Sources: the checkpoint's header, metrics of its stages.")
