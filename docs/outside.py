"""Links from a page to files outside docs/, such as benchmarks and code, work on the site too. A hook of MkDocs.

A page links to a file as on a code host, by its place in the project. The site takes every such file along, at the same
place below its root, and those that these pages link to in turn.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

ROOT, DOCS = Path(__file__).parents[1], "docs"
README, README_ON_SITE = "README.md", "readme_of_the_project.md"
"""MkDocs would make the site's first page of a README beside it, instead of docs/index.md."""
LINK = re.compile(r"(?<=\]\()([^)\s#:]+)(?=[)#])")


def linked(place: str, text: str) -> set[str]:
    """Files of the project, outside docs/, that a page at this place in the project links to."""
    found = {_target(place, link) for link in LINK.findall(text)}
    return {target for target in found if not target.startswith(f"{DOCS}/") and (ROOT / target).is_file()}


def for_site(place: str, text: str) -> str:
    """The page with each link as it is from the page's place on the site to the file's."""
    here = posixpath.dirname(_site_place(place))

    def moved(link: re.Match[str]) -> str:
        target = _target(place, link[1])
        return posixpath.relpath(_site_place(target), here or ".") if (ROOT / target).is_file() else link[1]

    return LINK.sub(moved, text)


def _target(place: str, link: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(place), link))


def _site_place(place: str) -> str:
    return README_ON_SITE if place == README else place.removeprefix(f"{DOCS}/")


def _place(file: Any) -> str:
    """Of a page of the site in the project: what docs/ has not was taken along."""
    if file.src_uri == README_ON_SITE:
        return README
    place = f"{DOCS}/{file.src_uri}"
    return place if (ROOT / place).is_file() else str(file.src_uri)


def on_files(files: Any, config: Any, **_: Any) -> Any:
    """MkDocs: the files that pages link to, and those that these link to."""
    from mkdocs.structure.files import File, InclusionLevel

    waiting = {_place(file): Path(file.abs_src_path) for file in files.documentation_pages() if file.abs_src_path}
    while waiting:
        place, path = waiting.popitem()
        for target in linked(place, path.read_text(encoding="utf-8")):
            if files.get_file_from_path(_site_place(target)) is None:
                source, kept = ROOT / target, InclusionLevel.NOT_IN_NAV
                files.append(File.generated(config, _site_place(target), abs_src_path=str(source), inclusion=kept))
                if target.endswith(".md"):
                    waiting[target] = source
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """MkDocs: links of the page as the site needs them."""
    return for_site(_place(page.file), markdown)
