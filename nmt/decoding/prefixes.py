"""Encode the prefixes that translations must begin with."""

from collections.abc import Sequence

from nmt.config import DecodeSettings
from nmt.decoding.requests import Request
from nmt.decoding.segments import EncodedSegments, output_limit
from nmt.errors import UsageError
from nmt.system.arguments import check_surrogates
from nmt.text.tokenizer import UNK, SubwordModel


def encode_prefixes(
    requests: Sequence[Request], subwords: SubwordModel, first_line: int
) -> list[tuple[int, ...]]:
    """Return the token ids of each request's prefix; an empty list if none has a prefix.

    subwords: those of the target language. first_line: the line number of the first request. Raises
    UsageError, which names the line, for a prefix that the vocabulary or UTF-8 cannot write.
    """
    if not any(request.prefix for request in requests):
        return []
    for line, request in enumerate(requests, first_line):
        check_surrogates(request.prefix, f"prefix {line}")
    encoded = subwords.encode([" ".join(request.prefix.splitlines()) for request in requests])
    for line, ids in enumerate(encoded, first_line):
        if UNK in ids:
            unknown = ", ".join(subwords.unknown(requests[line - first_line].prefix))
            raise UsageError(
                f"line {line}: the prefix has characters that are not in the vocabulary: {unknown};"
                " leave them out"
            )
    return [tuple(ids) for ids in encoded]


def check_prefixes(
    requests: Sequence[Request],
    prefixes: Sequence[tuple[int, ...]],
    encoded: EncodedSegments,
    settings: DecodeSettings,
    first_line: int,
) -> None:
    """Raise UsageError, which names the line, for a prefix that no output can begin with.

    prefixes: those of `encode_prefixes`. encoded: the requests' segments.
    """
    for index, prefix in enumerate(prefixes):
        if not requests[index].prefix:
            continue
        line, parts = first_line + index, encoded.segments[index]
        if not parts:
            raise UsageError(
                f"line {line}: there is a prefix but no text to translate; leave out the prefix"
            )
        most = output_limit(len(encoded.parts[parts[0]]), settings) - 1
        if len(prefix) > most:
            raise UsageError(
                f"line {line}: the prefix has {len(prefix):,} tokens, but the translation may have"
                f" at most {most:,}; shorten it, or raise decode.max_extra_tokens or"
                " decode.max_length"
            )
