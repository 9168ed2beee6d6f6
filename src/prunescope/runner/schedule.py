"""Which stage begins next: the one with the longest path behind it, of those that have all they need. No threads, no DVC."""

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeVar

Stage = TypeVar("Stage")


class Schedule(Generic[Stage]):
    """A graph of stages on a number of slots.

    needs: what each stage waits for · seconds: how long it is expected to take · alone: whether it must run without neighbours
    (it measures time); such stages wait until no other could run.
    """

    def __init__(
        self,
        needs: Mapping[Stage, Iterable[Stage]],
        *,
        slots: int,
        seconds: Callable[[Stage], float] = lambda stage: 1.0,
        alone: Callable[[Stage], bool] = lambda stage: False,
    ) -> None:
        self.slots, self.alone = slots, alone
        self.needs = {stage: {need for need in before if need in needs} for stage, before in needs.items()}
        self.followers: dict[Stage, list[Stage]] = {stage: [] for stage in self.needs}
        for stage, before in self.needs.items():
            for need in before:
                self.followers[need].append(stage)
        self.path = _longest_paths(self.followers, seconds)
        self.waiting = dict.fromkeys(self.needs)  # in the graph's order, which breaks ties
        self.missing = {stage: len(before) for stage, before in self.needs.items()}
        self.holding: set[Stage] = set()  # a slot
        self.going: set[Stage] = set()  # begun, not yet ended
        self.closed = False

    @property
    def over(self) -> bool:
        """Whether nothing goes on and nothing more will begin."""
        return not self.going and (self.closed or not self.waiting)

    def next(self) -> Stage | None:
        """The stage to begin now, if one can."""
        if self.closed or len(self.holding) >= self.slots or any(map(self.alone, self.holding)):
            return None
        ready = [stage for stage in self.waiting if not self.missing[stage]]
        beside = [stage for stage in ready if not self.alone(stage)]
        if not beside and (self.going or not ready):
            return None
        return max(beside or ready, key=lambda stage: self.path[stage])

    def begin(self, stage: Stage) -> None:
        """It takes a slot."""
        del self.waiting[stage]
        self.holding.add(stage)
        self.going.add(stage)

    def free(self, stage: Stage) -> None:
        """Its command has ended; what DVC still does with it needs no slot."""
        self.holding.discard(stage)

    def end(self, stage: Stage) -> None:
        """It is done: what needed it may begin."""
        self.holding.discard(stage)
        self.going.discard(stage)
        for follower in self.followers[stage]:
            self.missing[follower] -= 1

    def fail(self, stage: Stage) -> list[Stage]:
        """It failed; returns what can no longer run, directly or not, and is taken off."""
        self.holding.discard(stage)
        self.going.discard(stage)
        lost, reached = {}, [stage]
        while reached:
            for follower in self.followers[reached.pop()]:
                if follower in self.waiting:
                    del self.waiting[follower]
                    lost[follower] = None
                    reached.append(follower)
        return list(lost)

    def close(self) -> None:
        """Nothing more begins."""
        self.closed = True


def _longest_paths(followers: Mapping[Stage, list[Stage]], seconds: Callable[[Stage], float]) -> dict[Stage, float]:
    """Seconds from each stage's beginning to the end of all that follows, were there slots without end."""
    path: dict[Stage, float] = {}
    for first in followers:
        reached = [first]
        while reached:  # depth first, without recursion: graphs may be deep
            stage = reached[-1]
            unknown = [after for after in followers[stage] if after not in path]
            if unknown:
                reached.extend(unknown)
                continue
            path[reached.pop()] = seconds(stage) + max((path[after] for after in followers[stage]), default=0.0)
    return path
