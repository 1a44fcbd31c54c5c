"""Packages: members are translated, others stay as they are, hostile files are refused cheaply."""

import struct
import tracemalloc
from io import BytesIO
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import pytest
from lxml import etree

from nmt.decoding.translator.marked import Marked
from nmt.documents.document import Finding, Options, Segment
from nmt.documents.office.package import Package, Tree
from nmt.documents.texts import text
from nmt.errors import DamagedError, NmtError
from tests.documents.documents import members, places, texts, unchanged

DATE = (2020, 2, 29, 12, 34, 56)


def zipped(
    members: dict[str, bytes],
    kind: int = ZIP_DEFLATED,
    comment: bytes = b"",
    is_stream: bool = False,
) -> bytes:
    """Return a zip file whose first member is stored; a stream has its sizes after the members."""
    file = BytesIO()
    if is_stream:
        file.seekable = lambda: False  # type: ignore[method-assign] # a stream
    with ZipFile(file, "w") as target:
        for number, (name, content) in enumerate(members.items()):
            info = ZipInfo(name, DATE)
            info.compress_type = kind if number else ZIP_STORED
            info.external_attr = number << 16
            info.comment = b"member"
            target.writestr(info, content)
        target.comment = comment
    return file.getvalue()


MEMBERS = {"mimetype": b"a/b", "größe.xml": b"<a/>" * 99, "x/": b"", "picture": bytes(range(256))}


@pytest.mark.parametrize("is_stream", [False, True], ids=["file", "stream"])
def test_members_are_replaced_and_the_others_stay(is_stream: bool) -> None:
    content = zipped(MEMBERS, comment=b"hello", is_stream=is_stream)
    container = Package(content)
    assert list(container.members) == list(MEMBERS)
    assert container.read("größe.xml") == b"<a/>" * 99
    assert container.changed({}) is content

    changed = container.changed({"größe.xml": b"<b/>" * 50})
    with ZipFile(BytesIO(changed)) as new, ZipFile(BytesIO(content)) as old:
        assert new.testzip() is None
        assert new.comment == b"hello"
        found = {name: new.read(name) for name in new.namelist()}
        assert found == MEMBERS | {"größe.xml": b"<b/>" * 50}
        for before, after in zip(old.infolist(), new.infolist(), strict=True):
            for name in ("filename", "date_time", "compress_type", "external_attr", "comment"):
                assert getattr(before, name) == getattr(after, name)
    again = Package(changed).changed({"größe.xml": b"<a/>" * 99})
    assert Package(again).read("größe.xml") == b"<a/>" * 99
    assert changed[30:38] == b"mimetype"  # as .odt and .epub demand it: first, and without extras


def test_extra_fields_stay_except_sizes() -> None:
    file = BytesIO()
    with ZipFile(file, "w") as target:
        info = ZipInfo("a", DATE)
        info.extra = struct.pack("<HHH", 0x5455, 2, 7)
        with target.open(info, "w", force_zip64=True) as member:
            member.write(b"x")
        target.writestr("b", b"y")
    changed = Package(file.getvalue()).changed({"b": b"z"})
    with ZipFile(BytesIO(changed)) as new:
        assert new.read("a") == b"x"
        assert new.getinfo("a").extra == struct.pack("<HHH", 0x5455, 2, 7)


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        (40, "'content.xml' has 40 MB .*, more than 400 times its size"),
        (1, "'content.xml' cannot be decompressed"),  # a size that lies does not help
    ],
)
def test_bombs_are_refused_before_they_are_decompressed(stated: int, message: str) -> None:
    content = zipped({"mimetype": b"", "content.xml": bytes(40 * 2**20)})
    content = content.replace(struct.pack("<L", 40 * 2**20), struct.pack("<L", stated * 2**20))
    tracemalloc.start()
    with pytest.raises(NmtError, match=message):
        Package(content).read("content.xml")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(content) < 1e6
    assert peak < 10e6


@pytest.mark.parametrize(
    ("limit", "value", "message"),
    [
        ("MOST_MEMBERS", 3, "the file has 4 members, more than 3; split the document"),
        ("MOST_READ_BYTES", 400, "'picture' has 0 MB .*, but at most 0 MB of a document"),
        ("MOST_TAGS", 150, "the file has more than 150 tags; split the document"),
    ],
)
def test_what_is_read_is_bounded(
    monkeypatch: pytest.MonkeyPatch, limit: str, value: int, message: str
) -> None:
    monkeypatch.setattr(f"nmt.documents.office.package.{limit}", value)
    parts = (
        MEMBERS if limit != "MOST_TAGS" else {"größe.xml": b"<a/>" * 99, "picture": b"<b/>" * 99}
    )

    def read() -> None:
        container = Package(zipped(parts))
        assert container.read("größe.xml") == b"<a/>" * 99
        container.read("picture")

    with pytest.raises(NmtError, match=message):
        read()


TWICE = zipped({"a": b"x", "b": b"y"}).replace(b"b", b"a")
NO_ZIP = "it is not a complete zip file"


def encrypted() -> bytes:
    content = bytearray(zipped({"a": b"x"}))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def overlapping() -> bytes:
    content = bytearray(zipped({"a": b"x" * 99, "b": b"y" * 99}))
    begin = content.rindex(b"PK\x01\x02")
    content[begin + 42 : begin + 46] = bytes(4)  # the member begins where the first does
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", f"of another format: {NO_ZIP}; use another copy"),
        (zipped(MEMBERS)[9:], NO_ZIP),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 9, "a password or a format from before 2007"),
        (encrypted(), "the file is encrypted; save it without a password"),
        (TWICE, "the file has two members 'a'; save it again"),
        (overlapping(), "of another format: the member 'b' is in the wrong place"),
    ],
    ids=["empty", "beheaded", "old-office", "encrypted", "twice", "overlapping"],
)
def test_files_that_are_refused(content: bytes, message: str) -> None:
    with pytest.raises(NmtError, match=message):
        Package(content)


def test_members_that_cannot_be_read() -> None:
    content = zipped(MEMBERS)
    container = Package(content.replace(b"a/b", b"a/c"))
    with pytest.raises(DamagedError, match="'mimetype' cannot be decompressed"):
        container.read("mimetype")
    with pytest.raises(DamagedError, match="of another format: it has no 'y'"):
        container.read("y")
    odd = Package(zipped(MEMBERS, ZIP_BZIP2))
    with pytest.raises(DamagedError, match="'picture' is compressed in an unusual way"):
        odd.read("picture")


def fill(tree: Tree) -> None:
    tree.translate_text(tree.root[0], Segment(Marked(tree.root[0].text), "line 1"))
    tree.follow_text(tree.root[-1], "de")


XML = "<a><b>Four.</b><!-- c --><lang>en</lang></a>"


def package(xml: bytes = XML.encode()) -> Package:
    whole = Package(zipped({"a": b"One.\n\nTwo.", "b": xml, "c": b"Three.", "d": XML.encode()}))
    whole.warnings.append(Finding("signature", "the signature is lost"))
    whole.add_document("c", lambda content: text.read(content, Options()))
    whole.add("b", fill)
    whole.add_document("a", lambda content: text.read(content, Options()))
    return whole


def test_members_are_translated() -> None:
    whole = package()
    assert unchanged(whole) == whole.changed({})
    assert texts(whole) == ["Three.", "Four.", "One.", "Two."]
    assert places(whole)[:2] == ["c, line 1", "b, line 1"]
    joined = whole.join([None, None, Marked("Eins."), Marked("Two.")])
    assert members(joined.content) == {
        "a": b"Eins.\n\nTwo.",
        "b": XML.replace("en<", "de<").encode(),
        "c": b"Three.",
        "d": XML.encode(),
    }
    assert joined.findings == (Finding("signature", "the signature is lost"),)
    again = whole.join([None, Marked("<4> \x01&"), None, None])
    assert b"<b>&lt;4&gt; &amp;</b>" in members(again.content)["b"]


DOCTYPE = '<!DOCTYPE a PUBLIC "-//x//DTD" "a>.dtd"\n[ ]>'


@pytest.mark.parametrize(
    ("before", "encoding"),
    [
        ("", "utf-8"),
        ('\ufeff<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\r\n', "utf-8"),
        ('<?xml version="1.0"?>\n<!-- <!DOCTYPE x [y]> -->\n<?p i?>\n' + DOCTYPE, "utf-8"),
        (f'<?xml version="1.0" encoding="iso-8859-1"?>{DOCTYPE}', "iso-8859-1"),
        ("\ufeff<?xml version='1.0' encoding='UTF-16'?>", "utf-16-le"),
        ('<?xml version="1.0" encoding="utf-16"?>', "utf-8"),
    ],
)
def test_a_changed_member_keeps_its_declarations_and_its_tree(before: str, encoding: str) -> None:
    inner = (
        '<a xmlns="urn:u" xmlns:v="urn:w" v:x="1&#10;2"><b>Four.</b><!-- c --><?p?>é<v:d y=\'"\'/>'
        "<![CDATA[<]]>{}</a>"
    )
    content = (before + inner.format("<e>en</e>")).encode(encoding)
    whole = package(content)
    new = members(whole.join([None, Marked("Ѐ"), None, None]).content)["b"]
    written = new.decode(encoding)
    if before:
        assert written.startswith(before.split("?>", maxsplit=1)[0])
    assert ("<!DOCTYPE" in before) == (DOCTYPE in written)
    trees = [
        etree.fromstring(xml.split("?>", 1)[-1] if before else xml)
        for xml in (content.decode(encoding), written)
    ]
    trees[0][0].text, trees[0][-1].text = "Ѐ", "de"
    assert etree.tostring(trees[0], method="c14n") == etree.tostring(trees[1], method="c14n")


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        ("<a>\n<b></a>", "b: line 2: the XML is not well-formed .*, column 8.; correct it"),
        (
            '\n<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
            r"b: line 2: the DOCTYPE has declarations between \[ and \]; remove them",
        ),
        ("<!DOCTYPE a SYSTEM 'x'\n><a>\n&x;</a>", "b: line 3: the XML is not well-formed .*'x'"),
        ("<a>" * 257 + "</a>" * 257, "b: line 1: elements are nested more than 256 deep"),
        (f"<a xmlns='{{{'x' * 999}'/>", "b: line 1: the XML is not well-formed .{152}; correct it"),
        ("<a>\n\xff", "b: line 2: the bytes at offset 4 are not utf-8; save the file in UTF-8"),
    ],
)
def test_xml_that_is_refused(xml: str, message: str) -> None:
    with pytest.raises(NmtError, match=message):
        package(xml.encode("latin-1"))


def test_characters_of_html_are_read_if_the_dtd_is_elsewhere() -> None:
    content = f"{DOCTYPE}<a><b>One&nbsp;&amp; two<![CDATA[&nbsp;]]></b><c>&LT;</c></a>"
    assert package(content.encode()).segments[1].source.text == "One\xa0& two&nbsp;"
