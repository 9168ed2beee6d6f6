"""Which stage begins when, without DVC and without processes: by hand, and on random graphs run to their end."""

import heapq
import itertools
import random

import pytest

from prunescope.runner.schedule import Schedule

DIAMOND = {"a": [], "long": ["a"], "short": ["a"], "end": ["long", "short"]}


def begun(schedule: Schedule) -> list:
    """All that can begin now, in that order."""
    found = []
    while (stage := schedule.next()) is not None:
        schedule.begin(stage)
        found.append(stage)
    return found


def run(needs: dict, seconds: dict, slots: int, alone: frozenset = frozenset()) -> tuple[float, list[tuple[float, float, int]]]:
    """Makespan and (begin, end, stage) of a run in which each stage takes its seconds; checks the rules as it goes."""
    schedule = Schedule(needs, slots=slots, seconds=seconds.__getitem__, alone=alone.__contains__)
    now, running, spans = 0.0, [], []
    while not schedule.over:
        for stage in begun(schedule):
            heapq.heappush(running, (now + seconds[stage], stage))
            spans.append((now, now + seconds[stage], stage))
            assert len(running) <= slots and (stage not in alone or len(running) == 1)
        now, stage = heapq.heappop(running)
        schedule.end(stage)
    ended = {stage: end for _, end, stage in spans}
    assert all(begin >= ended[need] for begin, _, stage in spans for need in needs[stage])
    return now, spans


def test_the_longest_path_goes_first() -> None:
    schedule = Schedule({"x": [], "y": [], "after": ["y"]}, slots=1, seconds={"x": 3.0, "y": 1.0, "after": 2.5}.__getitem__)
    assert begun(schedule) == ["y"]
    schedule.end("y")
    assert begun(schedule) == ["x"]
    assert schedule.path == {"x": 3.0, "y": 3.5, "after": 2.5}


def test_a_slot_is_free_when_the_command_has_ended_but_what_follows_waits_for_the_end() -> None:
    schedule = Schedule(DIAMOND, slots=1)
    assert begun(schedule) == ["a"]
    schedule.free("a")
    assert begun(schedule) == [] and not schedule.over
    schedule.end("a")
    assert begun(schedule) == ["long"]


def test_what_runs_alone_waits_for_all_others_and_keeps_them_waiting() -> None:
    schedule = Schedule({"a": [], "time": [], "b": ["a"], "c": ["time"]}, slots=4, alone={"time"}.__contains__)
    assert begun(schedule) == ["a"]
    schedule.end("a")
    assert begun(schedule) == ["b"], "b needs no silence"
    schedule.end("b")
    assert begun(schedule) == ["time"]
    schedule.end("time")
    assert begun(schedule) == ["c"]


def test_a_failure_takes_what_follows_and_nothing_else() -> None:
    schedule = Schedule({**DIAMOND, "other": [], "last": ["other"]}, slots=3)
    assert begun(schedule) == ["a", "other"]
    assert set(schedule.fail("a")) == {"long", "short", "end"}
    schedule.end("other")
    assert begun(schedule) == ["last"]
    schedule.end("last")
    assert schedule.over


def test_closed_nothing_begins() -> None:
    schedule = Schedule(DIAMOND, slots=1)
    begun(schedule)
    schedule.close()
    assert not schedule.over
    schedule.end("a")
    assert schedule.over and begun(schedule) == []


@pytest.mark.parametrize("seed", range(30))
def test_random_graphs_come_to_their_end_without_idle_slots(seed) -> None:
    draw = random.Random(seed)
    count, slots = draw.randint(1, 40), draw.randint(1, 6)
    needs = {stage: draw.sample(range(stage), min(stage, draw.randint(0, 3))) for stage in range(count)}
    seconds = {stage: draw.uniform(0.1, 5) for stage in needs}
    alone = frozenset(stage for stage in needs if draw.random() < 0.1)
    makespan, spans = run(needs, seconds, slots, alone)
    assert sorted(stage for _, _, stage in spans) == sorted(needs)
    path = Schedule(needs, slots=1, seconds=seconds.__getitem__).path
    least = max(max(path.values()), sum(seconds.values()) / slots)
    assert makespan >= least - 1e-9
    if not alone:  # Graham's bound for any schedule that leaves no slot idle while a stage is ready
        assert makespan <= sum(seconds.values()) / slots + (1 - 1 / slots) * max(path.values()) + 1e-9
    if slots == 1:
        assert makespan == pytest.approx(sum(seconds.values()))


def test_deep_graphs_need_no_recursion() -> None:
    needs = {stage: [stage - 1] if stage else [] for stage in range(5000)}
    assert Schedule(needs, slots=1).path[0] == 5000
    assert list(itertools.islice(Schedule(needs, slots=1).waiting, 2)) == [0, 1]
