"""The tables of params.yaml: type, range, unit and meaning of every key.

There are no defaults: what runs stands in params.yaml. The names that registries know are repeated here, so that checking
imports no torch; a test holds them equal. docs/params.md, params.schema.json and the comments in params.yaml are held to this.
"""

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field

from prunescope.results.grid import Grid
from prunescope.study.fields import Distinct, Each, Four, List, NoneAs, Table, number, rows, some
from prunescope.study.recipes import Recipe

Plan = Literal["oneshot", "iterative", "layerwise"]
Score = Literal["magnitude", "random", "gradient_times_weight"]
Scope = Literal["global", "layer", "erk"]
SparsitySchedule = Literal["linear", "geometric", "cubic", "delayed"]
Order = Literal["forward", "backward"]
Rewind = Literal["none", "weights", "learning_rate"]
Recovery = Literal["labels", "teacher"]
Endpoint = Literal["accuracy", "balanced_accuracy", "macro_f1", "auc"]
LEVEL: Any = {"noun": "a fraction", "unit": "fraction", "ge": 0, "lt": 1, "tail": ": the share of weights that is removed"}


class Study(Table):
    """The grid: every combination is one cell."""

    models: Distinct[str] = some("torchvision's classifiers by name (vgg16_bn: with batch norm); width and stem only where known")
    datasets: Distinct[str] = some("rows of `data`")
    methods: Distinct[str] = some("rows of `prune`; other_methods repeats those that are not oneshot, layerwise or iterative")
    other_methods: List[str] = some(
        "those of study.methods that the stage prune-other runs: all but oneshot, layerwise and iterative"
    )
    seeds: Distinct[int] = some(
        "one run of everything for each seed (whole numbers); narrow, channels, taught: models with more controls"
    )
    narrow: List[str] = some(
        "models of which a dense network of as few parameters is trained too, for each level (VGG and DenseNet)"
    )
    channels: List[str] = some(
        "models whose base also loses whole channels until it has as few parameters, for each level (VGG, DenseNet and ResNet)"
    )
    taught: List[str] = some("models whose dense control is trained a second time, with its own base as the teacher")
    name: str = some("shown in the report, and names the folder of a kept study")


class Method(Table):
    """A pruning method: a plan with its settings."""

    plan: Plan = some("oneshot, layerwise or iterative; the rows of these names keep the plan of their name")
    score: Score = some("what a weight is worth: magnitude (L1), random (control) or gradient_times_weight")
    score_batches: int = number("of gradient_times_weight: training batches that the gradient is the mean of", unit="count", ge=1)
    scope: Scope = some(
        "what sets layers' levels: global = one ranking of all, layer = all the same, erk = Erdos-Renyi-kernel shares"
    )
    schedule: SparsitySchedule = some(
        "of iterative plans, how the sparsity rises: linear, geometric, cubic, or delayed (linear after a pause: the paper's)"
    )
    step: float = number(
        "of iterative plans: share that a round removes, of all weights (geometric: of those left)",
        noun="a fraction", unit="fraction", gt=0, le=1,
    )  # fmt: skip
    recovery_share: float = number(
        "of layerwise plans: share of the finetune budget spent between layers", unit="fraction", ge=0, le=1
    )
    order: Order = some("of layerwise plans: forward = in network order, or backward")
    rewind: Rewind = some("after each round: none, weights (to the base) or learning_rate (its schedule starts again)")
    recovery: Recovery = some("what recovery learns from: labels, or teacher = the dense base too, as in distill")
    exclude: List[str] = some("layers that stay dense: names or shell patterns, such as classifier*")
    reestimate_batches: int = number(
        "training batches that batch-norm statistics are re-estimated from after each round; 0 = kept", unit="count", ge=0
    )


class Distill(Table):
    """Knowledge distillation: the finished networks of these models teach a small student."""

    teachers: List[str] = some("models of the study that teach; [] for no distillation")
    student: str = some("torchvision's name; starts as network.init says, at random where that is a file")
    temperature: float = number("T that softens both outputs (Hinton et al. 2015)", gt=0)
    soft_weight: float = number("share of the soft loss; the rest is the loss on the labels", unit="fraction", ge=0, le=1)

    @property
    def teaching(self) -> dict[str, float]:
        """What the loss of teaching takes."""
        return {"temperature": self.temperature, "soft_weight": self.soft_weight}


class Cka(Table):
    """Layer similarity: debiased CKA of all convolution and linear layers."""

    probe_images: int = number(
        "test images that all networks see, equally many of each class where there are enough", unit="images", ge=4
    )
    batch_size: int = number("images a minibatch; larger ones estimate better and cost more", unit="images", ge=4)
    layers: str = some("compared: all (convolutions and linear layers), blocks, or a regular expression over module names")
    pool: bool = some("outputs as means over their positions, pixels or tokens (true), or with all positions (false)")
    bandwidth: Annotated[float | None, NoneAs("linear")] = number(
        "linear for linear kernels, or of Gaussian ones as a fraction of the median distance", gt=0
    )


class Sensitivity(Table):
    """Layer sensitivity: the dense base with one layer pruned at a time, in forward passes alone."""

    models: List[str] = some("models of the study whose layers are tried one by one; [] for none")
    levels: Distinct[Annotated[float, number("", **LEVEL)]] = some("shares that are removed of the one layer's weights")
    images: int = number("validation images at most, evenly spread over the split", unit="images", ge=1)


class Deploy(Table):
    """Finished networks as ONNX files in onnxruntime, on the test split: needs pip install 'prunescope[deploy]'."""

    formats: Each[Literal["fp32", "bf16", "int8"]] = some(
        "fp32, bf16 (stored so, computed in float32), int8 (static, weights per channel); [] for none"
    )
    calibration_images: int = number(
        "training images at most, evenly spread over the split, that set the ranges of INT8's activations", unit="images", ge=8
    )


class Evaluate(Table):
    """Test metrics and costs, and what decides: endpoint, margins and critical classes, fixed before the numbers are seen."""

    ece_bins: int = number("equal-width confidence bins of the expected calibration error", unit="count", ge=1)
    bootstrap_draws: int = number(
        "resamples of the test split's groups (lesions; else images) that the 95 % intervals are made of", unit="count", ge=1
    )
    latency_seconds: float = number(
        "how long each batch size is timed, in turn with the unpruned network (at least 7 passes of each)", unit="s", gt=0
    )
    primary: dict[str, Endpoint] = rows(
        "what the verdicts are about on each data set: accuracy, balanced_accuracy, macro_f1 or auc"
    )
    critical: List[str] = some("classes whose recall matters most, such as mel; data sets without them are not affected")
    margin: float = number("differences of the primary endpoint below it do not matter, points", unit="points", gt=0, le=50)
    margin_cka: float = number("differences of mean similarity below it do not matter", unit="CKA", gt=0, le=0.5)


class Runtime(Table):
    """Where it runs. Only precision and compile are tracked: changing the others reruns nothing."""

    device: str = some(
        "auto (cuda, mps, cpu in this order), cpu, cuda, cuda:N or mps",
        pattern=r"^(auto|cpu|mps|cuda(:[0-9]+)?)$", noun="auto, cpu, cuda, cuda:N or mps",
    )  # fmt: skip
    precision: Literal["auto", "bf16", "fp32"] = some("auto (bf16 where the hardware computes in it), bf16 or fp32")
    compile: bool = some("whether torch.compile fuses the network (minutes to begin with; for long GPU runs)")
    threads: int = number("CPU threads of a stage; 0 leaves it to torch (more: see docs/machines.md)", unit="count", ge=0)
    processes: Literal["auto"] | Annotated[int, Field(ge=1)] = some(
        "that train one network together on equal parts of each batch: auto (one a GPU, one on a CPU) or a number"
    )
    save_seconds: float = number(
        "between saves of an unfinished stage into resume/; it is also saved at the ends of epochs", unit="s", gt=0
    )


class Params(Table):
    """The levels of sparsity, the method that is shown, and the tables below."""

    sparsity: float = number("share of the prunable weights that every pruning method removes", **LEVEL)
    compare_sparsities: Four[Annotated[float, number("", **LEVEL)]] = some(
        "further levels of accuracy against sparsity, always four: a repeated one is none"
    )
    method: str = some("whose numbers metrics/selected.json shows: one of study.methods")
    study: Study = some("the grid: every combination is one cell")
    prune: dict[str, Method] = rows("pruning methods: a new row here and its name in study.methods make a new method")
    data: dict[str, Recipe] = rows("what each data set asks for: preparation, network, training and budgets")
    distill: Distill = some("the finished networks of some models teach a small student")
    cka: Cka = some("layer similarity")
    sensitivity: Sensitivity = some("what pruning one layer alone costs")
    deploy: Deploy = some("what other formats of the finished networks are worth")
    evaluate: Evaluate = some("test metrics and costs, and what decides, fixed before the numbers are seen")
    runtime: Runtime = some("where it runs: only precision and compile are tracked, changing the others reruns nothing")

    @property
    def grid(self) -> Grid:
        """The study as the report reads it, with what decides and whose layers were tried."""
        of = self.evaluate
        decides = {
            "sensitivity": self.sensitivity.models,
            "formats": self.deploy.formats,
            "chance": tuple(row for row in self.study.methods if row in self.prune and self.prune[row].score == "random"),
            "margin": of.margin,
            "margin_cka": of.margin_cka,
            "critical": of.critical,
        }
        return replace(self.cells, primary={name: of.primary[name] for name in self.study.datasets}, **decides)

    @property
    def cells(self) -> Grid:
        """The study without what decides."""
        study, levels = self.study, self.sparsities
        names = ("name", "models", "datasets", "methods", "seeds", "narrow", "channels", "taught")
        return Grid(**{name: getattr(study, name) for name in names}, sparsities=levels, teachers=self.distill.teachers)

    @property
    def sparsities(self) -> tuple[float, ...]:
        """The levels of the study, each once."""
        return tuple(dict.fromkeys((self.sparsity, *self.compare_sparsities)))
