"""One table of all arms, their curves, and the chosen method's numbers under one path for `dvc metrics diff` of methods."""

from prunescope.files import write_json
from prunescope.results import curves
from prunescope.results.tables import save, selected, summarise
from prunescope.study.params import load
from prunescope.study.stage import arguments, main


def recipe() -> None:
    args = arguments(__doc__, "metrics", "selected", "summary", "curves")
    params = load()
    summary = summarise(args.metrics, params.grid)
    save(summary, args.summary)
    curves.save(args.metrics, params.grid, args.curves)
    write_json(args.selected, selected(summary, params.method, params.sparsity))


if __name__ == "__main__":
    main(recipe)
