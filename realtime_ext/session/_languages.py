"""The languages of ISO 639-1, by which sessions name those that are spoken.

It must not know sessions.

Source: https://www.loc.gov/standards/iso639-2/php/English_list.php
"""

from __future__ import annotations

import difflib
from functools import cache

_LIKELY = 0.75  # how alike a misspelt name and the known one are

_NAMES = """
aa Afar; ab Abkhazian; ae Avestan; af Afrikaans; ak Akan; am Amharic; an Aragonese; ar Arabic; as
Assamese; av Avaric; ay Aymara; az Azerbaijani; ba Bashkir; be Belarusian; bg Bulgarian; bh Bihari; bi
Bislama; bm Bambara; bn Bengali, Bangla; bo Tibetan; br Breton; bs Bosnian; ca Catalan, Valencian; ce
Chechen; ch Chamorro; co Corsican; cr Cree; cs Czech; cu Church Slavic; cv Chuvash; cy Welsh; da Danish;
de German, Deutsch; dv Divehi, Maldivian; dz Dzongkha; ee Ewe; el Greek; en English; eo Esperanto; es
Spanish, Castilian, Español; et Estonian; eu Basque; fa Persian, Farsi; ff Fulah; fi Finnish; fj Fijian;
fo Faroese; fr French, Français; fy Western Frisian; ga Irish; gd Gaelic; gl Galician; gn Guarani; gu
Gujarati; gv Manx; ha Hausa; he Hebrew; hi Hindi; ho Hiri Motu; hr Croatian; ht Haitian; hu Hungarian; hy
Armenian; hz Herero; ia Interlingua; id Indonesian; ie Interlingue; ig Igbo; ii Sichuan Yi; ik Inupiaq; io
Ido; is Icelandic; it Italian, Italiano; iu Inuktitut; ja Japanese; jw Javanese; jv Javanese; ka Georgian;
kg Kongo; ki Kikuyu; kj Kuanyama; kk Kazakh; kl Kalaallisut, Greenlandic; km Khmer, Cambodian; kn Kannada;
ko Korean; kr Kanuri; ks Kashmiri; ku Kurdish; kv Komi; kw Cornish; ky Kyrgyz, Kirghiz; la Latin; lb
Luxembourgish; lg Ganda; li Limburgan; ln Lingala; lo Lao; lt Lithuanian; lu Luba-Katanga; lv Latvian; mg
Malagasy; mh Marshallese; mi Maori; mk Macedonian; ml Malayalam; mn Mongolian; mr Marathi; ms Malay; mt
Maltese; my Burmese, Myanmar; na Nauru; nb Norwegian Bokmål; nd North Ndebele; ne Nepali; ng Ndonga; nl
Dutch, Flemish; nn Norwegian Nynorsk; no Norwegian; nr South Ndebele; nv Navajo; ny Chichewa; oc Occitan;
oj Ojibwa; om Oromo; or Oriya; os Ossetian; pa Punjabi, Panjabi; pi Pali; pl Polish; ps Pashto; pt
Portuguese, Português; qu Quechua; rm Romansh; rn Rundi; ro Romanian, Moldavian; ru Russian; rw
Kinyarwanda; sa Sanskrit; sc Sardinian; sd Sindhi; se Northern Sami; sg Sango; si Sinhala; sk Slovak; sl
Slovenian; sm Samoan; sn Shona; so Somali; sq Albanian; sr Serbian; ss Swati; st Southern Sotho; su
Sundanese; sv Swedish; sw Swahili; ta Tamil; te Telugu; tg Tajik; th Thai; ti Tigrinya; tk Turkmen; tl
Tagalog, Filipino; tn Tswana; to Tonga; tr Turkish; ts Tsonga; tt Tatar; tw Twi; ty Tahitian; ug Uighur;
uk Ukrainian; ur Urdu; uz Uzbek; ve Venda; vi Vietnamese; vo Volapük; wa Walloon; wo Wolof; xh Xhosa; yi
Yiddish; yo Yoruba; za Zhuang; zh Chinese, Mandarin; zu Zulu
"""


@cache
def _codes() -> dict[str, str]:
    """Return name in lower case → code."""
    entries = (entry.split(maxsplit=1) for entry in _NAMES.split(";"))
    return {name.strip().lower(): code for code, names in entries for name in names.split(",")}


@cache
def _known() -> frozenset[str]:
    return frozenset(entry.split()[0] for entry in _NAMES.split(";"))


def is_language(text: str) -> bool:
    """Return whether a text names languages by their codes.

    Args:
        text: A code such as `es`, with parts that follow a hyphen as in `pt-BR` and `zh-Hans`; several with
            commas between, which some servers accept; or a code of three letters, which ISO 639-1 lacks and
            some models know (`yue`).
    """
    return all(_is_code(part.strip().partition("-")[0].lower()) for part in text.split(","))


def _is_code(text: str) -> bool:
    return text in _known() or (len(text) == 3 and text.isascii() and text.isalpha())


def nearest_language(text: str) -> str | None:
    """Return the code that was most likely meant by a name or a misspelt one; None if none is near."""
    codes = _codes()
    near = difflib.get_close_matches(text.strip().lower(), codes, 1, _LIKELY)
    return codes[near[0]] if near else None
