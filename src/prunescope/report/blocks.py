"""The report as plain data, sections of blocks, and its two forms: Markdown and one self-contained HTML page."""

import base64
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

import jinja2
import pandas as pd


@dataclass(frozen=True)
class Text:
    """A paragraph; `lead` makes it large (the answer)."""

    text: str
    lead: bool = False


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
class Picture:
    """A PNG, its name among the report's figures, and its two texts: for those who cannot see it, and for all."""

    name: str
    png: bytes
    alt: str
    caption: str

    @property
    def data_uri(self) -> str:
        return "data:image/png;base64," + base64.b64encode(self.png).decode("ascii")


@dataclass(frozen=True)
class Commands:
    lines: Sequence[str]


Block = Text | Table | Picture | Commands


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
    return environment.get_template("page.html").render(
        title=title,
        subtitle=subtitle,
        sections=sections,
        sortable=any(isinstance(block, Table) for section in sections for block in section.blocks),
    )


def to_markdown(title: str, subtitle: str, sections: Sequence[Section]) -> str:
    """The same for GitHub; pictures are files in figures/ beside it."""
    parts = [f"# {escape(title)}", escape(subtitle)]
    for section in sections:
        parts.append(f"## {escape(section.title)}")
        parts += [_markdown(block) for block in section.blocks]
    return "\n\n".join(parts) + "\n"


def _markdown(block: Block) -> str:
    if isinstance(block, Text):
        return f"**{escape(block.text)}**" if block.lead else escape(block.text)
    if isinstance(block, Picture):
        return f"![{escape(block.alt)}](figures/{quote(block.name)})\n\n*{escape(block.caption)}*"
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
