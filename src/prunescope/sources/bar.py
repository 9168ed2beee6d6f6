"""How far something is: a bar on a terminal, plain lines elsewhere."""

import contextlib
import sys
from collections.abc import Callable, Iterator

from tqdm import tqdm


@contextlib.contextmanager
def progress(title: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """Yield a function that takes how many more are done: a bar on a terminal, else a plain line every tenth."""
    if sys.stderr.isatty():
        with tqdm(total=total, desc=title, unit=unit, unit_scale=True) as bar:

            def move(more: int) -> None:
                bar.update(more)

            yield move
        return
    done, tenth = 0, 0

    def advance(more: int) -> None:
        nonlocal done, tenth
        done += more
        if total > 0 and done * 10 // total > tenth:
            tenth = done * 10 // total
            print(f"{title}: {done:,} of {total:,} {unit} ({100 * done // total} %)", file=sys.stderr, flush=True)

    yield advance
