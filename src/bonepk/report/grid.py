"""A table as a value, written as HTML for the page and as Markdown for the summary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Cell", "Grid", "e", "grid_html", "grid_markdown"]


@dataclass(frozen=True)
class Cell:
    """Text of one cell; `link` and `mark` (a class of the style sheet) show on the page only."""

    text: str
    link: str = ""
    mark: str = ""
    title: str = ""


@dataclass(frozen=True)
class Grid:
    """Headers and rows; `right` are the columns of numbers."""

    headers: tuple[str, ...]
    rows: tuple[tuple[Cell | str, ...], ...]
    right: frozenset[int] = frozenset()


def e(text: object) -> str:
    """Escape text for HTML."""
    return escape(str(text), quote=True)


def grid_html(grid: Grid) -> str:
    """Write the table for the page."""
    body = "\n".join(_line([_html(c) for c in row], "td", grid.right) for row in grid.rows)
    return f"<div class=wide><table>{_line([e(h) for h in grid.headers], 'th', grid.right)}\n{body}</table></div>"


def grid_markdown(grid: Grid) -> str:
    """Write the table in Markdown."""
    rule = ["--:" if i in grid.right else "---" for i in range(len(grid.headers))]
    rows = [[c.text if isinstance(c, Cell) else c for c in row] for row in grid.rows]
    return "\n".join(f"| {' | '.join(_plain(c) for c in row)} |" for row in [grid.headers, rule, *rows])


def _line(cells: Sequence[str], tag: str, right: frozenset[int]) -> str:
    marked = (f"<{tag}{' class=r' if i in right else ''}>{c}</{tag}>" for i, c in enumerate(cells))
    return f"<tr>{''.join(marked)}</tr>"


def _html(cell: Cell | str) -> str:
    if isinstance(cell, str):
        return e(cell)
    text = e(cell.text)
    if cell.link:
        text = f"<a href='{e(cell.link)}'>{text}</a>"
    if cell.mark or cell.title:
        about = f" title='{e(cell.title)}'" if cell.title else ""
        text = f"<span class='{e(cell.mark)}'{about}>{text}</span>"
    return text


def _plain(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
