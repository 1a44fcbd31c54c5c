"""Exports refuse a positional encoding that they do not know, in one sentence."""

from dataclasses import replace

import pytest

from nmt.config import ModelSettings
from nmt.errors import NmtError
from nmt.interop.huggingface_architecture import architecture_of
from nmt.interop.position_tables import position_table

NEW = replace(ModelSettings(), positions="not_written_yet")
REASON = r"^no format of nmt export has model\.positions=not_written_yet; translate with nmt "


def test_an_unknown_encoding_has_no_table() -> None:
    with pytest.raises(NmtError, match=REASON):
        position_table({}, NEW, "source", 8)


def test_transformers_lacks_an_unknown_encoding() -> None:
    """The reason comes before others, because no other format helps."""
    with pytest.raises(NmtError, match=REASON):
        architecture_of(replace(NEW, norm_kind="rms"))
