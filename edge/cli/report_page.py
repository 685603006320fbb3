"""Markdown of reports: tables, and a page of hand-written text with sections of figures that commands replace."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from edge.contract.files import wrap_write_errors, write_text


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """The lines of a table; short rows end with empty cells."""
    filled = ([*row, *[""] * (len(columns) - len(row))] for row in rows)
    cells = ([str(cell).replace("|", "\\|").replace("\n", " ") for cell in row] for row in (columns, *filled))
    head, *lines = (f"| {' | '.join(row)} |" for row in cells)
    return [head, "|" + "---|" * len(columns), *lines]


def replace_section(page: Path, name: str, section: str, title: str) -> None:
    """Write ``section`` between the page's two comments with its name, or at the end if there are none.

    title: heading if the page has to be created. Raises OutputError where the page cannot be read or written.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    with wrap_write_errors(page):
        text = page.read_text(encoding="utf-8") if page.is_file() else f"# {title}\n"
    head, _, rest = text.partition(begin)
    tail = rest.partition(end)[2] if rest else "\n"
    write_text(page, f"{head.rstrip()}\n\n{begin}\n\n{section}\n\n{end}{tail}")
