"""What is wrong with a node, in one sentence for whoever hosts it: one table for the node's own page and
the gateway's.

    code | name | who can mend it | Dutch | French | English

Codes up to 63 are wire.status.NETWORK_FAILURES (why nothing gets out); from 64 on it is what else a status
tells, from
96 on what only the gateway can see. `of_status` picks the codes of a status, the one that matters most first.
"""

from ._compat import const
from .record import CHECKSUM, FAULT, NO_ANSWER, TIMEOUT
from .status import (
    FLAG_BATTERY_LOW,
    FLAG_CONFIG_DEFAULTS,
    FLAG_FELL_BACK,
    FLAG_LOG_FAULT,
    FLAG_MENDED,
    FLAG_SAFE_MODE,
)

HOST = "host"  # whoever has the sensor at home
OPERATOR = "operator"  # whoever runs the network

SENSOR_DEAD = const(64)
BATTERY_LOW = const(65)
SAFE_MODE = const(66)
CONFIG_DEFAULTS = const(67)
LOG_FAULT = const(68)
RECORDS_DROPPED = const(69)
TIME_NEVER_SET = const(70)
MENDED = const(71)
FELL_BACK = const(72)
RECORDS_WAIT = const(73)
SILENT = const(96)
UPDATE_BACK = const(97)

ROWS = (
    (1, "join_no_answer", OPERATOR, "Het LoRa-netwerk antwoordt niet. De sensor bewaart zijn metingen en probeert het verder; staat hij binnen of in een kelder, zet hem hoger of dichter bij een raam.", "Le réseau LoRa ne répond pas. Le capteur garde ses mesures et réessaie ; s'il est à l'intérieur ou en cave, placez-le plus haut ou près d'une fenêtre.", "The LoRa network does not answer. The sensor keeps its readings and goes on trying; if it is indoors or in a cellar, put it higher or near a window."),  # noqa: E501
    (2, "not_confirmed", OPERATOR, "De metingen worden verstuurd maar de gateway bevestigt ze niet. Ze blijven bewaard en komen later.", "Les mesures partent mais la passerelle ne les confirme pas. Elles sont gardées et arriveront plus tard.", "Readings are sent but the gateway does not confirm them. They are kept and will come later."),  # noqa: E501
    (3, "radio_fault", OPERATOR, "De radio van de sensor werkt niet. De beheerder moet de sensor nakijken.", "La radio du capteur ne fonctionne pas. Le gestionnaire doit vérifier le capteur.", "The sensor's radio does not work. The operator has to look at it."),  # noqa: E501
    (4, "wifi_not_found", HOST, "De sensor ziet uw wifi niet. Kijk of de naam juist is, of de router aan staat en niet te ver weg is.", "Le capteur ne voit pas votre Wi-Fi. Vérifiez le nom, que le routeur est allumé et pas trop loin.", "The sensor does not see your Wi-Fi. Check the name, that the router is on, and that it is not too far away."),  # noqa: E501
    (5, "wifi_wrong_password", HOST, "Het wachtwoord van de wifi klopt niet. Stel de wifi opnieuw in.", "Le mot de passe du Wi-Fi est faux. Configurez le Wi-Fi à nouveau.", "The Wi-Fi password is wrong. Set up the Wi-Fi again."),  # noqa: E501
    (6, "wifi_no_address", HOST, "De router geeft de sensor geen adres. Herstart de router; helpt dat niet, kijk of hij nieuwe toestellen toelaat.", "Le routeur ne donne pas d'adresse au capteur. Redémarrez-le ; sinon, vérifiez qu'il accepte de nouveaux appareils.", "The router gives the sensor no address. Restart it; if that does not help, see whether it lets new devices in."),  # noqa: E501
    (7, "name_not_found", OPERATOR, "Er is internet, maar het adres van de gateway bestaat niet. De beheerder moet het nakijken.", "Il y a internet, mais l'adresse de la passerelle n'existe pas. Le gestionnaire doit la vérifier.", "There is internet, but the gateway's address does not exist. The operator has to check it."),  # noqa: E501
    (8, "broker_unreachable", OPERATOR, "De gateway is niet te bereiken. Uw sensor en wifi zijn in orde; de metingen worden bewaard.", "La passerelle est injoignable. Votre capteur et votre Wi-Fi vont bien ; les mesures sont gardées.", "The gateway cannot be reached. Your sensor and Wi-Fi are fine; the readings are kept."),  # noqa: E501
    (9, "broker_refused", OPERATOR, "De gateway weigert de verbinding. De beheerder moet dit nakijken; de metingen worden bewaard.", "La passerelle refuse la connexion. Le gestionnaire doit vérifier ; les mesures sont gardées.", "The gateway refuses the connection. The operator has to look at it; the readings are kept."),  # noqa: E501
    (10, "broker_wrong_password", OPERATOR, "De gateway kent de sleutel van deze sensor niet. De beheerder moet hem opnieuw registreren.", "La passerelle ne connaît pas la clé de ce capteur. Le gestionnaire doit l'enregistrer à nouveau.", "The gateway does not know this sensor's key. The operator has to register it again."),  # noqa: E501
    (11, "broker_silent", OPERATOR, "De gateway neemt geen metingen meer aan: hij is vol of hangt. De metingen worden bewaard en komen later.", "La passerelle n'accepte plus de mesures : elle est pleine ou bloquée. Elles sont gardées et arriveront plus tard.", "The gateway takes no more readings: it is full or hangs. They are kept and will come later."),  # noqa: E501
    (12, "ntp_silent", OPERATOR, "De tijdserver antwoordt niet. De metingen krijgen hun tijd later.", "Le serveur de temps ne répond pas. Les mesures recevront leur heure plus tard.", "The time server does not answer. The readings get their time later."),  # noqa: E501
    (13, "wifi_no_answer", HOST, "De wifi antwoordt niet. Herstart de router en zet de sensor dichterbij.", "Le Wi-Fi ne répond pas. Redémarrez le routeur et rapprochez le capteur.", "The Wi-Fi does not answer. Restart the router and put the sensor nearer to it."),  # noqa: E501
    (22, "wifi_5ghz_only", HOST, "Dit is een wifinetwerk van 5 GHz; de sensor kan alleen 2,4 GHz. Kies het andere netwerk van uw router, of zet 2,4 GHz aan.", "C'est un réseau de 5 GHz ; le capteur ne connaît que 2,4 GHz. Choisissez l'autre réseau de votre routeur ou activez le 2,4 GHz.", "This is a 5 GHz network; the sensor only knows 2.4 GHz. Choose your router's other network, or switch 2.4 GHz on."),  # noqa: E501
    (23, "wifi_security", HOST, "De beveiliging van deze wifi kent de sensor niet. Kies WPA2, of WPA2 samen met WPA3, op uw router.", "Le capteur ne connaît pas la sécurité de ce Wi-Fi. Choisissez WPA2, ou WPA2 avec WPA3, sur votre routeur.", "The sensor does not know this Wi-Fi's security. Choose WPA2, or WPA2 with WPA3, on your router."),  # noqa: E501
    (24, "captive_portal", HOST, "Deze wifi vraagt eerst om in te loggen op een webpagina. Dat kan de sensor niet: kies een ander netwerk.", "Ce Wi-Fi demande de se connecter sur une page web. Le capteur ne le peut pas : choisissez un autre réseau.", "This Wi-Fi first wants a login on a web page. The sensor cannot do that: choose another network."),  # noqa: E501
    (25, "dns_silent", HOST, "De wifi werkt, maar er is geen internet. Kijk of internet op uw telefoon werkt en herstart de router.", "Le Wi-Fi marche, mais il n'y a pas d'internet. Essayez avec votre téléphone et redémarrez le routeur.", "The Wi-Fi works, but there is no internet. Try it on your phone and restart the router."),  # noqa: E501
    (26, "tls_refused", OPERATOR, "De sensor vertrouwt de gateway niet: het certificaat klopt niet. Er wordt niets verstuurd; de metingen worden bewaard.", "Le capteur ne fait pas confiance à la passerelle : le certificat est faux. Rien n'est envoyé ; les mesures sont gardées.", "The sensor does not trust the gateway: its certificate is wrong. Nothing is sent; the readings are kept."),  # noqa: E501
    (SENSOR_DEAD, "sensor_dead", OPERATOR, "Een meetelement in de sensor antwoordt niet. De rest wordt gemeten; de beheerder moet het nakijken.", "Un élément de mesure du capteur ne répond pas. Le reste est mesuré ; le gestionnaire doit vérifier.", "One of the sensor's measuring parts does not answer. The rest is measured; the operator has to look at it."),  # noqa: E501
    (BATTERY_LOW, "battery_low", HOST, "De batterij is bijna leeg. Laad of vervang ze; tot dan wordt er gemeten maar niet verstuurd.", "La pile est presque vide. Rechargez ou remplacez-la ; d'ici là on mesure sans envoyer.", "The battery is nearly empty. Charge or replace it; until then it measures but does not send."),  # noqa: E501
    (SAFE_MODE, "safe_mode", OPERATOR, "De sensor is enkele keren vastgelopen en draait in een veilige stand, zonder te meten. Hij probeert het na zes uur opnieuw.", "Le capteur s'est bloqué plusieurs fois et tourne en mode sûr, sans mesurer. Il réessaie après six heures.", "The sensor crashed several times and runs in a safe mode, without measuring. It tries again after six hours."),  # noqa: E501
    (CONFIG_DEFAULTS, "config_defaults", OPERATOR, "Een instelling van de sensor is fout; hij gebruikt de standaardwaarde.", "Un réglage du capteur est faux ; il utilise la valeur par défaut.", "A setting of the sensor is wrong; it uses the default."),  # noqa: E501
    (LOG_FAULT, "log_fault", OPERATOR, "Het geheugen van de sensor neemt geen metingen meer aan. Wat niet meteen verstuurd wordt, gaat verloren: laat hem vervangen.", "La mémoire du capteur n'accepte plus de mesures. Ce qui ne part pas tout de suite est perdu : faites-le remplacer.", "The sensor's memory takes no more readings. What is not sent at once is lost: have it replaced."),  # noqa: E501
    (RECORDS_DROPPED, "records_dropped", OPERATOR, "De sensor was zo lang niet te bereiken dat zijn oudste metingen zijn overschreven.", "Le capteur est resté si longtemps injoignable que ses plus anciennes mesures ont été écrasées.", "The sensor could not be reached for so long that its oldest readings were written over."),  # noqa: E501
    (TIME_NEVER_SET, "time_never_set", OPERATOR, "De sensor weet nog niet hoe laat het is. De metingen krijgen hun tijd zodra het netwerk antwoordt.", "Le capteur ne connaît pas encore l'heure. Les mesures la recevront dès que le réseau répond.", "The sensor does not know the time yet. The readings get theirs as soon as the network answers."),  # noqa: E501
    (MENDED, "mended", OPERATOR, "De sensor heeft na een storing zijn eigen geheugen hersteld. U hoeft niets te doen.", "Après une panne le capteur a réparé sa mémoire lui-même. Vous n'avez rien à faire.", "After a fault the sensor mended its own memory. You need not do anything."),  # noqa: E501
    (FELL_BACK, "fell_back", OPERATOR, "De nieuwe software liep vast; de sensor draait weer op de oude. U hoeft niets te doen.", "Le nouveau logiciel s'est bloqué ; le capteur tourne à nouveau avec l'ancien. Vous n'avez rien à faire.", "The new software crashed; the sensor runs the old one again. You need not do anything."),  # noqa: E501
    (RECORDS_WAIT, "records_wait", OPERATOR, "Er wachten oudere metingen; ze komen vanzelf na.", "Des mesures plus anciennes attendent ; elles arriveront d'elles-mêmes.", "Older readings are waiting; they will come by themselves."),  # noqa: E501
    (SILENT, "silent", HOST, "We horen de sensor niet meer. Kijk of hij stroom heeft; doet hij dat, dan bewaart hij zijn metingen en komen die later.", "Nous n'entendons plus le capteur. Vérifiez son alimentation ; s'il en a, il garde ses mesures et les enverra plus tard.", "We do not hear the sensor any more. Check that it has power; if it has, it keeps its readings and they will come later."),  # noqa: E501
    (UPDATE_BACK, "update_back", OPERATOR, "Een update werkte niet en is vanzelf teruggedraaid. De sensor meet gewoon verder.", "Une mise à jour n'a pas fonctionné et a été annulée d'elle-même. Le capteur continue de mesurer.", "An update did not work and was taken back by itself. The sensor goes on measuring."),  # noqa: E501
)  # fmt: skip
LANGUAGES = ("nl", "fr", "en")
_SENTENCE_AT = const(3)
# A value that is out of range or not ready yet passes by itself; these want a hand.
_DEAD = (NO_ANSWER, TIMEOUT, CHECKSUM, FAULT)
_WIRES = (14, 15, 16, 17, 18, 19, 20, 21)  # which wire of the radio it is, is for the technician


def row(code):
    """Return the row of a code; wires of the radio have the sentence of a radio that does not work."""
    if code in _WIRES:
        code = 3
    for found in ROWS:
        if found[0] == code:
            return found
    return None


def sentence(code, language="nl"):
    """Return the sentence of a code, in Dutch for a language that is none of ours; "" for no code."""
    found = row(code)
    if found is None:
        return ""
    return found[_SENTENCE_AT + (LANGUAGES.index(language) if language in LANGUAGES else 0)]


def of_status(status):
    """Return the codes that a wire.status.Status tells, what matters most first."""
    codes = []
    for flag, code in (
        (FLAG_SAFE_MODE, SAFE_MODE),
        (FLAG_LOG_FAULT, LOG_FAULT),
        (FLAG_BATTERY_LOW, BATTERY_LOW),
    ):
        if status.flags & flag:
            codes.append(code)
    if any(state in _DEAD for state in status.sensors):
        codes.append(SENSOR_DEAD)
    if status.last_failure and status.waiting:
        codes.append(status.last_failure)
    for flag, code in (
        (FLAG_FELL_BACK, FELL_BACK),
        (FLAG_CONFIG_DEFAULTS, CONFIG_DEFAULTS),
        (FLAG_MENDED, MENDED),
    ):
        if status.flags & flag:
            codes.append(code)
    if status.time_age_h == 255:
        codes.append(TIME_NEVER_SET)
    if status.dropped:
        codes.append(RECORDS_DROPPED)
    return codes
