"""One table of all arms, their curves, and the chosen method's numbers under one path for `dvc metrics diff` of methods."""

from prunescope.files import write_json
from prunescope.results import curves, summary
from prunescope.results.results import read
from prunescope.study.params import load
from prunescope.study.stage import arguments, main


def recipe() -> None:
    args = arguments(__doc__, "metrics", "selected", "summary", "curves")
    params = load()
    results = read(args.metrics, params.cells)
    summary.save(results.summary, args.summary)
    curves.save(curves.table(results.grid, results.curves), args.curves)
    write_json(args.selected, summary.selected(results.summary, params.method, params.sparsity))


if __name__ == "__main__":
    main(recipe)
