"""XLIFF 1.0 to 1.2 and 2.0 to 2.2 (`.xlf`, `.xliff`): targets are filled in beside their sources.

The formats are OASIS standards. Inline codes are marks: they stand in the target as in the source.
"""

from collections.abc import Iterator, Sequence

from nmt.documents.document import Document, Options
from nmt.documents.marks.icu import HEAD
from nmt.documents.messages.bilingual import (
    BilingualDocument,
    Code,
    Role,
    Slot,
    Slots,
    Target,
    content_edit,
    marked,
    prefix_of,
    space_before,
    wrong_language,
)
from nmt.documents.xml.file import Edit, Element, XmlFile, escape_text, read_xml
from nmt.errors import NmtError

NAMESPACE = "urn:oasis:names:tc:xliff:document:"
SPACE = "{http://www.w3.org/XML/1998/namespace}space"
# States of a target of version 1 in which it is no translation yet.
TO_TRANSLATE = ("new", "needs-translation", "needs-adaptation", "needs-l10n")
REVIEW = "needs-review-translation"
BY_MACHINE = "mt-suggestion"
INITIAL, TRANSLATED = "initial", "translated"  # states of a segment of version 2
PAIRS = ("g", "pc", "mrk")
BEGINS = ("bx", "bpt", "sc", "sm")
# XLIFF does not say which programs read the texts.
SYNTAX = frozenset({"python", "objc", "brace", "tags"})
ICU = frozenset({"icu", "tags"})
ENDS = ("ex", "ept", "ec", "em")
KEYS = ("rid", "startRef", "id")  # what a BEGIN and its END have in common


def read(content: bytes, options: Options) -> Document:
    """Return the document of an XLIFF file."""
    xml = read_xml(content)
    root = xml.root
    if local(root) != "xliff":
        raise NmtError(
            f"{xml.place(root.begin)}: the root is <{local(root)[:40]}>, but that of XLIFF is"
            " <xliff>; name the right format with --format"
        )
    version = root.attributes.get("version", "")
    reader = Reader(xml, options, is_new=version.startswith("2"), is_1_2=version == "1.2")
    reader.read(root)
    return reader.document


class Reader:
    """Collect the units of a file."""

    def __init__(self, xml: XmlFile, options: Options, *, is_new: bool, is_1_2: bool) -> None:
        self.xml = xml
        self.options = options
        self.is_new = is_new  # of version 2
        self.is_1_2 = is_1_2
        self.document = BilingualDocument(xml, Slots(options), escape_text)
        self.following: tuple[Edit, ...] = ()

    def read(self, element: Element, translates: bool = True, keeps_lines: bool = False) -> None:
        """Read an element and those in it; they inherit whether they are translated."""
        stated = element.attributes.get("translate")
        translates = stated != "no" if stated else translates
        space = element.attributes.get(SPACE)
        keeps_lines = space == "preserve" if space else keeps_lines
        name = local(element)
        if name in ("file", "xliff"):
            self.read_language(element, name)
        if name in ("trans-unit", "unit") and not translates:
            return
        if name == "trans-unit":
            self.add_unit(element, element, keeps_lines)
        elif name == "unit":
            for segment in all_of(element, "segment"):
                self.add_unit(element, segment, keeps_lines)
        elif name in ("xliff", "file", "body", "group"):
            for child in element.elements():
                self.read(child, translates, keeps_lines)

    def read_language(self, element: Element, name: str) -> None:
        """Note the target language of a file, or that it is to be added."""
        if name != ("xliff" if self.is_new else "file"):
            return
        attribute = "trgLang" if self.is_new else "target-language"
        wanted = self.options.target_language
        stated = element.attributes.get(attribute, "")
        self.following = ()
        if not stated and wanted:
            self.following = (self.xml.set_attribute(element, attribute, attribute, wanted),)
        place = self.xml.place(element.begin)
        self.document.findings += wrong_language(stated, wanted, place)

    def add_unit(self, unit: Element, parent: Element, keeps_lines: bool) -> None:
        """Add a unit, or a segment of one, if it needs a translation."""
        source, target = child_of(parent, "source"), child_of(parent, "target")
        if source is None or not self.needs_translation(parent, target):
            return
        space = source.attributes.get(SPACE)
        keeps_lines = space == "preserve" if space else keeps_lines
        context = " ".join(
            filter(None, (unit.attributes.get(each) for each in ("resname", "name", "id")))
        )
        segmented = child_of(parent, "seg-source") or source
        pieces = tuple(self.pieces(segmented, context, keeps_lines))

        def edits(contents: Sequence[str]) -> list[Edit]:
            return self.edits(parent, segmented, target, contents[0])

        self.document.targets.append(Target((pieces,), edits, self.following))

    def pieces(self, source: Element, context: str, keeps_lines: bool) -> Iterator[str | Slot]:
        """Yield what a target is made of: a text, or texts between the tags of segments."""
        segments = [each for each in all_of(source, "mrk") if each.attributes.get("mtype") == "seg"]
        end = source.inner_begin
        for each in segments or [source]:
            if each.begin < end and each is not source:
                continue  # in a segment
            yield self.xml.raw(end, each.inner_begin)
            text = marked(self.xml, each, code_of, keeps_lines)
            syntax = ICU if HEAD.search(text.text) else SYNTAX
            yield self.document.slots.add(text, self.xml.place(each.begin), context, syntax)
            end = each.inner_end
        yield self.xml.raw(end, source.inner_end)

    def needs_translation(self, parent: Element, target: Element | None) -> bool:
        """Return whether a target is to be written."""
        if self.options.translates_all:
            return True
        state = (parent if self.is_new else target or parent).attributes.get("state", "")
        if parent.attributes.get("approved") == "yes":
            return False
        is_empty = target is None or not target.text().strip()
        if self.is_new:
            return state == INITIAL or (is_empty and not state)
        return state in TO_TRANSLATE or is_empty

    def edits(
        self, parent: Element, source: Element, target: Element | None, content: str
    ) -> list[Edit]:
        """Return the edits that write a target and its state."""
        edits = []
        states = {} if self.is_new else {"state": REVIEW}
        if self.is_1_2:
            states["state-qualifier"] = BY_MACHINE
        if target is None:
            name = f"{prefix_of(self.xml, source)}target"
            attributes = "".join(f' {key}="{value}"' for key, value in states.items())
            written = f"<{name}{attributes}>{content}</{name}>"
            place = source.end
            edits.append(Edit(place, place, f"{space_before(self.xml, source)}{written}"))
        else:
            edits.append(content_edit(self.xml, target, content))
            edits += [self.xml.set_attribute(target, key, key, states[key]) for key in states]
        if self.is_new:
            edits.append(self.xml.set_attribute(parent, "state", "state", TRANSLATED))
            edits += self.xml.without_attribute(parent, "subState")  # it belongs to a state
        elif parent.attributes.get("approved") == "yes":
            edits.append(self.xml.set_attribute(parent, "approved", "approved", "no"))
        return edits


def local(element: Element) -> str:
    """Return the name of an element of XLIFF without its namespace; of others, with it."""
    namespace, _, name = element.name.rpartition("}")
    return name if not namespace or namespace[1:].startswith(NAMESPACE) else element.name


def child_of(element: Element, name: str) -> Element | None:
    """Return the first child with a name of XLIFF."""
    return next((each for each in element.elements() if local(each) == name), None)


def all_of(element: Element, name: str) -> Iterator[Element]:
    """Yield the elements below an element with a name of XLIFF."""
    return (each for each in element.all() if local(each) == name and each is not element)


def code_of(element: Element) -> Code:
    """Return the role of an inline element."""
    name, attributes = local(element), element.attributes
    if name == "mrk" and attributes.get("mtype") == "protected":
        return Code(Role.WHOLE)
    if name == "mrk" and attributes.get("translate") == "no":
        return Code(Role.WHOLE)
    if name in PAIRS:
        return Code(Role.PAIR)
    key = next((attributes[each] for each in KEYS if each in attributes), "")
    if name in BEGINS:
        return Code(Role.BEGIN, key)
    return Code(Role.END, key) if name in ENDS else Code(Role.WHOLE)
