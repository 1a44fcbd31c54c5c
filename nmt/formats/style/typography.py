"""Make translations look like their sources: quotation marks, spaces, final marks and capitals.

Each rule has its file: `casing`, `final_mark`, `spacing` and `quotation`. None of them changes a
mark, such as a tag or code.
"""

from nmt.decoding.marks.marked import Marked
from nmt.formats.document import Options, Segment
from nmt.formats.style.casing import sentence_case, with_case_of
from nmt.formats.style.final_mark import with_final_mark_of
from nmt.formats.style.quotation import MARKS_OF, for_language, with_marks_of
from nmt.formats.style.spacing import with_outer_space_of, with_spaces_of


def before(
    source: Marked, segment: Segment, options: Options, names: frozenset[str] = frozenset()
) -> Marked:
    """Return what a model reads of a segment: a heading in the case of a sentence.

    source: its text, with all marks. names: words that keep their capitals (`casing.names_of`).
    """
    if not segment.is_heading:
        return source
    return sentence_case(source, options.source_language, names)


def after_sentence(source: Marked, translation: Marked, options: Options) -> Marked:
    """Return the translation of one of several sentences, with the end and the begin of its source.

    `after` is for the whole segment then.
    """
    language = options.target_language
    if for_language(MARKS_OF, language) is None or translation == source:
        return translation
    translation = with_final_mark_of(language, source, translation)
    return with_case_of(source, translation, language, is_heading=False)


def after(source: Marked, translation: Marked, segment: Segment, options: Options) -> Marked:
    """Return the translation of a segment as its language writes it.

    source: the text of the file, not that of `before`. If the language of the translation is not
    known, or has no entry in `quotation.MARKS_OF`, only outer white space is as in the source.
    """
    language = options.target_language
    translation = with_outer_space_of(source, translation)
    if for_language(MARKS_OF, language) is None or translation == source:
        return translation
    translation = with_final_mark_of(language, source, translation)
    translation = with_marks_of(language, source, translation)
    translation = with_spaces_of(language, source, translation)
    return with_case_of(source, translation, language, is_heading=segment.is_heading)
