"""benchmarks/simulate.py on graphs whose makespan is known by hand, and its graph and guesses against the study's own."""

import sys

import pytest

from graph import ROOT, items, read_yaml

sys.path.append(str(ROOT / "benchmarks"))
from guesses import START, Guesses
from simulate import PAPER, critical_path, simulate, study

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # DVC's graph, by pygtrie
DIAMOND = {"a": [], "b": ["a"], "c": [], "d": ["b", "c"]}
SECONDS = {"a": 3.0, "b": 2.0, "c": 4.0, "d": 1.0}


@pytest.mark.parametrize("slots, wanted", [(1, 10.0), (2, 6.0), (64, 6.0)])
def test_a_diamond(slots, wanted):
    assert simulate(DIAMOND, SECONDS, slots=slots) == wanted
    assert critical_path(DIAMOND, SECONDS) == 6.0


def test_the_longest_path_begins_first():
    """Two short stages and a long one on two slots: the long one beside the short ones, or after them."""
    needs, seconds = {"x": [], "y": [], "long": []}, {"x": 1.0, "y": 1.0, "long": 3.0}
    assert simulate(needs, seconds, slots=2) == 3.0
    assert simulate(needs, seconds, slots=2, longest=False) == 4.0


def test_what_measures_time_has_no_neighbours():
    needs, seconds = {"a": [], "timed": [], "b": []}, {"a": 2.0, "timed": 1.0, "b": 2.0}
    assert simulate(needs, seconds, slots=3) == 2.0
    assert simulate(needs, seconds, slots=3, alone={"timed"}) == 3.0


def test_the_graph_is_that_of_the_study():
    with study(()) as (graph, _):
        assert graph.needs.keys() == items(read_yaml(ROOT / "params.yaml")).keys()
        assert {stage.partition("@")[0] for stage in graph.alone} == {"evaluate", "evaluate-dense"}
        assert graph.needs["finetune@oneshot-vgg16_bn-digits-0.8-0"] == {
            "prune-oneshot@vgg16_bn-digits-0.8-0",
            "pretrain@vgg16_bn-digits-0",
            "download@digits",
        }


def test_guesses_give_all_methods_the_same_budget():
    grid = ("study.models=[vgg16]", "study.datasets=[cifar100]", "study.seeds=[0]")
    with study((*PAPER, *grid)) as (graph, params):
        guesses = Guesses(params)
        seconds = {stage: guesses.seconds(command) for stage, command in graph.commands.items()}
    dense = seconds["finetune-dense@vgg16-cifar100-0"]
    assert dense == seconds["pretrain@vgg16-cifar100-0"] > 100
    for method in ("oneshot", "layerwise", "iterative"):
        parts = [seconds[f"{name}vgg16-cifar100-0.8-0"] for name in (f"prune-{method}@", f"finetune@{method}-")]
        assert sum(parts) == pytest.approx(dense + START)
    assert seconds["distill-alone@vgg16-cifar100-0"] < seconds["distill-dense@vgg16-cifar100-0"]
