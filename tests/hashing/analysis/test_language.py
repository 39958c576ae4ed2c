import pytest

from service.hashing.analysis import decide_language
from tests.hashing.analysis.sentences import SENTENCES


@pytest.mark.parametrize("language", SENTENCES)
def test_a_sentence_shows_its_language(language):
    assert decide_language([SENTENCES[language]]) == language


@pytest.mark.parametrize(
    ("language", "titles"),
    [
        ("en", ["Reading a file", "How to invert a matrix", "The art of programming", "Names of the wind"]),
        ("de", ["Die Kunst des Programmierens", "Lesen einer Datei", "Der Name des Windes", "Krieg und Frieden"]),
        ("fr", ["Le nom de la rose", "L'art de la guerre", "Guerre et paix", "Les fleurs du mal"]),
        ("es", ["El nombre de la rosa", "El arte de la guerra", "Guerra y paz", "Cien años de soledad"]),
        ("ru", ["Имя розы", "Что делать", "Мастер и Маргарита", "Кому на Руси жить хорошо"]),
    ],
)
def test_short_titles_show_their_language(language, titles):
    assert decide_language(titles) == language


@pytest.mark.parametrize(
    "texts",
    [
        [],
        [""],
        ["?!", "123 456"],
        ["机器学习是人工智能的一个分支", "我们昨天去了海边"],
        ["昨日は天気があまりよくなかった"],
        ["เมื่อวานอากาศไม่ค่อยดี"],
        ["어제는 날씨가 좋지 않았지만 우리는 바다에 갔다"],
        ["def f(x):\n    return [y.a_b for y in x.items() if y is not None]", "import numpy as np\nx = np.zeros(3)"],
        ["iphone 6 case red", "samsung galaxy s9 64gb black", "usb cable 2m white"],
        list(SENTENCES.values()),
        ["Вчора погода була не дуже гарна, але ми поїхали на море з дітьми та їхніми друзями"],
        ["Jana hali ya hewa haikuwa nzuri sana lakini tulikwenda baharini na watoto"],
        ["Včera počasie nebolo veľmi pekné, ale išli sme k moru, ktorý bol pre nás a ich deti"],
        ["Hôm qua thời tiết không đẹp lắm nhưng chúng tôi vẫn đi biển"],
    ],
    ids=lambda texts: ascii(texts[:1])[:30],
)
def test_code_mixtures_and_languages_without_a_stemmer_have_none(texts):
    assert decide_language(texts) == "none"


def test_only_a_bounded_sample_is_looked_at():
    assert decide_language([SENTENCES["en"] * 100_000] * 3) == "en"
    assert decide_language([SENTENCES["en"]] * 100_000) == "en"


def test_english_without_stop_words_shows_in_its_endings():
    text = (
        "elevated phosphate levels advanced renal failure dysregulated calcium hormone vitamin levels contribute "
        "complex chronic kidney disease studies suggest increased vascular calcification mortality vessels exposed "
        "conditions developing calcification clinical studies children showing increased wall thickness concentrations"
    )
    assert decide_language([text] * 10) == "en"
    assert decide_language([text]) == "none"  # too little to judge by


@pytest.mark.parametrize(
    "text",
    [
        "Grundwasser Verordnung Bundesregierung Haushaltsplan Entwicklung Untersuchung Ergebnisse Krankenhaus Kinder",
        "études concentrations régions organisations systèmes protection gouvernement développement analyses niveaux",
        "regering ontwikkeling onderzoek resultaten ziekenhuis kinderen gebied verhoogd goed bevolking lidstaten",
        "regeringen utveckling undersökning resultat sjukhus områden höjning befolkning verksamhet ökningen",
        "wireless charger bluetooth speaker portable black silver leather wallet phone cover screen protector glass",
    ],
)
def test_nothing_else_without_stop_words_is_english(text):
    assert decide_language([text] * 40) == "none"
