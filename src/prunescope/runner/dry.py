"""What would run, and why, by DVC's own status; nothing runs."""

from collections.abc import Iterator
from typing import Any


def plan(repo: Any) -> Iterator[tuple[str, str]]:
    """(stage, reason) of all that is out of date or comes after it, in the order of the graph.

    Whether a stage then runs or comes from the run cache is known only when all before it have ended.
    """
    from dvc.repo.reproduce import get_active_graph, plan_repro

    found = repo.status()
    graph = get_active_graph(repo.index.graph)
    runs: set[Any] = set()
    for stage in plan_repro(graph):
        before = [other for other in graph.successors(stage) if other in runs]
        reasons = list(_reasons(found.get(stage.addressing, [])))
        if reasons or before:
            runs.add(stage)
            yield stage.addressing, "; ".join(reasons) or f"after {', '.join(other.addressing for other in before)}"


def _reasons(entries: list[Any]) -> Iterator[str]:
    """DVC's status of a stage as short phrases; outputs that are not there yet say nothing more than that."""
    for entry in entries:
        for what, changes in entry.items() if isinstance(entry, dict) else [(str(entry), {})]:
            named = ", ".join(_named(changes))
            yield f"{what}: {named}" if named else what


def _named(changes: dict[str, Any]) -> Iterator[str]:
    for path, change in changes.items():
        if isinstance(change, dict):  # parameters of a file
            yield from (f"{key} {state}" for key, state in change.items())
        else:
            yield f"{path} {change}"
