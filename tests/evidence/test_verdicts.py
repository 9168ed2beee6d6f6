"""The rules: from comparisons to the verdict of a cell, from cells to that of the study, and what would decide open ones."""

from collections.abc import Mapping, Sequence

import pytest

from prunescope.evidence.claims import CLAIMS, FAILS, HOLDS, Cells, verdict, wanted_in
from prunescope.evidence.differences import judge
from prunescope.evidence.inference import EQUAL, NOT_RUN, OPEN
from prunescope.evidence.layouts import compare, of_series
from prunescope.evidence.studywide import elsewhere, here, over_study, wanted_elsewhere, wanted_here
from prunescope.evidence.verdicts import claims_table, counted, elsewhere_text, here_text, rules
from prunescope.results.grid import Cell
from report_fakes import make_study

UP, DOWN, UNSURE, SAME = (4.0, 4.1, 3.9), (-4.0, -4.1, -3.9), (0.0, 2.0, 4.0), (0.01, 0.0, -0.01)
ONE, NONE, FAR, STILL = (3.0,), (), (-30.0,), (-30.0, -30.0, -30.0)  # the last two, beside UP: the other way, of unknown noise


def cells(*of: Mapping[str, Sequence[float]]) -> Cells:
    """Series by comparison, cell by cell, judged with a margin of 1."""
    series = [{name: dict(enumerate(values)) for name, values in cell.items()} for cell in of]
    found = {Cell("vgg16", "digits", number / 10): of_series(cell) for number, cell in enumerate(series)}
    return judge(compare(found), 1.0)


@pytest.mark.parametrize(
    ("comparisons", "wanted"),
    [
        ((UP, UP), HOLDS),
        ((UP, UNSURE), OPEN),
        ((UP, DOWN), FAILS),
        ((UNSURE, DOWN), FAILS),
        ((UP, SAME), FAILS),  # equal to one of those that it is claimed to beat
        ((SAME, SAME), EQUAL),
        ((SAME, UNSURE), FAILS),
        ((SAME, DOWN), FAILS),
        ((ONE, ONE), OPEN),
        ((UP, ONE), OPEN),
        ((UP, NONE), NOT_RUN),
        ((DOWN, NONE), FAILS),
        ((SAME, NONE), FAILS),
    ],
)
def test_verdict_of_a_cell(comparisons, wanted):
    [cell] = cells(dict(zip("ab", comparisons, strict=True))).values()
    assert verdict(cell) == wanted
    assert verdict({}) == NOT_RUN


@pytest.mark.parametrize(
    ("of", "wanted"),
    [
        ([UP], HOLDS),
        ([UP, UP], HOLDS),
        ([UP, NONE], HOLDS),
        ([UP] * 4, HOLDS),
        ([UP, UP, UP, UNSURE, UP], HOLDS),
        ([UP, DOWN], OPEN),
        ([UP, UP, DOWN, DOWN], OPEN),
        ([DOWN] * 3, FAILS),
        ([SAME, SAME, SAME], EQUAL),
        ([SAME, NONE], EQUAL),
        ([UNSURE, UNSURE], OPEN),
        ([ONE, ONE], OPEN),
        ([UP, ONE], HOLDS),
        ([UP, FAR], OPEN),
        ([UP, UP, UP, FAR], OPEN),
        ([UP, UP, UP, STILL], OPEN),
        ([SAME, SAME, SAME, ONE], OPEN),
        ([NONE, NONE], NOT_RUN),
        ([], NOT_RUN),
    ],
)
def test_verdict_over_all_cells(of, wanted):
    found = cells(*({"a": series} for series in of))
    assert here(over_study(found)) == wanted
    assert elsewhere(over_study(found)) == "–", "a single network says nothing of others"


def networks(*of: Sequence[float]) -> Cells:
    """A comparison on a data set each."""
    found = cells(*({"a": series} for series in of))
    return {Cell("vgg16", f"data{number}", 0.8): cell for number, cell in enumerate(found.values())}


def test_on_average_is_no_longer_in_every_single_cell():
    """Effects that no cell shows by itself among six are shown by their mean, in these networks and of others."""
    found = networks(*((2.0 + at, 3.5 + at, 3.2 - at) for at in (0.1, 0.3, -0.2, 0.4, 0.0, -0.1)))
    assert {verdict(cell) for cell in found.values()} == {OPEN}
    assert (here(over_study(found)), elsewhere(over_study(found))) == (HOLDS, HOLDS)
    [whole] = over_study(found).values()
    assert whole.means[0].between == 0.0, "cells differ by no more than their errors"


def test_networks_that_contradict_each_other_leave_it_open():
    """Their mean is shown to be near zero, which nobody should take for equal."""
    [apart] = over_study(found := networks(UP, UP, DOWN, DOWN)).values()
    assert apart.means[0].between == pytest.approx(4.6, abs=0.1)
    assert abs(apart.here.estimate.mean) < 0.1 and apart.here.estimate.high < 1 and apart.contradict
    assert (here(over_study(found)), elsewhere(over_study(found))) == (OPEN, OPEN)
    assert wanted_here(over_study(found)) == "more seeds do not: its cells contradict each other"
    assert here_text(CLAIMS[0], over_study(found)).endswith(" of 4 networks, they contradict")
    assert here(over_study(networks(UP, UP, UP, DOWN))) == OPEN, "the mean is better, one of them worse"
    assert here(over_study(networks(UP, UP, UP, SAME))) == HOLDS, "equal is not the other side"
    assert here(over_study(networks(UP, UP, UP, (-0.6, -0.61, -0.59)))) == HOLDS, "nor is less than the margin"
    assert here(over_study(networks(SAME, SAME, SAME, (0.8, 0.81, 0.79)))) == EQUAL, "that holds of its mean too"


def test_others_are_asked_what_the_conclusion_asks():
    """All of its comparisons, and no more than is known: one that did not run, or in one network alone, is not left out."""
    both = [{"a": UP, "b": UP}] * 4

    def asked(of: list[dict]) -> str:
        return elsewhere(over_study({Cell("vgg16", str(at), 0.8): cell for at, cell in enumerate(cells(*of).values())}))

    assert asked(both) == HOLDS
    assert asked([{"a": UP, "b": NONE}] * 4) == NOT_RUN
    assert asked([{"a": UP, "b": UP}, *[{"a": UP, "b": NONE}] * 3]) == OPEN
    assert elsewhere(over_study(networks(UP, UP, UP, UP, FAR))) == OPEN, "one seed on the other side"


def test_a_network_that_contradicts_over_its_levels_leaves_it_open():
    """Though no cell of it is shown to, among as many as there are."""
    weak = {level: (-2.0 + at, -2.7 - at, -1.4 + at) for level, at in ((0.5, 0.1), (0.6, -0.1), (0.7, 0.05), (0.8, 0.0))}
    found = of_networks(first=dict.fromkeys(weak, tuple(value + 10 for value in UP)), second=weak)
    assert {verdict(of) for cell, of in found.items() if cell.dataset == "second"} == {OPEN}
    [of] = over_study(found).values()
    assert of.here.estimate.p < 0.05 and of.contradict and here(over_study(found)) == OPEN


def test_networks_may_be_sure_of_themselves_and_say_little_of_others():
    """Two that differ have one degree of freedom for others like them, while each and so their mean is certain."""
    [whole] = over_study(found := networks(UP, tuple(value + 4 for value in UP))).values()
    assert whole.elsewhere is not None and whole.elsewhere.estimate.p > 0.05
    assert whole.here.estimate.mean == pytest.approx(6) and whole.here.estimate.p < 1e-3
    assert (here(over_study(found)), elsewhere(over_study(found))) == (HOLDS, OPEN)
    assert wanted_elsewhere(over_study(found)) == "about 5 data sets like these (3 to more than 100)"
    assert elsewhere_text(CLAIMS[0], over_study(found)) == "a: +6.0 [−19.4, +31.4], data sets differ by 2.8 (sd, 1.3 to 90.3)"
    assert elsewhere(over_study(networks(*[UP] * 4))) == HOLDS


def of_networks(**networks: Mapping[float, Sequence[float]]) -> Cells:
    """A comparison in networks at levels."""
    at = [(Cell("vgg16", name, level), {"a": series}) for name, levels in networks.items() for level, series in levels.items()]
    return {cell: of for (cell, _), of in zip(at, cells(*(series for _, series in at)).values(), strict=True)}


def test_levels_of_one_network_are_averaged_before_networks_are():
    """So that more levels make the mean over two networks no surer; they are those that both have, where there are such."""
    far, near = (tuple(value + more for value in UP) for more in (4, 0.2))
    [few] = over_study(of_networks(first={0.5: UP}, second={0.5: far})).values()
    found = of_networks(first={0.5: UP, 0.6: near, 0.7: UP}, second={0.5: far, 0.6: far, 0.7: far})
    [many] = over_study(found).values()
    assert many.elsewhere is not None and few.elsewhere is not None
    assert many.elsewhere.estimate.n == few.elsewhere.estimate.n == 2 and many.means[0].unit == "data sets"
    assert few.elsewhere.estimate.mean == 6 and many.elsewhere.estimate.mean == pytest.approx(6 + 0.2 / 6, abs=0.01)
    assert many.elsewhere.estimate.p > 0.05 < few.elsewhere.estimate.p
    more = of_networks(first={0.5: UP, 0.6: UP, 0.9: tuple(value + 40 for value in UP)}, second={0.5: far, 0.6: far})
    assert here_text(CLAIMS[0], over_study(more)).endswith("] of 2 networks at 50 and 60 %")
    [of] = over_study(more).values()
    assert of.here.estimate.mean == pytest.approx(6)
    [apart] = (found := over_study(of_networks(first={0.5: UP, 0.6: UP}, second={0.7: far}))).values()
    assert apart.here.estimate.mean == pytest.approx(6, abs=0.01), "of networks, not of cells"
    assert here_text(CLAIMS[0], found).endswith("] of 2 networks, each at levels of its own"), "none is shared"
    far_off = of_networks(first={0.5: UP, 0.9: STILL}, second={0.5: far})
    assert here(over_study(far_off)) == HOLDS, "at 50 %, whatever is seen of the first at another level"
    [alone] = over_study(of_networks(first={0.5: UP, 0.6: UP, 0.7: UP, 0.8: UP})).values()
    assert alone.here.estimate.n == 3 and alone.elsewhere is None and not alone.means, "seeds of a single network"
    [plain] = over_study(of_networks(first={0.5: ONE, 0.6: ONE, 0.7: ONE}, second={0.5: (-9.0,)})).values()
    assert plain.here.estimate.mean == -3.0, "of one seed too"


def test_where_it_holds_in_some_cells_and_not_in_others_the_table_says_which():
    found = cells(*({"a": series} for series in (UP, UP, SAME, UNSURE, DOWN, NONE)))
    wanted = "2 holds (vgg16 on digits at 0 and 10 %), 1 does not hold (vgg16 on digits at 40 %), 1 equal within the margin "
    wanted += "(vgg16 on digits at 20 %), 1 not enough data, 1 not run"
    assert counted(found) == wanted
    assert claims_table({CLAIMS[1]: found}).iloc[0]["cells"] == wanted
    assert counted(cells({"a": UP}, {"a": UP}, {"a": UNSURE})) == "2 holds, 1 not enough data", "nobody contradicts"
    assert counted(cells({"a": DOWN}, {"a": SAME})) == "1 does not hold, 1 equal within the margin"
    many = {cell._replace(model=f"vgg{number}"): of for number, (cell, of) in enumerate(found.items())}
    assert counted({cell._replace(dataset="other"): of for cell, of in many.items()} | many).startswith("4 holds, 2 does not")


def test_an_open_cell_says_what_would_decide_it():
    for of, wanted in (
        ({"a": ONE}, "three seeds or more"),
        ({"a": UP}, "–"),
        ({"a": UP, "b": (1.0, 1.0, 1.0)}, "more seeds: these differ all alike"),
        ({"a": UNSURE}, "about 10 seeds (5 to more than 100)"),
    ):
        [cell] = cells(of).values()
        assert wanted_in(cell) == wanted


def test_an_open_conclusion_says_what_would_decide_it():
    for of, wanted in (
        ([UNSURE], "about 10 seeds (5 to more than 100)"),
        ([UP, DOWN, UP, DOWN], "more seeds do not: its cells contradict each other"),
        ([UNSURE, NONE], "about 10 seeds (5 to more than 100); running the 1 level that did not"),
        ([UP, UP, UP], "–"),
        ([UP, UP, UP, FAR], "three seeds or more in a cell that lies on the other side"),
        ([NONE], "–"),
    ):
        assert wanted_here(over_study(cells(*({"a": series} for series in of)))) == wanted
    levels = cells({"a": UNSURE}, {"a": NONE}, {"a": UNSURE}, {"a": NONE})
    others = {
        Cell("vgg11", "digits", cell.sparsity) if number > 1 else cell: of for number, (cell, of) in enumerate(levels.items())
    }
    assert "running" not in wanted_here(over_study(others)), "each network ran at one of its levels"
    del others[Cell("vgg11", "digits", 0.2)]
    assert wanted_here(over_study(others)).endswith("; running the 1 network that did not")


def test_the_rules_are_short_and_each_says_what_it_is_about():
    found = rules(make_study(margin=1.5, margin_cka=0.03))
    assert len(found) > 10 and max(map(len, found)) < 300
    assert all(0 < rule.find(": ") < 50 and rule.endswith(".") for rule in found)
    assert any("1.5 points" in rule and "similarities 0.03" in rule for rule in found)
