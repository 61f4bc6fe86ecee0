"""The paper that a report is written on: headings, tables that go on over pages, figures two by two."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib
from fpdf import FPDF
from fpdf.enums import TableBordersLayout
from fpdf.fonts import FontFace

from predictor.report.figures.style import LIGHT

_FONT = "DejaVu Sans"
_FACES = {"": "DejaVuSans.ttf", "B": "DejaVuSans-Bold.ttf"}
_MARGIN = 14.0
_GAP = 6.0
_BODY, _SMALL = 8.0, 6.5
_POINT = 25.4 / 72
_NOTICE = (253, 245, 230)


class _Pages(FPDF):
    """A4 pages with their number at the foot."""

    def footer(self) -> None:
        """Number the page."""
        self.set_y(-_MARGIN)
        self.set_font(_FONT, size=_SMALL)
        self.set_text_color(LIGHT["quiet"])
        self.cell(0, 5, f"{self.title}   {self.page_no()} / {{nb}}", align="R")


class Sheet:
    """One document, written from its head to its end.

    Args:
        title: of the document.
    """

    def __init__(self, title: str) -> None:
        self.pages = _Pages(format="A4")
        self.pages.set_title(title)
        self.pages.set_author("predictor")
        self.pages.set_lang("en")
        # No time: the same report gives the same bytes.
        self.pages.set_creation_date(datetime(2000, 1, 1, tzinfo=UTC))
        self.pages.set_margin(_MARGIN)
        self.pages.c_margin = 0
        self.pages.set_auto_page_break(True, _MARGIN + 4)
        fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
        for style, name in _FACES.items():
            self.pages.add_font(_FONT, style, fonts / name)
        self.pages.set_draw_color(LIGHT["grid"])
        self.pages.set_line_width(0.2)
        self.pages.add_page()
        self.half = (self.pages.epw - _GAP) / 2
        self._waiting: tuple[io.BytesIO, str, str, str] | None = None

    def finish(self) -> bytes:
        """Give the PDF."""
        return bytes(self.pages.output())

    def title(self) -> None:
        """Write the document's title."""
        self._write("Forecast report", _BODY, "quiet")
        self._write(str(self.pages.title), 15, "ink", "B")
        self.pages.ln(2)

    def facts(self, facts: Sequence[tuple[str, str]]) -> None:
        """Write a line of short facts, each under its name."""
        pages = self.pages
        width, top = pages.epw / len(facts), pages.get_y()
        lowest = top
        for place, (name, value) in enumerate(facts):
            pages.set_xy(pages.l_margin + place * width, top)
            self._write(name, _SMALL, "quiet", width=width - 2)
            pages.set_x(pages.l_margin + place * width)
            self._write(value, _BODY, "ink", "B", width=width - 2)
            lowest = max(lowest, pages.get_y())
        pages.set_xy(pages.l_margin, lowest + 2)

    def notice(self, text: str) -> None:
        """Write what has to be known first, on a coloured ground."""
        pages = self.pages
        pages.set_font(_FONT, size=_BODY)
        pages.set_text_color(LIGHT["ink"])
        # Tables would be filled with the colour too.
        with pages.local_context(fill_color=_NOTICE):
            pages.multi_cell(0, 4.2, text, fill=True, padding=(1, 2), new_x="LMARGIN", new_y="NEXT")
        pages.ln(1.5)

    def heading(self, text: str, room: float = 40.0) -> None:
        """Begin a part; it shows in the outline of the document.

        Args:
            text: its heading.
            room: millimetres that it needs with what must stay beside it; a new page where there are fewer.
        """
        pages = self.pages
        if pages.will_page_break(room):
            pages.add_page()
        pages.ln(4)
        pages.start_section(text)
        self._write(text, 12, "ink", "B")
        pages.ln(1)

    def text(self, text: str) -> None:
        """Write a paragraph."""
        self._write(text, _BODY, "ink")
        self.pages.ln(1.5)

    def aside(self, text: str) -> None:
        """Write a quieter paragraph."""
        self._write(text, _SMALL + 0.5, "quiet")
        self.pages.ln(1)

    def table(
        self,
        heads: Sequence[str],
        rows: Sequence[Sequence[str]],
        widths: Sequence[float],
        align: str,
        strong: int | None = None,
    ) -> None:
        """Write a table whose heads are repeated on every page.

        Args:
            heads: of the columns.
            rows: their cells.
            widths: in millimetres.
            align: a letter per column: L, C or R.
            strong: the column whose numbers are bold.
        """
        pages = self.pages
        pages.set_font(_FONT, size=_SMALL + 0.5)
        pages.set_text_color(LIGHT["ink"])
        with pages.table(
            width=sum(widths),
            col_widths=tuple(widths),
            text_align=tuple({"L": "LEFT", "C": "CENTER", "R": "RIGHT"}[letter] for letter in align),
            align="LEFT",
            borders_layout=TableBordersLayout.HORIZONTAL_LINES,
            headings_style=FontFace(color=LIGHT["quiet"], size_pt=_SMALL),
            line_height=3.4,
            padding=(0.9, 2.4, 0.9, 0),
        ) as table:
            table.row(list(heads))
            for cells in rows:
                row = table.row()
                for place, cell in enumerate(cells):
                    row.cell(cell, style=FontFace(emphasis="BOLD") if place == strong else None)
        pages.ln(3)

    def figure(self, drawing: io.BytesIO, title: str, setting: str, caption: str) -> None:
        """Put a figure beside the one before it, or begin a new line of two.

        Args:
            drawing: an SVG.
            title: bold above it.
            setting: quiet beside the title.
            caption: under it.
        """
        if self._waiting is None:
            self._waiting = (drawing, title, setting, caption)
            return
        first, self._waiting = self._waiting, None
        self._pair([first, (drawing, title, setting, caption)])

    def end_figures(self) -> None:
        """Put a figure that was left over, alone."""
        if self._waiting is not None:
            first, self._waiting = self._waiting, None
            self._pair([first])

    def _pair(self, figures: Sequence[tuple[io.BytesIO, str, str, str]]) -> None:
        pages = self.pages
        heights = [self._height(one) for one in figures]
        if pages.will_page_break(max(heights)):
            pages.add_page()
        top = pages.get_y()
        for place, (drawing, title, setting, caption) in enumerate(figures):
            left = pages.l_margin + place * (self.half + _GAP)
            pages.set_xy(left, top)
            self._write(title, _BODY, "ink", "B", width=self.half)
            pages.set_x(left)
            self._write(setting, _SMALL, "quiet", width=self.half)
            placed = pages.image(drawing, x=left, y=pages.get_y() + 0.5, w=self.half, alt_text=caption)
            pages.set_xy(left, pages.get_y() + 0.5 + float(placed.rendered_height or 0))
            self._write(caption, _SMALL, "quiet", width=self.half)
        pages.set_xy(pages.l_margin, top + max(heights) + 3)

    def _height(self, figure: tuple[io.BytesIO, str, str, str]) -> float:
        drawing, title, setting, caption = figure
        words = sum(
            self._write(text, size, "ink", style, width=self.half, dry=True)
            for text, size, style in ((title, _BODY, "B"), (setting, _SMALL, ""), (caption, _SMALL, ""))
        )
        return words + 1 + self.half * _ratio(drawing)

    def _write(self, text: str, size: float, role: str, style: str = "", width: float = 0, dry: bool = False) -> float:
        """Write text of a width, the rest of the line where 0; gives its height in millimetres, where asked to try."""
        pages = self.pages
        pages.set_font(_FONT, style, size)
        pages.set_text_color(LIGHT[role])
        line = 1.35 * size * _POINT
        if dry:
            tried: Any = pages.multi_cell(width, line, text, align="L", dry_run=True, output="HEIGHT")
            return float(tried)
        pages.multi_cell(width, line, text, align="L", new_x="LMARGIN", new_y="NEXT", padding=0)
        return 0.0


def _ratio(drawing: io.BytesIO) -> float:
    """Give height over width of an SVG, from its view box."""
    box = drawing.getvalue().split(b'viewBox="', 1)[1].split(b'"', 1)[0]
    _, _, width, height = map(float, box.split())
    return height / width
