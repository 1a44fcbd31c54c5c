"""Make texts with marks for tests."""

import re
from collections.abc import Mapping

from nmt.decoding.translator.marked import Kind, Mark, Marked


def marked(text: str, kinds: Mapping[str, Kind]) -> Marked:
    """Return a text in which each of some texts is a mark of a kind."""
    pattern = "|".join(map(re.escape, kinds))
    marks = (Mark(*each.span(), kinds[each[0]]) for each in re.finditer(pattern, text))
    return Marked(text, tuple(marks))
