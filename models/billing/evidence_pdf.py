"""The readable part of an evidence pack, set with reportlab: no browser engine is needed and the bytes are stable."""

import io
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from odoo.tools import file_path

_INK = colors.HexColor("#374151")
_FAINT = colors.HexColor("#9ca3af")
_RULE = colors.HexColor("#d1d5db")
_SHADE = colors.HexColor("#f3f4f6")
# Column, share of the page's width; figures stand right.
_COLUMNS = (("date", 20), ("text", 92), ("person", 32), ("quantity", 18), ("rate", 22), ("worth", 24),
            ("amount_on_this_invoice", 28), ("source_record", 37))
_FIGURES = ("quantity", "rate", "worth", "amount_on_this_invoice")
# Odoo ships Roboto, which has Latin, Greek and Cyrillic; the fonts of PDF itself have western European letters only.
_FONT, _FONT_BOLD = "Roboto", "Roboto-Bold"
for _name, _file in ((_FONT, "Roboto-Regular.ttf"), (_FONT_BOLD, "Roboto-Bold.ttf")):
    pdfmetrics.registerFont(TTFont(_name, file_path(f"web/static/fonts/google/Roboto/{_file}")))
_TEXT = ParagraphStyle("text", fontName=_FONT, fontSize=8, leading=10, textColor=_INK)
_TITLE = ParagraphStyle("title", _TEXT, fontName=_FONT_BOLD, fontSize=18, leading=22, spaceAfter=4 * mm)
_HEAD = ParagraphStyle(
    "head", _TEXT, fontName=_FONT_BOLD, fontSize=11, leading=14, spaceBefore=5 * mm, spaceAfter=2 * mm)
_SMALL = ParagraphStyle("small", _TEXT, fontSize=7, leading=8.5, textColor=_FAINT)
_RIGHT = ParagraphStyle("right", _TEXT, alignment=2)
_BOLD = ParagraphStyle("bold", _TEXT, fontName=_FONT_BOLD)


def evidence_pdf(facts):
    """Return the PDF bytes for :class:`~.evidence_pack.InvoiceFacts`."""
    label = facts.labels.get
    story = [
        Paragraph(escape(label("title", "Evidence of invoice %s") % facts.number), _TITLE),
        _pairs(facts.heading),
    ]
    for line in dict.fromkeys(row["invoice_line"] for row in facts.rows):
        story.append(Paragraph(_text(line), _HEAD))
        story.append(_entries([row for row in facts.rows if row["invoice_line"] == line], label))
    if facts.approvals:
        story += [Paragraph(escape(label("approvals", "Approvals")), _HEAD), _grid(facts.approvals, (70, 90, 60))]
    if facts.clauses:
        story.append(Paragraph(escape(label("clauses", "Contract terms")), _HEAD))
        for title, text in facts.clauses:
            story += [Paragraph(_text(title), _BOLD), Paragraph(_text(text), _TEXT), Spacer(1, 2 * mm)]
    if facts.files:
        story.append(Paragraph(escape(label("files", "Receipts and papers in this pack")), _HEAD))
        story += [Paragraph(_text(name), _TEXT) for name, _content in facts.files]
    out = io.BytesIO()
    SimpleDocTemplate(
        out, pagesize=landscape(A4), leftMargin=12 * mm, rightMargin=12 * mm, topMargin=12 * mm, bottomMargin=14 * mm,
        title=facts.number, author="PSA Hub", invariant=1,
    ).build(story, onFirstPage=_footer(facts), onLaterPages=_footer(facts))
    return out.getvalue()


def _footer(facts):
    def draw(canvas, document):
        canvas.setFont(_FONT, 7)
        canvas.setFillColor(_FAINT)
        canvas.drawString(12 * mm, 8 * mm, facts.number)
        canvas.drawRightString(landscape(A4)[0] - 12 * mm, 8 * mm, str(document.page))
    return draw


def _text(text):
    return escape(str(text or "")).replace("\n", "<br/>")


def _pairs(pairs):
    table = Table([[Paragraph(_text(label), _SMALL), Paragraph(_text(text), _TEXT)] for label, text in pairs],
                  colWidths=(45 * mm, 150 * mm), hAlign="LEFT")
    table.setStyle(TableStyle([("TOPPADDING", (0, 0), (-1, -1), 0), ("BOTTOMPADDING", (0, 0), (-1, -1), 1)]))
    return table


def _entries(rows, label):
    cells = [[Paragraph(escape(label(name, name)), _SMALL) for name, _width in _COLUMNS]]
    for row in rows:
        text = _text(row["text"])
        for note in filter(None, (row["terms"], row["why_this_amount"])):
            text += f'<br/><font size="6.5" color="#9ca3af">{_text(note)}</font>'
        shown = {**row, "quantity": f"{row['quantity']} {row['unit']}".strip()}
        cells.append([
            Paragraph(text if name == "text" else _text(shown[name]), _RIGHT if name in _FIGURES else _TEXT)
            for name, _width in _COLUMNS
        ])
    table = Table(cells, colWidths=[width * mm for _name, width in _COLUMNS], repeatRows=1)
    table.setStyle(TableStyle([
        ("BACKGROUND", (0, 0), (-1, 0), _SHADE),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, _RULE),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("TOPPADDING", (0, 0), (-1, -1), 2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
    ]))
    return table


def _grid(rows, widths):
    table = Table([[Paragraph(_text(cell), _TEXT) for cell in row] for row in rows],
                  colWidths=[width * mm for width in widths], hAlign="LEFT")
    table.setStyle(TableStyle([("LINEBELOW", (0, 0), (-1, -1), 0.4, _RULE)]))
    return table
