"""Encode the prefixes that translations must begin with."""

from collections.abc import Sequence
from functools import cached_property
from unicodedata import normalize

from nmt.config import DecodeSettings
from nmt.decoding.search.beginnings import NO_BEGINNING, Beginning, TokenTexts
from nmt.decoding.search.rules import special_ids
from nmt.decoding.translator.requests import Request
from nmt.decoding.translator.segments import EncodedSegments, output_limit
from nmt.errors import UsageError
from nmt.system.arguments import check_surrogates
from nmt.text.tokenizer import UNK, Tokenizer


class PrefixEncoder:
    """Encodes prefixes in the vocabulary of the target language."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    @cached_property
    def _texts(self) -> TokenTexts:
        special = special_ids(self._tokenizer)
        return TokenTexts(self._tokenizer.target, special.never, special.eos)

    def encode(self, requests: Sequence[Request], first_line: int) -> list[Beginning]:
        """Return what each translation begins with; an empty list if no request has a prefix.

        The last word of a prefix may go on, unless a space follows it. first_line: the line number
        of the first request. Raises UsageError, which names the line, for a prefix that the
        vocabulary or UTF-8 cannot write.
        """
        if not any(request.prefix for request in requests):
            return []
        for line, request in enumerate(requests, first_line):
            check_surrogates(request.prefix, f"prefix {line}")
        subwords = self._tokenizer.target
        texts = [" ".join(request.prefix.splitlines()).rstrip() for request in requests]
        found = []
        for index, ids in enumerate(subwords.encode(texts)):
            prefix = requests[index].prefix
            if UNK in ids:
                symbols = subwords.unknown(texts[index])
                # The vocabulary may write a character as others, which the user has not typed.
                typed = normalize("NFC", prefix)
                is_typed = all(symbol in typed for symbol in symbols)
                unknown = ", ".join(symbols) if is_typed else texts[index]
                raise UsageError(
                    f"line {first_line + index}: the prefix has characters that are not in the"
                    f" vocabulary: {unknown}; leave them out"
                )
            if not ids:
                found.append(NO_BEGINNING)
            elif prefix[-1].isspace():
                found.append(self._texts.whole_beginning(tuple(ids)))
            else:
                found.append(self._texts.open_beginning(tuple(ids)))
        return found


def check_prefixes(
    requests: Sequence[Request],
    prefixes: Sequence[Beginning],
    encoded: EncodedSegments,
    settings: DecodeSettings,
    first_line: int,
) -> None:
    """Raise UsageError, which names the line, for a prefix that no output can begin with.

    prefixes: those of `PrefixEncoder`. encoded: the requests' segments.
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
        fewest = prefix.forced + prefix.fewest[0]
        if fewest > most:
            raise UsageError(
                f"line {line}: the prefix has {fewest:,} tokens, but the translation may have"
                f" at most {most:,}; shorten it, or raise decode.max_extra_tokens or"
                " decode.max_length"
            )
