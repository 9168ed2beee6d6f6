"""The README and the pages under docs/ as tests read them: commands, code, links. A page's name is its path from the root.

docs/params.md and docs/architectures.md are generated and have tests of their own.
"""

import re
import shlex
from collections.abc import Iterator

from graph import ROOT

PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    if path.name not in ("params.md", "architectures.md")
}
GENERATED = re.compile(r"<!-- (\w+): written by `make readme` from [^\n]*-->\n(.*?)<!-- /\1 -->", re.DOTALL)
PROGRAMS = ("dvc", "make", "prunescope", "python")


def blocks(kind: str) -> list[tuple[str, str]]:
    """(page, text) of every fenced block of a kind: sh, python."""
    fence = re.compile(rf"^```{kind}\n(.*?)^```", re.DOTALL | re.MULTILINE)
    return [(page, block) for page, text in PAGES.items() for block in fence.findall(text)]


def prose(page: str) -> str:
    """A page without its fenced blocks and generated tables."""
    return re.sub(r"^```.*?^```", "", GENERATED.sub("", PAGES[page]), flags=re.DOTALL | re.MULTILINE)


def _typed() -> Iterator[tuple[str, str]]:
    for page, block in blocks("sh"):
        for line in block.splitlines():
            if command := line.partition(" #")[0].strip():
                yield page, command


def _mentioned() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for command in re.findall(rf"`((?:{'|'.join(PROGRAMS)}) [^`]+)`", prose(page).replace("\n", " ")):
            yield page, command


COMMANDS = list(_typed())  # (page, command) of the sh blocks, as they follow each other
MENTIONED = list(_mentioned())  # the same of those in the middle of a sentence


def runs(program: str) -> list[list[str]]:
    """Arguments of every call of a program, typed or mentioned, each once; a line of several (&&) is several."""
    calls = [shlex.split(part) for _, line in (*COMMANDS, *MENTIONED) for part in line.split("&&")]
    return [list(call) for call in dict.fromkeys(tuple(words[1:]) for words in calls if words[0] == program)]


def anchors(text: str) -> set[str]:
    """The ends of a page's addresses, as GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
