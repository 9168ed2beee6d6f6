"""The rules: from comparisons to the verdict of a cell, from cells to that of the study, and what would decide open ones."""

from collections.abc import Mapping, Sequence

import pytest

from prunescope.evidence.claims import CLAIMS, FAILS, HOLDS, Cells, over_study, overall, verdict, wanted_in, wanted_over
from prunescope.evidence.differences import judge
from prunescope.evidence.inference import EQUAL, NOT_RUN, OPEN
from prunescope.evidence.layouts import compare, of_series
from prunescope.evidence.verdicts import claims_table, counted, over_text, rules
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
    assert overall(cells(*({"a": series} for series in of))) == wanted


def test_generally_is_no_longer_in_every_single_cell():
    """Effects that no cell shows by itself among six are shown by their mean; cells that contradict each other show nothing."""
    weak = [{"a": (2.0 + at, 3.5 + at, 3.2 - at)} for at in (0.1, 0.3, -0.2, 0.4, 0.0, -0.1)]
    found = cells(*weak)
    assert {verdict(cell) for cell in found.values()} == {OPEN}
    assert overall(found) == HOLDS
    [whole] = over_study(found).values()
    assert whole.whole is not None and whole.whole.between == 0.0, "cells differ by no more than their errors"
    [apart] = over_study(cells(*({"a": series} for series in (UP, UP, DOWN, DOWN)))).values()
    assert apart.whole is not None and apart.whole.between == pytest.approx(4.6, abs=0.1)


def test_two_sure_cells_may_agree_though_they_say_little_of_others():
    """Of two cells that truly differ half of all studies say so, though levels like these are no better on average."""
    [whole] = over_study(found := cells({"a": UP}, {"a": tuple(value + 4 for value in UP)})).values()
    assert whole.judgement.estimate.p > 0.05, "one degree of freedom"
    assert whole.judgement.verdict == "better"
    said = "better in each of these cells, not shown of levels like these"
    assert over_text(CLAIMS[0], over_study(found)).endswith(said)
    assert said not in over_text(CLAIMS[0], over_study(cells(*[{"a": UP}] * 4))), "shown of both"


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
    assert few.whole is not None and many.whole is not None
    assert many.judgement.estimate.n == few.judgement.estimate.n == 2 and many.unit == "networks"
    assert few.judgement.estimate.mean == 6 and many.judgement.estimate.mean == pytest.approx(6 + 0.2 / 6, abs=0.01)
    assert many.judgement.estimate.p > 0.05 < few.judgement.estimate.p
    said = over_text(CLAIMS[0], over_study(found))
    assert "], networks differ by 2.8 (sd, " in said and said.endswith("not shown of networks like these")
    more = of_networks(first={0.5: UP, 0.6: UP, 0.9: tuple(value + 40 for value in UP)}, second={0.5: far, 0.6: far})
    assert over_text(CLAIMS[0], over_study(more)).startswith("a: +6.0 [−19.4, +31.4] at 50 and 60 %, networks differ")
    [apart] = over_study(of_networks(first={0.5: UP, 0.6: UP}, second={0.7: far})).values()
    assert apart.judgement.estimate.n == 2 and apart.judgement.estimate.mean == pytest.approx(6, abs=0.01) and apart.at == ()
    [alone] = over_study(of_networks(first={0.5: UP, 0.6: UP, 0.7: UP, 0.8: UP})).values()
    assert alone.judgement.estimate.n == 4 and alone.unit == "levels"
    [plain] = over_study(of_networks(first={0.5: ONE, 0.6: ONE, 0.7: ONE}, second={0.5: (-9.0,)})).values()
    assert plain.judgement.estimate.mean == -3.0, "of one seed too"


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
        ([UP, DOWN, UP, DOWN], "more than 100 levels like these (or only 56)"),
        ([UNSURE, NONE], "about 10 seeds (5 to more than 100); running the 1 level that did not"),
        ([UP, UP, UP], "–"),
        ([UP, UP, UP, FAR], "three seeds or more in a cell that lies on the other side"),
        ([NONE], "–"),
    ):
        assert wanted_over(cells(*({"a": series} for series in of))) == wanted
    levels = cells({"a": UNSURE}, {"a": NONE}, {"a": UNSURE}, {"a": NONE})
    others = {
        Cell("vgg11", "digits", cell.sparsity) if number > 1 else cell: of for number, (cell, of) in enumerate(levels.items())
    }
    assert "running" not in wanted_over(others), "each network ran at one of its levels"
    del others[Cell("vgg11", "digits", 0.2)]
    assert wanted_over(others).endswith("; running the 1 network that did not")


def test_the_rules_are_short_and_each_says_what_it_is_about():
    found = rules(make_study(margin=1.5, margin_cka=0.03))
    assert len(found) > 10 and max(map(len, found)) < 300
    assert all(0 < rule.find(": ") < 50 and rule.endswith(".") for rule in found)
    assert any("1.5 points" in rule and "similarities 0.03" in rule for rule in found)
