"""A sentence in each of many languages."""

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
