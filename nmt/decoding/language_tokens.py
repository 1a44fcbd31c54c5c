"""Language tokens: the first token of a source tells a multilingual model which language to write.

A text may begin with one, such as `>>deu<<`; `decode.target_token` names one for all other texts.
"""

from nmt.errors import UsageError, suggestion
from nmt.text.tokenizer import SubwordModel

SHOWN = 5  # language tokens in a note


def target_token(wanted: str, subwords: SubwordModel) -> str:
    """Return the language token that `decode.target_token` names; "" if it is empty.

    wanted: a token such as ">>deu<<", or what stands in it. Raises UsageError if the vocabulary of
    the source has no such token.
    """
    if not wanted:
        return ""
    known = subwords.language_tokens
    if not known:
        raise UsageError(
            f"decode.target_token={wanted} is for models with language tokens, and this one has"
            " none; leave it out (--target-token, or :CODE in --model of `nmt serve`)"
        )
    token = wanted if wanted.startswith(">>") else f">>{wanted}<<"
    if token not in known:
        raise UsageError(
            f"decode.target_token={wanted}: the model has no language token"
            f" {token}{suggestion(token, known)}"
        )
    return token


def with_token(text: str, token: str, subwords: SubwordModel) -> str:
    """Return a text that begins with a language token: its own, else the one given, if any."""
    if not token or not text.strip() or subwords.language_token(text):
        return text
    return f"{token} {text}"


def split_token(text: str, token: str, subwords: SubwordModel) -> tuple[str, str]:
    """Return the language token of a text, as `with_token` chooses it, and the text without it."""
    own = subwords.language_token(text)
    return (own or token), text[len(own) :]


def listed(tokens: tuple[str, ...]) -> str:
    """Return the first of several language tokens as a text."""
    return ", ".join(tokens[:SHOWN]) + (", ..." if len(tokens) > SHOWN else "")
