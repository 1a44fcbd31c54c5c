"""Plural rules: those of the table agree with Unicode CLDR, and a header is read or refused."""

import pytest
from babel import Locale

from nmt.documents.messages.plurals import (
    EXAMPLES,
    FALLBACK,
    RULES,
    PluralRule,
    SingularForm,
    find_rule,
    find_singular_form,
    forms_in_qt,
    parsed,
)
from nmt.errors import NmtError

# Where gettext has a rule of its own: Latvian has a form for 0 alone, Irish and Hebrew have fewer
# forms, Portuguese counts as in Portugal, and Vietnamese has one form.
OF_GETTEXT = {"ga", "he", "lv", "pt", "vi"}


def first_seen(values: list[object]) -> list[int]:
    """Return values numbered in the order in which they first occur."""
    numbers: dict[object, int] = {}
    return [numbers.setdefault(value, len(numbers)) for value in values]


def test_forms_are_those_of_unicode() -> None:
    for code in sorted(set(RULES) - OF_GETTEXT):
        category = Locale.parse(code).plural_form
        forms = first_seen([*RULES[code].examples()])
        assert forms == first_seen([*map(category, EXAMPLES)]), code


def test_each_form_of_a_rule_is_used() -> None:
    for rule in dict.fromkeys(RULES.values()):
        assert set(rule.examples()) == set(range(rule.forms))
        assert parsed(rule.header()) == rule


def test_a_region_may_have_its_own_rule() -> None:
    assert find_rule("pt") == find_rule("pt-PT") == FALLBACK
    assert find_rule("pt_BR") == find_rule("pt-BR") == find_rule("fr_CA")
    assert find_rule("pol") == find_rule("pl")
    assert find_rule("xx") is None


def test_the_form_of_one_may_stand_for_other_numbers() -> None:
    assert find_singular_form(RULES["de"]) == SingularForm(0, is_exact=True)
    assert find_singular_form(RULES["ru"]) == SingularForm(0, is_exact=False)
    assert find_singular_form(RULES["ar"]) == SingularForm(1, is_exact=True)


def test_qt_counts_forms_in_its_own_way() -> None:
    counts = {code: forms_in_qt(code) for code in ("ru", "hu", "ja", "ar", "de_AT", "xx")}
    assert counts == {"ru": 3, "hu": 1, "ja": 1, "ar": 6, "de_AT": 2, "xx": None}


def test_headers_of_templates_and_nonsense_state_no_rule() -> None:
    assert parsed("nplurals=INTEGER; plural=EXPRESSION;") is None
    assert parsed("nplurals=0; plural=0;") is None
    assert parsed(" nplurals = 2 ; plural = n>1 ") == PluralRule(2, "n>1")


@pytest.mark.parametrize(
    "expression", ["n", "1 % n", "n +", "__import__('os')", "(" * 900 + "n" + ")" * 900]
)
def test_an_expression_that_is_no_rule_is_an_error(expression: str) -> None:
    with pytest.raises(NmtError, match="plural rule"):
        find_singular_form(PluralRule(2, expression))
