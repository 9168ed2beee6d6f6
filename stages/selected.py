"""One table of all arms, and the chosen method's numbers under one path so that `dvc metrics diff` compares methods."""

from prunescope.files import write_json
from prunescope.params import load
from prunescope.report.tables import save, selected, summarise
from prunescope.stage import arguments, main


def recipe() -> None:
    args = arguments(__doc__, "metrics", "selected", "summary")
    params = load()
    summary = summarise(args.metrics, params.grid)
    save(summary, args.summary)
    write_json(args.selected, selected(summary, params.method, params.sparsity))


if __name__ == "__main__":
    main(recipe)
