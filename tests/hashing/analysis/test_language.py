import pytest

from service.hashing.analysis import decide_language

SENTENCES = {
    "ar": "ذهب الولد الى المدرسة في الصباح ثم عاد من السوق مع اخيه بعد الظهر",
    "cs": "Dnes jsem byl v obchodě a koupil jsem si nové boty, které se mi velmi líbí",
    "da": "Jeg har købt et nyt hus ved havet, og vi flytter ind efter sommeren, når børnene har ferie",
    "de": "Das Wetter war gestern nicht so schön, aber wir sind mit dem Zug an die See gefahren",
    "el": "Το παιδί πήγε στο σχολείο με τον πατέρα του και μετά γύρισαν στο σπίτι για να φάνε",
    "en": "The weather was not so nice yesterday, but we went to the sea by train",
    "es": "El tiempo no era muy bueno ayer, pero fuimos a la playa con los niños en el tren",
    "fi": "Hän ei ollut kotona, kun me tulimme, mutta hänen veljensä oli siellä ja odotti meitä",
    "fr": "Le temps n'était pas très beau hier, mais nous sommes allés à la mer avec les enfants",
    "hi": "लड़का सुबह स्कूल गया और शाम को अपने भाई के साथ बाजार से घर आया",
    "hu": "A gyerek reggel elment az iskolába, és délután a testvérével jött haza egy új könyvvel",
    "it": "Il tempo non era molto bello ieri, ma siamo andati al mare con i bambini in treno",
    "nl": "Het weer was gisteren niet zo mooi, maar we zijn met de trein naar de zee gegaan",
    "no": "Jeg har kjøpt et nytt hus ved sjøen, og vi flytter inn etter sommeren når barna ikke har skole",
    "pl": "Wczoraj pogoda nie była ładna, ale pojechaliśmy nad morze z dziećmi i było bardzo miło",
    "pt": "O tempo não estava muito bom ontem, mas fomos à praia com as crianças no trem",
    "ro": "Vremea nu a fost frumoasă ieri, dar am mers la mare cu copiii și ne-am întors cu trenul",
    "ru": "Вчера погода была не очень хорошая, но мы поехали на море с детьми и их друзьями",
    "sv": "Vädret var inte så fint igår, men vi åkte till havet med barnen och kom hem efter middagen",
    "tr": "Dün hava çok güzel değildi ama biz çocuklar ile denize gittik ve akşam eve döndük",
}


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
