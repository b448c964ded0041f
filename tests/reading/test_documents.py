"""Reading files that are not plain text."""

import logging
from email.message import EmailMessage

import pytest

from ner_retriever_rag.reading import readable
from ner_retriever_rag.reading.documents import read_document

HTML = """<!doctype html><html><head><title>Polar
 explorers</title><style>p {}</style></head><body><!-- no --><h1>Explorers</h1>
<p>Roald <b>Amundsen</b>
was born in Borge.</p><ul><li>Fridtjof Nansen<li>Otto Sverdrup</ul>
<table><tr><th>Ship<th>Year</tr><tr><td>Fram</td><td>1892</td></tr></table><script>x()</script></body></html>"""


def pdf(*pages):
    """Build a PDF by hand from pages of lines."""
    objects = ["<</Type/Catalog/Pages 2 0 R>>", ""]
    kids = []
    for lines in pages:
        text = (
            "BT /F1 12 Tf 72 720 Td 14 TL " + " ".join(f"({line}) Tj T*" for line in lines) + " ET"
        )
        objects.append(f"<</Length {len(text)}>>stream\n{text}\nendstream")
        objects.append(
            f"<</Type/Page/Parent 2 0 R/Contents {len(objects)} 0 R/MediaBox[0 0 612 792]/Resources"
            "<</Font<</F1<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>>>"
        )
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<</Type/Pages/Kids[{' '.join(kids)}]/Count {len(kids)}>>"
    objects.append("<</Title(Minutes)>>")
    out, places = b"%PDF-1.4\n", []
    for number, each in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{each}\nendobj\n".encode()
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    size = len(objects) + 1
    out += f"xref\n0 {size}\n0000000000 65535 f \n{table}".encode()
    tail = f"trailer<</Size {size}/Root 1 0 R/Info {size - 1} 0 R>>\nstartxref\n"
    return out + f"{tail}{out.index(b'xref')}\n%%EOF".encode()


def test_html_title_and_text(tmp_path):
    pytest.importorskip("bs4")
    file = tmp_path / "a.html"
    file.write_text(HTML)
    page = read_document(file)
    assert page.title == "Polar explorers"
    assert readable(page.text).text == (
        "Explorers | Roald Amundsen was born in Borge. | Fridtjof Nansen | Otto Sverdrup"
        " | Ship | Year | Fram | 1892"
    )


def test_pdf_with_a_blank_page(tmp_path, caplog):
    pytest.importorskip("pypdf")
    file = tmp_path / "a.PDF"
    file.write_bytes(pdf(["Roald Amundsen", "Fridtjof Nansen"], [], ["Fram"]))
    with caplog.at_level(logging.INFO):
        page = read_document(file)
    assert page.title == "Minutes"
    assert readable(page.text).text == "Roald Amundsen | Fridtjof Nansen | Fram"
    assert "page 2 of" in caplog.text


def test_docx_title_and_text(tmp_path):
    docx = pytest.importorskip("docx")
    document = docx.Document()
    document.add_heading("Explorers", 0)
    document.add_paragraph("Roald Amundsen was born in Borge.")
    table = document.add_table(1, 2)
    table.rows[0].cells[0].text, table.rows[0].cells[1].text = "Fram", "1892"
    document.add_paragraph("Nansen", style="List Bullet")
    document.save(tmp_path / "a.docx")
    page = read_document(tmp_path / "a.docx")
    assert page.title == "Explorers"
    assert readable(page.text).text == (
        "Explorers | Roald Amundsen was born in Borge. | Fram | 1892 | Nansen"
    )


def test_email_subject_and_text(tmp_path):
    message = EmailMessage()
    message["Subject"], message["From"] = "Expédition", "Jane Doe <jane@acme.org>"
    message.set_content("Dear Otto,\n\n> we met\n> in Oslo\n")
    (tmp_path / "a.eml").write_bytes(bytes(message))
    page = read_document(tmp_path / "a.eml")
    assert page.title == "Expédition"
    assert readable(page.text).text.startswith("Expédition | From: Jane Doe <jane@acme.org> | Dear")


@pytest.mark.parametrize("name", ["a.pdf", "a.docx"])
def test_damaged_files_are_reported(tmp_path, name):
    pytest.importorskip("pypdf" if name == "a.pdf" else "docx")
    (tmp_path / name).write_bytes(b"%PDF")
    with pytest.raises(ValueError, match=f"is no {name[2:]} that can be read"):
        read_document(tmp_path / name)
