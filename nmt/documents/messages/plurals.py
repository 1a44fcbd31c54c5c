"""Know the plural forms of languages: gettext's rules and the categories of CLDR."""

import re
from functools import cache
from gettext import c2py
from typing import NamedTuple

from nmt.errors import NmtError
from nmt.text.reading.languages import primary

LONGEST_SHOWN = 80  # characters of a rule in an error
MOST_FORMS = 10  # no language has more than six
EXAMPLES = range(201)  # numbers by which forms are told apart
HEADER = re.compile(r"\s*nplurals\s*=\s*(\d{1,4})\s*;\s*plural\s*=\s*([^;]{1,1000});?\s*")


class PluralRule(NamedTuple):
    """Which form of a message stands for a number."""

    forms: int  # how many
    expression: str  # in C, of n

    def header(self) -> str:
        """Return the rule as the value of `Plural-Forms`."""
        return f"nplurals={self.forms}; plural={self.expression};"

    def examples(self) -> list[int]:
        """Return the form for each of EXAMPLES; raises NmtError if this is no rule."""
        shown = self.header()[:LONGEST_SHOWN]
        try:
            forms = [*map(c2py(self.expression), EXAMPLES)]
        except (ValueError, ZeroDivisionError, RecursionError, OverflowError) as error:
            raise NmtError(f"the plural rule {shown!r} cannot be read") from error
        for number, form in enumerate(forms):
            if not 0 <= form < self.forms:
                raise NmtError(f"the plural rule {shown!r} gives {number} the form {form}")
        return forms


class SingularForm(NamedTuple):
    """The form that stands for the number 1."""

    form: int
    is_exact: bool  # it stands for no other number


FALLBACK = PluralRule(2, "(n != 1)")  # of a language that is not in the table
SLAVIC = "n%10>=2 && n%10<=4 && (n%100<12 || n%100>14) ? 1 : 2"

# Languages by rule; a rule for a region (pt_BR) goes before that for the language.
LANGUAGES = {
    PluralRule(1, "0"): "bm bo dz id ig ii ja jv km ko lo ms my sg su th to vi wo yo zh",
    FALLBACK: "af an az bg ca ce da de dv ee el en eo es et eu fi fo fy gl ha he hu ia ie io it"
    " ka kk kl ks ku ky lb lg ml mn mr nb nd ne nl nn no nr ny om or os ps pt rm sc sd sn so sq ss"
    " st sv sw ta te tk tn tr ts ug ur uz ve vo xh yi",
    PluralRule(2, "(n > 1)"): "ak am as bh bn fa ff fr gu hi hy kn ln mg pa pt_BR si tg ti tw wa"
    " zu",
    PluralRule(2, "(n%10!=1 || n%100==11)"): "is mk",
    PluralRule(2, "(n!=1 && n!=2 && n!=3 && (n%10==4 || n%10==6 || n%10==9))"): "tl fil",
    PluralRule(3, f"(n%10==1 && n%100!=11 ? 0 : {SLAVIC})"): "be bs hr ru sr uk",
    PluralRule(3, f"(n==1 ? 0 : {SLAVIC})"): "pl",
    PluralRule(3, "(n==1 ? 0 : n>=2 && n<=4 ? 1 : 2)"): "cs sk",
    PluralRule(3, "(n%10==1 && n%100!=11 ? 0 : n%10>=2 && (n%100<10 || n%100>=20) ? 1 : 2)"): "lt",
    PluralRule(3, "(n%10==1 && n%100!=11 ? 0 : n!=0 ? 1 : 2)"): "lv",
    PluralRule(3, "(n==1 ? 0 : n==0 || (n%100>0 && n%100<20) ? 1 : 2)"): "ro",
    PluralRule(3, "(n==1 ? 0 : n==2 ? 1 : 2)"): "ga iu se",
    PluralRule(3, "(n==0 ? 0 : n==1 ? 1 : 2)"): "cv",
    PluralRule(4, "(n%100==1 ? 0 : n%100==2 ? 1 : n%100==3 || n%100==4 ? 2 : 3)"): "sl",
    PluralRule(
        4, "(n==1 || n==11 ? 0 : n==2 || n==12 ? 1 : (n>2 && n<11) || (n>12 && n<20) ? 2 : 3)"
    ): "gd",
    PluralRule(4, "(n%10==1 ? 0 : n%10==2 ? 1 : n%20==0 ? 2 : 3)"): "gv",
    PluralRule(
        5, "(n==1 ? 0 : n==2 ? 1 : n==0 || (n%100>2 && n%100<11) ? 2 : n%100>9 && n%100<20 ? 3 : 4)"
    ): "mt",
    PluralRule(6, "(n<3 ? n : n==3 ? 3 : n==6 ? 4 : 5)"): "cy",
    PluralRule(6, "(n<3 ? n : n%100>=3 && n%100<=10 ? 3 : n%100>=11 ? 4 : 5)"): "ar",
}
RULES = {code: rule for rule, codes in LANGUAGES.items() for code in codes.split()}

# Numbers of forms in Qt's tools where they are not those of gettext.
QT_LANGUAGES = {
    1: "ak an bh ce cv ee fa ff hu io nd nr ny om os sc tr tw ve",
    2: "km lo to wo",
    3: "dv gv mk",
    4: "mt",
    5: "cy",
}
QT_FORMS = {code: forms for forms, codes in QT_LANGUAGES.items() for code in codes.split()}


def find_rule(language: str) -> PluralRule | None:
    """Return the plural rule of a language, such as "pl" or "pt_BR"; None if it is not known."""
    return next((RULES[code] for code in keys(language) if code in RULES), None)


def forms_in_qt(language: str) -> int | None:
    """Return the number of forms of a message in Qt's tools; None for an unknown language."""
    rule = find_rule(language)
    in_gettext = rule.forms if rule else None
    return next((QT_FORMS[code] for code in keys(language) if code in QT_FORMS), in_gettext)


def keys(language: str) -> tuple[str, str]:
    """Return the codes of a language with its region, and without."""
    whole = language.replace("-", "_")
    return whole, primary(language)


def parsed(header: str) -> PluralRule | None:
    """Return the rule that the value of `Plural-Forms` states, None if it states none."""
    found = HEADER.fullmatch(header)
    if found is None or not 0 < int(found[1]) <= MOST_FORMS:
        return None
    return PluralRule(int(found[1]), found[2].strip())


@cache
def find_singular_form(rule: PluralRule) -> SingularForm:
    """Return the form that stands for the number 1 in a rule."""
    forms = rule.examples()
    return SingularForm(forms[1], forms.count(forms[1]) == 1)


DEFAULT = ("one", "other")
ALL = ("zero", "one", "two", "few", "many", "other")
# Languages by what they need for whole numbers. French and its neighbours have "many" for millions,
# which is left out, because "other" stands for it.
CATEGORY_LANGUAGES = {
    ("other",): "bm bo dz id ig ii ja jv km ko lo ms my sah ses sg su th to vi wo yo yue zh",
    ("one", "few", "many", "other"): "be cs lt pl ru sk uk",
    ("one", "few", "other"): "bs hr mo ro sh sr",
    ("one", "two", "few", "other"): "dsb gd hsb sl",
    ("one", "two", "few", "many", "other"): "br ga gv mt",
    ("one", "two", "other"): "he iu iw naq se sma smj smn sms",
    ("zero", "one", "other"): "ksh lag lv prg",
    ALL: "ar ars cy kw",
}
CATEGORIES = {code: names for names, codes in CATEGORY_LANGUAGES.items() for code in codes.split()}


def find_categories(language: str) -> tuple[str, ...]:
    """Return the categories of a language, such as "pl" or "pt-BR"; those of English by default."""
    return CATEGORIES.get(primary(language), DEFAULT)
