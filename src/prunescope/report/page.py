"""The report's page: its sections in their order, written as report.md, report.html and figures/."""

from pathlib import Path

from prunescope.evidence.claims import judge
from prunescope.evidence.measures import Evidence
from prunescope.files import write_bytes, write_text
from prunescope.report import pictures, records, results
from prunescope.report.blocks import Commands, Picture, Section, to_html, to_markdown
from prunescope.results import tables
from prunescope.results.arms import Study

QUESTION = "Does it matter how a network is pruned, what does it cost, and does it still see the same things inside?"


def write(study: Study, metrics: Path, out: Path, *, provenance: dict[str, str], reproduce: list[str], method: str) -> None:
    """Write out/report.md, out/report.html (self-contained) and out/figures/*.png from the files under `metrics`.

    `provenance` is printed as given, `reproduce` are shell lines, `method` is the one of metrics/selected.json. Missing
    cells show as "not run".
    """
    content = sections(study, metrics, provenance=provenance, reproduce=reproduce, method=method)
    for section in content:
        for block in section.blocks:
            if isinstance(block, Picture):
                write_bytes(out / "figures" / block.name, block.png)
    about = f"prunescope report of the study {study.name}: {', '.join(study.models)}; {', '.join(study.datasets)}"
    write_text(out / "report.md", to_markdown(QUESTION, about, content))
    write_text(out / "report.html", to_html(QUESTION, about, content))


def sections(study: Study, metrics: Path, *, provenance: dict[str, str], reproduce: list[str], method: str) -> list[Section]:
    """The report's content in its order."""
    evidence = Evidence(study, tables.summarise(metrics, study), metrics)
    judged = judge(evidence)
    return [
        Section("Answer", list(results.verdict_blocks(evidence, judged, method))),
        Section("Claims", list(results.claim_blocks(judged))),
        Section("Accuracy", [*results.accuracy_blocks(evidence), *pictures.accuracy_figures(evidence.summary, study, metrics)]),
        Section("Who pays", [*results.who_pays_blocks(study, metrics), *pictures.confusion_figures(study, metrics)]),
        Section("Students", list(results.student_blocks(evidence))),
        Section(
            "Layer similarity",
            [
                *records.similarity(study, metrics),
                *pictures.depth_figures(study, metrics),
                *pictures.heatmap_figures(study, metrics),
            ],
        ),
        Section("Budgets and costs", list(records.budgets(evidence.summary, study, metrics))),
        Section("Data", list(records.data(study, metrics))),
        Section("Provenance", list(records.provenance(study, metrics, provenance))),
        Section("How to reproduce", [Commands(reproduce)]),
    ]
