"""Commands write their own sections of a page and leave the rest alone."""

from pathlib import Path

from edge.cli.report_page import replace_section


def test_a_section_is_put_in_the_place_of_its_old_self_and_the_rest_of_the_page_stays(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n\nAbove.\n", encoding="utf-8")
    replace_section(page, "one", "first", "Title")
    replace_section(page, "two", "second", "Title")
    page.write_text(page.read_text(encoding="utf-8") + "\nBelow.\n", encoding="utf-8")
    replace_section(page, "one", "first again", "Title")
    text = page.read_text(encoding="utf-8")
    words = "# Title Above. <!-- one: begin --> first again <!-- one: end --> <!-- two: begin --> second"
    assert " ".join(text.split()) == f"{words} <!-- two: end --> Below."


def test_a_page_that_is_not_there_yet_begins_with_its_title(tmp_path: Path) -> None:
    replace_section(tmp_path / "new.md", "one", "first", "Measured")
    assert (tmp_path / "new.md").read_text(encoding="utf-8").startswith("# Measured\n\n<!-- one: begin -->\n\nfirst\n")
