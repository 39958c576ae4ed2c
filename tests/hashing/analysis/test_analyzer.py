import json
import pickle
from collections import Counter
from hashlib import sha256
from itertools import chain
from threading import Thread

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.errors import InvalidInput
from service.hashing.analysis import LANGUAGES, Analyzer
from service.hashing.analysis.stop_words import STOP_WORDS
from tests.hashing.analysis.sentences import SENTENCES

plain, english = Analyzer(), Analyzer("en")

mixed = st.text(
    alphabet="aAΣσ éßİıkKR\u0301\u0323\ufb01\ufdfa好東。ไทยིབ་한국ｶﾞイ_1٣½"
    "\u200d\u200c\u00ad\ufeff.'’#+-👍🏽\U0001f1e9\u064e\u0640أم"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Straße STRASSE", ["strasse", "strasse"]),
        ("İSTANBUL istanbul", ["istanbul", "istanbul"]),
        ("naïve Café łódź Ærø", ["naive", "cafe", "lodz", "aero"]),
        ("ＦＵＬＬ ﬁne", ["full", "fine"]),
        ("Wert\u00adpapier \ufeffWort a\u200bb", ["wertpapier", "wort", "ab"]),
        ("كِتَابٌ كـتاب أحمد إحمد آحمد", ["كتاب", "كتاب", "احمد", "احمد", "احمد"]),
        ("می\u200cخواهم", ["ميخواهم", "مي", "خواهم"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("שָׁלוֹם שלום", ["שלום", "שלום"]),
        ("iphone 6 case", ["iphone", "6", "case"]),
        ("C++ and C#, .NET or R", ["c++", "and", "c#", ".net", "net", "or", "r"]),
        ("3.14 ٣", ["3.14", "3", "14", "3"]),
        ("👍🏽 👩\u200d💻 🇩🇪 5㎏", ["👍", "👩", "💻", "🇩🇪", "5", "kg"]),
        ("U.S.A. usa", ["usa", "usa"]),
        ("dog's don't we'll O'Brien", ["dog", "dont", "we", "obrien", "o", "brien"]),
        ("a_b __init__ ___", ["a_b", "a", "b", "init"]),
        ("sort_values", ["sort_values", "sort", "values"]),
        ("numpy.linalg.inv", ["numpy.linalg.inv", "numpy", "linalg", "inv"]),
        ("KMeans HTTPServer URLs", ["kmeans", "k", "means", "httpserver", "http", "server", "urls"]),
        ("utf8 2nd utf8Decode", ["utf8", "2nd", "utf8decode", "utf8", "decode"]),
        ("机器学习", ["机", "机器", "器", "器学", "学", "学习", "习"]),
        ("用Python排序", ["用", "python", "排", "排序", "序"]),
        ("ﾃｽﾄ ガ ｶﾞ", ["テ", "テス", "ス", "スト", "ト", "ガ", "ガ"]),
        ("한국어 Python은", ["한", "한국", "국", "국어", "어", "python", "은"]),
        ("\u1112\u1161\u11ab 한", ["한", "한"]),
        ("ภาษา", ["ภ", "ภา", "า", "าษ", "ษ", "ษา", "า"]),
        ("ລາວ", ["ລ", "ລາ", "າ", "າວ", "ວ"]),
        ("ខ្មែ", ["ខ្", "ខ្មែ", "មែ"]),
        ("မြန်", ["မြ", "မြန်", "န်"]),
        ("བོད་ཡིག", ["བོད", "བོདཡིག", "ཡིག"]),
        ("?! -- ...", []),
        ("", []),
    ],
)
def test_terms_without_a_language(text, expected):
    assert plain.all_terms(text) == plain.terms(text) == expected


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "The matrices are INVERTED by it", ["matric", "invert"]),
        ("en", "TemporaryDirectory", ["temporarydirectory", "temporarydirectori", "temporari", "directori"]),
        ("en", "willing wills will", ["willing", "wills"]),
        ("en", "U.S. economy, e.g. of us", ["u.s", "economi", "eg"]),
        ("en", "C++ developers, C# developer and R developer", ["c++", "develop", "c#", "develop", "r", "develop"]),
        ("de", "Die Häuser des Hauses", ["haus", "haus"]),
        ("es", "la información", ["inform"]),
        ("fr", "l'homme n'est qu'une idée en C", ["homm", "ide", "c"]),
        ("tr", "İstanbul'un ISPARTA ısparta", ["istanbul", "ispar", "ispar"]),
        ("ru", "в городами", ["город"]),
        ("hi", "किताबें में", ["किताब"]),
        ("none", "the willing", ["the", "willing"]),
    ],
)
def test_stop_words_go_and_words_are_stemmed_in_the_language(language, text, expected):
    found = Analyzer(language).terms(text)
    assert [term for term in found if term in expected] == expected
    assert set(found) <= {
        *expected,
        "hauser",
        "hau",
        "idee",
    }  # a word with accents may have the stem of the bare word too


def test_a_query_without_accents_finds_the_word_with_them():
    spanish = Analyzer("es")
    assert set(spanish.terms("informacion")) & set(spanish.terms("información"))


@pytest.mark.parametrize(
    ("one", "other"),
    [("C++ developer", "C# developer"), ("C developer", "R developer"), ("iphone 6 case", "iphone 5 case")],
)
def test_short_words_and_signs_tell_texts_apart(one, other):
    assert set(english.terms(one)) != set(english.terms(other))


@given(mixed | st.text(), st.sampled_from(["none", "en", "fr", "tr", "ar"]))
@example("\ufdfa.x 1\ufdfa's x'\ufdfa \ufdfa++", "none")
def test_every_text_has_terms_without_white_space_at_places_within_it(text, language):
    analyzer = Analyzer(language)
    places = analyzer.places(text)
    assert [place.text for place in places] == analyzer.all_terms(text)
    assert [place.text for place in places if not place.is_stop] == analyzer.terms(text)
    starts = [place.start for place in places]
    assert starts == sorted(starts)
    for place in places:
        assert place.text.split() == [place.text]
        assert len(place.text) <= 128
        assert 0 <= place.start < place.end <= len(text)
        assert place.is_stop == analyzer.is_stop(place.text)


def test_places_are_offsets_in_the_text_as_it_was_given():
    text = "\ufeffThe ﬁrst Wert\u00adpapier: tempfile.TemporaryDirectory, ｶﾞﾗｽ 한국어 👍🏽"
    cut = [(place.text, text[place.start : place.end]) for place in english.places(text)]
    assert cut == [
        ("the", "The"),
        ("first", "ﬁrst"),
        ("wertpapi", "Wert\u00adpapier"),
        ("tempfile.temporarydirectory", "tempfile.TemporaryDirectory"),
        ("tempfil", "tempfile"),
        ("temporarydirectory", "TemporaryDirectory"),
        ("temporarydirectori", "TemporaryDirectory"),
        ("temporari", "Temporary"),
        ("directori", "Directory"),
        ("ガ", "ｶﾞ"),
        ("ガラ", "ｶﾞﾗ"),
        ("ラ", "ﾗ"),
        ("ラス", "ﾗｽ"),
        ("ス", "ｽ"),
        ("한", "한"),
        ("한국", "한국"),
        ("국", "국"),
        ("국어", "국어"),
        ("어", "어"),
        ("👍", "👍"),
    ]


@given(mixed, mixed)
def test_terms_of_joined_lines_are_those_of_each(one, other):
    assert plain.all_terms(f"{one}\n{other}") == plain.all_terms(one) + plain.all_terms(other)


@given(st.lists(mixed, min_size=1, max_size=20))
def test_a_long_text_has_the_terms_of_its_lines(lines):
    lines *= 1 + 20_000 // (1 + sum(map(len, lines)) + len(lines))
    joined = "\n".join(lines)
    assert english.all_terms(joined) == list(chain.from_iterable(map(english.all_terms, lines)))
    starts = [place.start for place in plain.places(joined.replace(".", " ").replace("_", " ").replace("'", " "))]
    assert max(starts, default=0) < len(joined)


def test_a_long_text_without_white_space_loses_a_pair_in_thousands():
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 20_000)))
    wanted = {text[i : i + 2] for i in range(len(text) - 1)} | set(text)
    assert len(wanted - set(plain.all_terms(text))) <= 2


@pytest.mark.parametrize(
    "text",
    [
        "x" * 100_000,
        "x_" * 50_000,
        "x." * 50_000,
        "xY" * 50_000,
        "x'" * 50_000,
        "é" * 100_000,
        "." * 100_000,
        "_" * 100_000,
        "#" * 100_000,
        "x++" * 30_000,
        "a" + "\u0301\u0323" * 50_000,
        "ก" + "\u0e48\u0e38" * 50_000,
        "a" + "\u00ad" * 100_000 + "b",
        "한" * 100_000,
        "་" * 50_000 + "བ" * 50_000,
    ],
    ids=lambda text: ascii(text[:4]),
)
def test_words_and_marks_without_end_give_bounded_terms(text):
    for language in ("none", "en"):
        terms = Analyzer(language).all_terms(text)
        assert max(map(len, terms), default=0) <= 128
        assert len(terms) <= 2 * len(text) + 1
        assert terms == Analyzer(language).all_terms(text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_stop_words_are_stop_words_and_leave_no_term(language):
    analyzer = Analyzer(language)
    assert not [word for word in STOP_WORDS[language] if analyzer.terms(word)]


@pytest.mark.parametrize("language", ["xx", "", "EN", "zh"])
def test_a_language_without_a_stemmer_is_refused_and_those_with_one_named(language):
    with pytest.raises(InvalidInput, match=r"language must be none or one of ar, ca, .* got"):
        Analyzer(language)


def test_analyzers_of_one_language_are_equal_and_can_be_sent_to_another_process():
    assert Analyzer("en") == english != plain
    assert len({Analyzer("en"), english}) == 1
    assert pickle.loads(pickle.dumps(english)) == english


def test_threads_share_an_analyzer():
    texts = [f"running{i} connections{i} studies houses{i % 7}" for i in range(2_000)]
    wanted = [Analyzer("de").all_terms(text) for text in texts]
    found: list[list[list[str]]] = []
    threads = [
        Thread(target=lambda: found.append([Analyzer("de").all_terms(text) for text in texts])) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [wanted] * 4


def test_the_terms_of_a_version_do_not_change():
    """Stored hash functions rest on them: whoever changes terms, or takes another Snowball, raises VERSION."""
    texts = [
        *SENTENCES.values(),
        "C++, C# and .NET: numpy.linalg.inv, TemporaryDirectory, sort_values; 机器学习 ภาษา 한국어 👍🏽",
    ]
    terms = [(language, Analyzer(language).all_terms(text)) for language in LANGUAGES for text in texts]
    digest = sha256(json.dumps(terms, ensure_ascii=False).encode()).hexdigest()[:16]
    assert (Analyzer.version, digest) == (1, "9502f47fdcc52b4c")


@pytest.mark.parametrize("language", ["en", "none"])
@pytest.mark.parametrize(
    "text", ["Sorts lists; TemporaryDirectory's sort, don't!", "Cafés 机器学习 numpy.linalg 👍", ""]
)
def test_a_term_is_written_as_it_first_stands_in_the_text(language: str, text: str) -> None:
    analyzer = Analyzer(language)
    wanted: dict[str, str] = {}
    for term in analyzer.places(text):
        wanted.setdefault(term.text, text[term.start : term.end].lower())
    assert analyzer.written(text, [*wanted, "unknown"]) == wanted
    for term, surface in wanted.items():
        assert analyzer.written(text, [term]) == {term: surface}
    counted = analyzer.counted(text)
    assert {term: n for term, (n, _) in counted.items()} == Counter(analyzer.terms(text))
    assert {term: analyzer.written_in(chunk, term) for term, (_, chunk) in counted.items()} == {
        term: wanted[term] for term in counted
    }
