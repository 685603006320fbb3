"""A Markdown page in which commands write sections of measured figures, and people write the rest."""

from __future__ import annotations

from pathlib import Path

from edge.contract.files import wrap_write_errors, write_text


def replace_section(page: Path, name: str, section: str, title: str) -> None:
    """Put ``section`` between the page's two comments that name it, or at its end where they are not yet.

    title: heading of a page that does not exist yet. Raises OutputError where the page cannot be read or written.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    with wrap_write_errors(page):
        text = page.read_text(encoding="utf-8") if page.is_file() else f"# {title}\n"
    head, _, rest = text.partition(begin)
    tail = rest.partition(end)[2] if rest else "\n"
    write_text(page, f"{head.rstrip()}\n\n{begin}\n\n{section}\n\n{end}{tail}")
