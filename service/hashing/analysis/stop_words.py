"""Stop words of each language: articles, pronouns, prepositions, conjunctions, auxiliary verbs; no word of content.

Lists of our own, short on purpose: the published ones drop words that people search for ("computer", "system").
A word whose form without accents is a word of content is left out.
"""

from __future__ import annotations

STOP_WORDS: dict[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "ar": """
            في من على الى إلى عن مع هذا هذه ذلك تلك هو هي هم هما نحن انا أنا انت أنت التي الذي الذين
            اللذان اللتان ما لا لم لن ان أن إن كان كانت يكون تكون قد كل بعد قبل عند او أو ثم حتى بين ايضا
            أيضا كما اذا إذا لكن غير منذ هناك هنا و ف ب ل ك اي أي الا إلا انه أنه إنه انها أنها إنها به
            بها له لها فيه فيها منه منها عليه عليها وهو وهي وقد ولا ومن وفي""",
        "ca": """
            a al als amb aquest aquesta aquestes aquests aquell aquella aquells aquelles com de del dels
            des doncs el ella elles ells els em en ens entre és eren era es et eu fins ha han he hem hi ho
            i jo la les li llur lo me meu meva molt més na ni no nosaltres o on per perquè però pel pels
            qual quals quan que què qui sa se ser seu seva seus seves si sobre sóc som són també te teu
            teva tu un una unes uns us va van vaig vosaltres""",
        "cs": """
            a aby aj ale ani asi az až bez bude budou by byl byla byli bylo být ci či co což do i já jak
            jako je jeho jej její jejich jen ještě ji jsem jsi jsme jsou jste k kam kde kdo když ke která
            které který kteří ku ma mě mezi mi mít mně mnou můj my na nad nám nás náš ne nebo nechť než
            nic není o od on ona oni ono po pod podle pokud pouze proč proto protože před při pro s se si
            sice ta tak také takže tam tato te tě tedy ten tento ti této to toho tohoto tom tomto tu ty u
            už v vám vás váš ve však všechen vy z za zda ze že""",
        "da": """
            af alle alt at blev blive bliver da de dem den denne der deres det dette dig din disse dit du
            efter eller en er et for fra ham han hans har havde have hende hendes her hos hun hvad hvem
            hvilke hvilken hvis hvor i ikke ind jeg jer jeres kan kunne man med meget men mig min mine mit
            mod nogle nogen nu når og også om op os på sig sin sine sit skal skulle som sådan thi til ud
            var vi vil ville vor være været""",
        "de": """
            aber als am an auch auf aus bei beim bin bis bist da damit dann das dass daß dasselbe dazu
            dein deine deinem deinen deiner dem den denn der derselbe des desselben dessen dich die dies
            diese dieselbe diesem diesen dieser dieses dir doch dort du durch ein eine einem einen einer
            eines er es etwas euch euer eure für gegen hab habe haben hat hatte hatten hier hinter ich ihm
            ihn ihnen ihr ihre ihrem ihren ihrer im in indem ins ist jede jedem jeden jeder jedes jene
            jenem jenen jener jenes kann kein keine keinem keinen keiner können könnte man manche manchen
            mancher mein meine meinem meinen meiner mich mir mit muss müssen nach nicht nichts noch nun
            nur ob oder ohne sehr sein seine seinem seinen seiner seit sich sie sind so solche solchen
            solcher soll sollte sondern über um und uns unser unsere unserem unseren unserer unter vom von
            vor war waren warst was weil welche welchem welchen welcher welches wenn werde werden wie
            wieder wir wird wirst wo wollen worden wurde wurden während zu zum zur zwischen""",
        "el": """
            ο η το οι τα του της των τον την τους τις στο στη στην στον στα στις στους και κι ή να θα δεν
            μη μην με για από απο σε προς παρά κατά μετά αντί ως όπως όταν αν εάν ότι που πού πως πώς τι
            ποιος ποια ποιο αυτός αυτή αυτό αυτοί αυτές αυτά εκείνος εκείνη εκείνο είναι είμαι είσαι
            είμαστε ήταν έχει έχουν έχω εγώ εσύ εμείς εσείς μου σου μας σας ένα ένας μια μία αλλά όμως όλα
            όλοι πολύ πιο εδώ εκεί ενώ επειδή διότι μόνο""",
        "en": """
            a about above after again against all also am among an and any are aren't as at be because
            been before being below between both but by can cannot could couldn't did didn't do does
            doesn't doing don't down during each either few for from further had hadn't has hasn't have
            haven't having he her here hers herself him himself his how however i if in into is isn't it
            its itself just may me might more most must my myself neither nor no not of off on once only
            or other our ours ourselves out over own same shall she should shouldn't so some such than
            that the their theirs them themselves then there these they this those through to too under
            until up upon us very was wasn't we were weren't what when where whether which while who whom
            whose why will with within without won't would wouldn't yet you your yours yourself yourselves
            can't dont""",
        "eo": """
            al ankaŭ antaŭ apud aŭ ĉar ĉe ĉi ĉiu ĉiuj ĉu da de dum el en estas estis estos esti estus ĝi
            ĝia ĝin ĝis ili ilia ilin ja jam je kaj ke kia kial kie kiel kiam kio kiu kiuj kiun kun la laŭ
            li lia lin mi mia min ne nek ni nia nin nur ol oni per plej pli por post pri pro se sed sen ŝi
            ŝia ŝin sub super sur tamen ti tia tial tie tiel tio tiu tiuj tra tre unu vi via vin""",
        "es": """
            a al algo algunas algunos ante antes aquel aquella aquellas aquellos como con contra cual
            cuando de del desde donde durante e el él ella ellas ellos en entre era eran eres es esa esas
            ese eso esos esta está están estas este esto estos estoy fue fueron ha había haber han hasta
            hay he la las le les lo los más me mi mí mis mucho muy nada ni no nos nosotros nuestra
            nuestras nuestro nuestros o os otra otras otro otros para pero poco por porque que qué quien
            quienes se sea ser si sí sido sin sobre son soy su sus también tan tanto te ti tiene tienen
            todo todos tu tú tus un una unas uno unos vosotros y ya yo""",
        "et": """
            aga ainult ega ei et ehk enam enne igal iga ja jah juba juurde järgi ka kas kes kelle keda
            kõik kõige kui kuid kuidas kus küll ma me meie mida millal mille mina mis miks minu mu mulle
            nad need nende neid nii ning nagu olema olen oled oli olid oleks oleme olnud ole on oma pole
            see seda selle sellest selles siin siis sina sinu sa ta tal talle te teie tema teda temale
            tuleb või väga üks ühe üle vaid veel ise läbi kuni peale pärast""",
        "eu": """
            al ala alde arabera arte artean baina baino bada bat batean batek batzuk bere beren bera berak
            bezala da dago dela den dira direla diren du dugu dut dute duela duen dutela duten edo egin
            ere eta ez ezin gabe gara gure hala han handik hau hauek hark hemen hori horiek hura honek
            horrek izan zen ziren ni nik nire non nor nola oso orain zein zer zergatik zu zuen zuten""",
        "fa": """
            و در به از که این آن با را برای است بود شد شده می نمی ها های هم یا تا بر اگر اما ولی نیز هر چه
            چرا چون پس باید بین بی من تو او ما شما آنها ایشان خود خویش کرد کرده کند کنند می‌شود نیست هست
            بودند شود شوند دارد دارند داشت یک آنکه اینکه زیرا پیش همه همین همان دیگر ای""",
        "fi": """
            ei eivät en ennen että ettei emme ette hän häneltä hänen hänet hänelle häntä he heidän heille
            heitä ja jo johon joka joiden joissa joita jolla jonka jos jossa josta jota jotka kanssa kuin
            kuinka kuka ketkä ken kun me meidän meille meitä mikä mikäli miksi millä minkä minulle minun
            minut minä missä mistä mitä mutta muttei myös mukaan ne niiden niille niin niissä niistä niitä
            noin nuo nyt näiden näissä näitä nämä oli olen olemme olet olette olisi olivat olla ollut on
            ovat poikki se sekä sen siinä siihen siitä sille sillä sinun sinut sinä sitä tai te teidän
            teitä tuo tuon tämä tämän tässä tästä tätä vaan vai vaikka yli""",
        "fr": """
            à ai au aucun aussi autre autres aux avait avec avez avons ayant ce ceci cela celle celles
            celui ces cet cette ceux chez comme dans de depuis des dont du elle elles en encore entre es
            est et étaient était être eu eux fut ici il ils je jusque la là laquelle le lequel les
            lesquels leur leurs lorsque lui ma mais me même mêmes mes moi ne ni nos notre nous on ont ou
            où par parce pas peu peut plus pour pourquoi puis qu quand que quel quelle quelles quels qui
            quoi sa sans sauf se sera ses si soi soit sont sous suis sur ta te tes toi tous tout très tu
            un une vos votre vous y""",
        "ga": """
            a ach ag agus an ann ar as ba bhí bhfuil cad cé chuig chun dá dar de den do don dul é faoi
            fuil ga gach gan go gur i iad idir in ina ins is isteach lá le leis léi liom má mar mé mo muid
            ná nach níl ní níor nó nuair ó ón os óna ós pé roimh sa san sé sí siad sin sinn seo sna tá tar
            thar thú trí tú um""",
        "hi": """
            का के की को में से है हैं था थे थी और या पर यह वह ये वे इस उस इन उन कि जो तो भी ने ही न नहीं
            एक हो होता होती होते हुआ हुई हुए कर करने करना करते करता करती किया लिए साथ तक बाद अपने अपना
            अपनी उनके उनका उनकी इसके इसका इसकी उसके उसका उसकी मैं हम तुम आप मेरा मेरे मेरी हमारा हमारे
            हमारी जब तब अगर लेकिन क्या कौन क्यों कैसे कहाँ जिस जिन किसी कुछ सब सभी बहुत गया गई गए रहा रहे
            रही जाता जाती जाते द्वारा""",
        "hu": """
            a az azok azt ezt ez ezek ahhoz ahogy ahol aki akik akkor alatt által amely amelyek amelyet
            ami amit amíg annak arra arról át be belül benne csak de e egy egyik egyes ekkor el én ennek
            erre és fel felé hanem hiszen hogy hogyan ha ide igen ill illetve ilyen is itt jól ki kell
            között közül le lehet legyen lenne lesz lett meg még mely mert mi miért mikor mind minden mit
            mivel most ne nekem neki nem nincs ő ők olyan ön össze ott pedig rá s saját se sem során
            szerint számára tehát több te ti úgy után vagy vagyok van vannak velem vele volna volt voltak""",
        "hy": """
            և ու է են եմ ես ենք եք էր էին այս այդ այն այնպես այստեղ այնտեղ որ որը որի որոնք որպես թե եթե
            կամ բայց իսկ ի ից մեջ մոտ հետ համար մասին վրա տակ նա նրա նրանք նրանց մենք մեր դուք ձեր դու քո
            իմ ինձ ոչ չի չեն պետք միայն նաև հետո երբ ինչ ինչպես ով որտեղ ըստ բոլոր մի իր իրենց""",
        "id": """
            ada adalah agar akan aku anda antara apa apabila apakah atau bagi bagaimana bahwa beberapa
            begitu belum bisa bukan dalam dan dapat dari daripada dengan di dia hanya harus hingga ia ini
            itu jika juga kami kamu karena ke kepada ketika kita lagi lain lebih maka mana masih mereka
            mengapa namun nya oleh pada para pernah pun saat saja sambil sampai sangat saya sebagai sebuah
            secara sedang sehingga sejak selain seorang seperti serta setelah siapa suatu sudah supaya
            tanpa telah tentang terhadap tetapi tidak untuk yaitu yakni yang""",
        "it": """
            a abbiamo ad agli ai al alla alle allo anche anziché che chi ci coi col come con contro cui da
            dagli dai dal dalla dalle dallo degli dei del dell della delle dello di dove e è ed era erano
            essere fra fu gli ha hai hanno ho i il in io la le lei li lo loro lui ma me mi mia mie miei
            mio ne negli nei nel nell nella nelle nello noi non nostra nostre nostri nostro o perché però
            per più poi quale quali quando quanto quella quelle quelli quello questa queste questi questo
            qui se sei si sia siamo sono sta su sua sue sugli sui sul sull sulla sulle sullo suo suoi te
            ti tra tu tua tue tuo tuoi tutti tutto un una uno vi voi vostro all dall""",
        "lt": """
            ant ar arba aš apie be bei bet bus buvo būti būtų čia dar dėl ir iš iki į yra jau jei jeigu ji
            jie jis jo jos jų ją jį kad kai kaip kas kiek kokia koks kur kurie kuris kuri kurių kuria kurį
            kurioje kuriame mano mes mūsų nei nes nuo ne nėra o pagal pas pat per po prie prieš pro savo
            su tačiau tada tai taip tas ta tie toks todėl tik tu jūs už visi visus vis tarp tame toje šis
            ši šio šios šie šią šį tuo tos to""",
        "ne": """
            र को का की मा ले लाई बाट छ छन् थियो थिए हो हुन् यो त्यो यस त्यस यी ती म हामी तपाईं उनी उनले
            उनको तिनी पनि भने भन्ने गर्न गरेको गरेका गर्ने गरी गरे भएको भएका भयो हुने हुन्छ तथा वा तर नै
            लागि साथ एक कुनै जो जुन के किन कसरी कहाँ अनि सबै आफ्नो आफ्ना यसको त्यसको देखि सम्म छैन थिएन
            मात्र""",
        "nl": """
            aan al alle als andere ben bij daar dan dat de der deze die dit doch door dus een eens en er
            ge geen had hadden haar hebben hebt heb heeft hem het hier hij hoe hun iemand iets ik in is ja
            je jij jouw jullie kan kon kunnen maar me men met mij mijn moet moeten na naar niet niets nog
            nu of om omdat onder ons onze ook op over reeds te tegen toch toen tot u uit uw van veel voor
            waren was wat we wel welke werd werden wie wij wil worden wordt zal ze zelf zich zij zijn zo
            zonder zou zouden""",
        "no": """
            alle at av bare ble bli blir både da de deg dei dem den denne der deres det dette di din disse
            ditt du eit eller en er et etter for fordi fra før ha hadde han hans har hennes her hun hva
            hvem hver hvilke hvilken hvis hvor hvordan hvorfor i ikke ikkje inn ja jeg kan kunne man med
            meg men mellom min mine mitt mot mye nå når noe noen og også om opp oss over på seg selv sin
            sine sitt skal skulle som så sånn til ut var vi vil ville være vært vår eg ein eitt frå kva
            korleis""",
        "pl": """
            a aby ale albo ani aż bardzo bez bo by być był była było były będzie będą ci co czy dla do gdy
            gdzie go i ich ile im innych inne inny iż ja jak jako je jego jej jednak jest jestem już kiedy
            kto która które którego której który których którym którzy lecz lub ma mają mi mnie może można
            mu my na nad nam nas nasz nawet nią nich nie niego niej nim niż o od on ona one oni ono oraz
            po pod podczas pomimo ponieważ przed przez przy sam są się sobie swoje ta tak także tam te
            tego tej ten też to tobie tu tutaj twój tych tylko tym ty u w wam was wasz we wszystkie
            wszystko wy z za ze zawsze że żeby""",
        "pt": """
            a à ao aos aquela aquelas aquele aqueles aquilo as às até com como da das de dela delas dele
            deles depois do dos e é ela elas ele eles em entre era eram essa essas esse esses esta está
            estão estas este estes eu foi foram for há isso isto já lhe lhes mais mas me mesmo meu meus
            minha minhas muito na não nas nem no nos nós nossa nossas nosso nossos num numa o os ou para
            pela pelas pelo pelos por porque qual quando que quem se sem ser seu seus sido só são sobre
            sua suas também te tem têm teu teus tu tua tuas um uma umas uns você vocês vos""",
        "ro": """
            a acea aceasta această aceea acei aceia acel acela acele acelea acest acesta aceste acestea
            acești acestui ai al ale alt alta am ar are as aș astfel asupra ați atunci au avea azi ba bine
            ca că când care cât ce cea cei cel cele celor cine cu cum da dacă dar de deci decât deși din
            dintre doar după ea ei el ele era erau este eu ești face fără fi fie fiecare fost iar îi îl
            îmi în înainte între își la le li lor lui mai mea mei mele meu mi mult ne ni nici nimic niște
            noastră nostru noi nu o ori pe pentru până prin sa să sale sau său se și sub sunt suntem
            ta tot toate toți tu un una unei unele uneori unor unui vă voi vom voastră vostru""",
        "ru": """
            а без более бы был была были было быть в вам вами вас ваш весь во вот все всего всех всё вы
            где да даже для до его ее её ей ему если есть еще ещё же за здесь и из или им ими их к как
            какой когда которая которого которое которой котором которому которые который которых кто ли
            либо между меня мне много может мной мой моя мы на над надо нам нами нас наш не него неё ней
            нет ни нибудь никто них но ну о об однако он она они оно от очень по под после потому почти
            при про с сам себе себя со так также такой там тебя тем теперь то тогда того тоже той только
            том тот ту ты у уже хотя чего чей чем через что чтобы чтоб эта эти этих это этого этой этом
            этот эту я""",
        "sr": """
            a ali bez bi bila bile bili bilo bio biti da do duž ga gde gdje hoće i iako ih ili im iz ja je
            jer jeste još jesam ju kad kada kako kao koja koje kojeg koji kojih kojim kojima koju kroz li
            mi mene među nad na nakon nam nas ne nego neka neki nije nisu no njega njegov njemu njih njim
            njima njoj o od on ona one oni ono pa po pod pored posle pre pri protiv sa sam samo se sebe si
            smo ste su šta sve svi svoj ta tada taj tako te ti to tog toga toj tom tu u uz vam vas već vi
            za zar zbog što će ću а али без би била биле били било био бити где и или их из ја је јер још
            кад када како као која које који којих којим коју кроз ли ми на над након нас не него није
            нису но њега њему о од он она они оно па по под после пре при са сам само се смо сте су све
            сви та тада тај тако те ти то тог тога тој том у уз већ ви за због што ће""",
        "st": """
            a ba bo bona ha ho hore e ea empa en'a feela haholo hae hape hoba joale joalo joang jwale
            jwalo jwang ka kapa kahoo ke keng kgotsa la le lena leo lona me mona moo mme mo na ne nna o oa
            ile re rona sa se sena seo sona tsa tse tsena tseo tsona tla wa ya yena yo eo ena eno fela di
            haeba hobane kea leha""",
        "sv": """
            alla allt att av bara blev bli blir blivit både de dem den denna deras dess dessa det detta
            dig din dina ditt du där då efter ej eller en er era ett från för ha hade han hans har henne
            hennes hon honom hur här i icke in inom inte jag kan kunde man med mellan men mig min mina
            mitt mot mycket ni nu när någon något några och också om oss på samma sedan sig sin sina sitt
            själv ska skall skulle som så sådan sådana till under upp ut utan vad var vara varför varit
            varje vars vem vi vid vilka vilken vilket vill vår våra än är åt över""",
        "ta": """
            ஒரு என்று மற்றும் இந்த இது என்ற கொண்டு என்பது பல ஆகும் அல்லது அவர் நான் உள்ள அந்த இவர் என என்ன
            இருந்து சில என் போன்ற வேண்டும் வந்து இதன் அது அவன் தான் பலரும் என்னும் மேலும் பின்னர் கொண்ட
            இருக்கும் தனது உள்ளது போது என்றும் அதன் தன் பிறகு அவர்கள் வரை அவள் நீ ஆகிய இருந்தது உள்ளன வந்த
            இருந்த மிகவும் இங்கு மீது ஓர் இவை இந்தக் பற்றி வரும் வேறு இரு இதில் போல் இப்போது அவரது மட்டும்
            இந்தப் எனும் பின் சேர்ந்த ஆகியோர் எனக்கு இன்னும் அந்தப் அன்று ஒரே மிக அங்கு பல்வேறு விட்டு அதை
            பற்றிய உன் அந்தக் இதனால் அவை அதே ஏன் யார் என்பதை எல்லாம் இங்கே அங்கே அதில் நாம் அதற்கு எனவே""",
        "tr": """
            acaba ama ancak artık bana bazı belki ben benden beni benim bile bir biri biz bize bizim böyle
            bu buna bunda bundan bunlar bunu bunun burada çok çünkü da daha de değil diye dolayı eğer en
            gibi göre ha hangi hani hem hep hepsi her hiç için ile ise ki kim kimse mı mi mu mü nasıl ne
            neden nerede nereye niçin niye o olan olarak olduğu oldu olur ona ondan onlar onların onu onun
            orada oysa öyle pek rağmen sadece sanki sen seni senin siz sizin sonra şey şu şunu tüm üzere
            var ve veya ya yani yok zaten""",
        "yi": """
            און אין פון צו איז די דער דאס דאָס דעם א אַ אן אַן אויף מיט נישט ניט איך דו ער זי מיר איר זיי
            עס זיך וואס וואָס ווי ווען וואו אבער אָבער אויב אז אַז נאר נאָר אויך האט האָט האבן האָבן
            געווען זענען זיינען בין ביי ביז נאך נאָך פאר פאַר פֿון פֿאַר צי אדער אָדער דא דאָ דארט דאָרט
            יעדער אלע אַלע קיין מען מײַן זיין זייַן אונדז אונדזער""",
    }.items()
}
