"""What a study asks for and has nothing of."""

from prunescope.evidence.text import listed, places
from prunescope.results.grid import DENSE, Cell, cells_of, fewer
from prunescope.results.results import Results


def not_run(results: Results) -> list[str]:
    """In words cells, then students, layer sensitivity and deployment of those that ran. One network of one seed is enough for
    any of them: tables say how many there are."""
    grid = results.grid
    done = {kind: _cells(results, kind) for kind in ("pruned", "student")}
    cells = [cell for cell in cells_of(grid) if cell in done["pruned"]]
    missing = places(cell for cell in cells_of(grid) if cell not in done["pruned"])
    untaught = [cell for cell in cells if cell.model in grid.teachers and cell not in done["student"]]
    whole = [cell for cell in cells if cell.model in grid.sensitivity and not _sensitivity(results, cell)]
    parts = {"students": places(untaught), "layer sensitivity": listed(list(dict.fromkeys(of.network for of in whole)))}
    parts["deployment"] = places(cell for cell in cells if grid.formats and not _deployed(results, cell))
    return [of for of in (missing, *(f"{what} of {where}" for what, where in parts.items() if where)) if of]


def _cells(results: Results, kind: str) -> set[Cell]:
    rows = results.summary[results.summary["kind"] == kind]
    return {Cell(*of) for of in zip(rows["model"], rows["dataset"], rows["sparsity"], strict=True)}


def _sensitivity(results: Results, cell: Cell) -> bool:
    return any(results.layer_sensitivity(cell.model, cell.dataset, seed) is not None for seed in results.grid.seeds)


def _deployed(results: Results, cell: Cell) -> bool:
    networks = (DENSE, *results.grid.methods, *fewer(results.grid, cell.model))
    stages = (f"deploy/{form}-{cell.of(seed)}" for form in results.grid.formats for seed in results.grid.seeds)
    return any(results.record(f"{stage}/{network}") for stage in stages for network in networks)
