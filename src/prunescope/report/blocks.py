"""The report as plain data, sections of blocks, and its two forms: Markdown and one self-contained HTML page."""

import base64
import html
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
import pandas as pd

from prunescope.figures.drawing import Drawing


@dataclass(frozen=True)
class Text:
    """A paragraph; of a folded one the first sentence is seen before it is opened."""

    text: str
    folded: bool = False


@dataclass(frozen=True)
class Table:
    """A table of text; the first `labels` columns name the row, the others are right-aligned numbers.

    A folded one shows its caption alone until it is opened.
    """

    frame: pd.DataFrame
    caption: str
    labels: int
    folded: bool = False


@dataclass(frozen=True)
class Points:
    """Sentences one below the other, made large: the answer. Each begins with its subject and a colon."""

    sentences: Sequence[str]


@dataclass(frozen=True)
class Bullets:
    """A title, and below it, folded, sentences one below the other. What stands before the first colon of one is its subject."""

    title: str
    items: Sequence[str]


@dataclass(frozen=True)
class Chips:
    """Verdicts at a glance: (what, verdict)."""

    items: Sequence[tuple[str, str]]
    caption: str


@dataclass(frozen=True)
class Plot:
    """A drawing: on the page drawn by the browser, in Markdown a PNG of this name. alt: for those who cannot see it."""

    name: str
    drawing: Drawing
    alt: str
    caption: str
    folded: bool = False


@dataclass(frozen=True)
class Picture:
    """A PNG of Markdown alone, where the page has something to look at by hand. png: makes it; key: what it is made from."""

    name: str
    png: Callable[[], bytes]
    key: str
    alt: str
    caption: str


@dataclass(frozen=True)
class Image:
    """A PNG of the page alone. alt: for those who cannot see it."""

    png: bytes
    alt: str
    caption: str

    @property
    def data_uri(self) -> str:
        return "data:image/png;base64," + base64.b64encode(self.png).decode("ascii")


@dataclass(frozen=True)
class Maps:
    """The page's own look at the heat maps of similarity: choose networks and seeds. data: as JSON, see maps.py."""

    data: str
    caption: str


@dataclass(frozen=True)
class Commands:
    lines: Sequence[str]


Block = Text | Points | Bullets | Chips | Table | Plot | Picture | Image | Maps | Commands


@dataclass(frozen=True)
class Section:
    title: str
    blocks: Sequence[Block]

    @property
    def anchor(self) -> str:
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


def to_html(title: str, subtitle: str, sections: Sequence[Section]) -> str:
    """One page that needs nothing but itself: styles inline, pictures as data URIs, every text escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("prunescope.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["block"] = lambda block, kind: type(block).__name__ == kind
    environment.filters |= {"first": first_sentence, "inline": inline}
    return environment.get_template("page.html").render(
        title=title,
        subtitle=subtitle,
        sections=sections,
        plots=vega() if any(isinstance(block, Plot | Maps) for section in sections for block in section.blocks) else "",
        script=(Path(__file__).parent / "page.js").read_text(encoding="utf-8"),
        style=(Path(__file__).parent / "page.css").read_text(encoding="utf-8"),
    )


def vega() -> str:
    """Vega, Vega-Lite and Vega-Embed in one script of some 0.9 MB, which the page carries."""
    import vl_convert  # loads a JavaScript engine

    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").replace("</script", "<\\/script")


def inline(value: Any) -> str:
    """JSON that can stand in a script of the page."""
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def first_sentence(text: str) -> tuple[str, str]:
    """(first sentence, the rest): of a folded table the one is seen before it is opened."""
    head, *rest = re.split(r"(?<=[.?]) (?=[A-Z])", text, maxsplit=1)
    return head, " ".join(rest)


def to_markdown(title: str, subtitle: str, sections: Sequence[Section]) -> str:
    """The same for GitHub; pictures are files in figures/ beside it."""
    parts = [f"# {escape(title)}", escape(subtitle)]
    for section in sections:
        parts.append(f"## {escape(section.title)}")
        parts += filter(None, map(_markdown, section.blocks))
    return "\n\n".join(parts) + "\n"


def _markdown(block: Block) -> str:
    if isinstance(block, Text):
        if block.folded:
            head, rest = first_sentence(block.text)
            return f"<details><summary>{html.escape(head)}</summary>\n\n{escape(rest)}\n\n</details>"
        return escape(block.text)
    if isinstance(block, Points):
        return "\n".join(f"- {escape(sentence)}" for sentence in block.sentences)
    if isinstance(block, Bullets):
        items = "\n".join(f"- {escape(item)}" for item in block.items)
        return f"<details><summary>{html.escape(block.title)}</summary>\n\n{items}\n\n</details>"
    if isinstance(block, Chips):
        return f"{escape(block.caption)}\n\n" + "\n".join(
            f"- {escape(what)} **{escape(verdict)}**" for what, verdict in block.items
        )
    if isinstance(block, Maps | Image):
        return ""
    if isinstance(block, Plot | Picture):
        shown = f"![{escape(block.alt)}](figures/{quote(block.name)})"
        if isinstance(block, Plot) and block.folded:
            return f"<details><summary>{html.escape(block.caption)}</summary>\n\n{shown}\n\n</details>"
        return f"{shown}\n\n*{escape(block.caption)}*"
    if isinstance(block, Commands):
        return "\n".join(f"    {line}" for text in block.lines for line in text.splitlines())
    table = markdown_table(block)
    if block.folded:
        return f"<details><summary>{html.escape(block.caption)}</summary>\n\n{table}\n\n</details>"
    return f"{table}\n\n*{escape(block.caption)}*"


def markdown_table(block: Table) -> str:
    """The table alone, without its caption."""
    header = [escape(str(column)) for column in block.frame.columns]
    lines = [":--" if place < block.labels else "--:" for place in range(len(header))]
    rows = [[escape(str(cell)) for cell in row] for row in block.frame.itertuples(index=False)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [header, lines, *rows])


def escape(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", " ".join(text.replace("&", "&amp;").split()))
