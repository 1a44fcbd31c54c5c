"""Languages by their ISO 639 codes, and the language that a file's name states."""

import re
from pathlib import Path

# Three-letter codes are accepted too, but not guessed from names: `src` is one of them.
ISO_639_1 = (
    "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy"
    " da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu"
    " hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb"
    " lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om"
    " or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw"
    " ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu"
)
TWO_LETTERS = frozenset(ISO_639_1.split())
# Codes of three letters (ISO 639-2 and 639-3) of languages that have one of two. `jap` is no code,
# but in the names of OPUS-MT models.
THREE_LETTERS = (
    "ara=ar bel=be bos=bs bul=bg cat=ca ces=cs chi=zh cmn=zh cze=cs dan=da deu=de dut=nl ell=el"
    " eng=en est=et fas=fa fin=fi fra=fr fre=fr ger=de gle=ga glg=gl gre=el guj=gu heb=he hin=hi"
    " hrv=hr hun=hu ind=id isl=is ita=it jap=ja jpn=ja kat=ka kaz=kk kor=ko lav=lv lit=lt mkd=mk"
    " msa=ms nld=nl nob=nb nor=no per=fa pol=pl por=pt ron=ro rum=ro rus=ru slk=sk slo=sk slv=sl"
    " spa=es sqi=sq srp=sr swe=sv tam=ta tel=te tha=th tur=tr ukr=uk urd=ur vie=vi zho=zh"
)
OF_THREE_LETTERS = dict(each.split("=") for each in THREE_LETTERS.split())
# Languages without spaces between words need sacreBLEU's own segmentation. Korean has spaces, but
# its words have many endings.
BLEU_TOKENIZERS = {"zh": "zh", "yue": "zh", "wuu": "zh", "lzh": "zh", "ja": "char", "ko": "char"}
WMT_TOKENIZER = "13a"
# Neither between words nor between sentences. Thai, Lao, Khmer and Burmese have none between words,
# but some after a sentence.
WITHOUT_SPACES = frozenset({"zh", "ja", "yue", "wuu", "lzh"})
SEPARATOR = re.compile("[-_]")
CODE = re.compile(r"[a-z]{2,3}")
ENDING = re.compile(r"([a-z]{2})([-_][A-Za-z]{2,4})*")  # such as de and zh-Hans-CN
CODE_PAIR = re.compile(r"(?:^|[._])([a-z]{2})[-_]([a-z]{2})(?:\.\w+)?$")  # as in pairs.en-de.tsv
PACKED = (".gz", ".xz")
TEXT = (".txt", ".sgm")
TABLES = (".tsv", ".tab")  # with both languages in one file


def primary(code: str) -> str:
    """Return the language of a code: zh for zh-Hans, zh_TW and zho.

    It has two letters if the language has such a code, as far as `OF_THREE_LETTERS` knows.
    """
    first = SEPARATOR.split(code, maxsplit=1)[0].lower()
    return OF_THREE_LETTERS.get(first, first)


def writes_spaces(code: str) -> bool:
    """Return whether a language has spaces between its sentences; True for an unknown one."""
    return primary(code) not in WITHOUT_SPACES


def bleu_tokenizer(language: str) -> str:
    """Return the name of sacreBLEU's tokenizer for a language: WMT's for most.

    The language may have a script or a country, as in zh-Hans and zh_TW.
    """
    return BLEU_TOKENIZERS.get(primary(language), WMT_TOKENIZER)


def is_language(code: str) -> bool:
    """Return whether a text has the form of an ISO 639 code; two letters must be a known one."""
    return CODE.fullmatch(code) is not None and (len(code) == 3 or code in TWO_LETTERS)


def language_of(path: Path) -> str:
    """Return the language that a file's name ends in, as in train.de.gz; "" if there is none."""
    name = path.name
    for endings in (PACKED, TEXT):
        for ending in endings:
            name = name.removesuffix(ending)
    match = ENDING.fullmatch(name.rpartition(".")[2])
    return match[1] if match and match[1] in TWO_LETTERS else ""


def languages_of_tsv(path: Path) -> tuple[str, str]:
    """Return the languages in a name such as pairs.en-de.tsv; empty texts if there are none."""
    name = path.name
    for ending in PACKED:
        name = name.removesuffix(ending)
    match = CODE_PAIR.search(name)
    if match and {*match.groups()} <= TWO_LETTERS:
        return match[1], match[2]
    return "", ""
