"""The sentences of the checks, in three languages: what is, and what to do.

One row a reason; a test holds the places in braces of all three against one another.
"""

from __future__ import annotations

from gateway.commissioning.model import Check

LANGUAGES = ("nl", "fr", "en")

TITLES = {
    "place": ("Juiste toestel", "Bon appareil", "Right device"),
    "tilt": ("Recht", "Droit", "Level"),
    "signal": ("Ontvangst", "Réception", "Signal"),
    "sensors": ("Sensoren", "Capteurs", "Sensors"),
    "plausible": ("Waarden", "Valeurs", "Values"),
    "position": ("Plaats", "Position", "Position"),
    "photo": ("Foto", "Photo", "Photo"),
}

REASONS: dict[str, tuple[str, str, str]] = {
    "place_good": (
        "Dit toestel hoort hier.",
        "Cet appareil est à sa place.",
        "This device belongs here.",
    ),
    "other_kind": (
        "Dit is een toestel voor {kind}, maar hier hoort er een voor {site_kind}. Kijk op het label.",
        "C'est un appareil pour {kind}, mais ici il en faut un pour {site_kind}. Vérifiez l'étiquette.",
        "This is a device for {kind}, but one for {site_kind} belongs here. Check the label.",
    ),
    "other_site": (
        "Dit toestel hoort op {site}, niet op {expected}. Ruil de toestellen, of wijs dit toestel hier toe.",
        "Cet appareil va à {site}, pas à {expected}. Échangez les appareils, ou affectez celui-ci ici.",
        "This device belongs at {site}, not at {expected}. Swap the devices, or assign this one here.",
    ),
    "tilt_good": (
        "Het toestel hangt recht ({degrees}°).",
        "L'appareil est droit ({degrees}°).",
        "The device hangs level ({degrees}°).",
    ),
    "tilt_little": (
        "Het toestel hangt {degrees}° scheef. Zet het recht als dat kan.",
        "L'appareil penche de {degrees}°. Redressez-le si possible.",
        "The device leans by {degrees}°. Straighten it if you can.",
    ),
    "tilt_much": (
        "Het toestel hangt {degrees}° scheef; meer dan {limit}° mag niet. Zet het recht met een waterpas.",
        "L'appareil penche de {degrees}° ; maximum {limit}°. Redressez-le avec un niveau à bulle.",
        "The device leans by {degrees}°; at most {limit}° is allowed. Straighten it with a spirit level.",
    ),
    "tilt_distance": (
        "De sensor hangt {degrees}° scheef: dat scheelt {error_mm} mm. Zet hem recht met een waterpas.",
        "Le capteur penche de {degrees}° : une erreur de {error_mm} mm. Redressez-le avec un niveau à bulle.",
        "The sensor leans by {degrees}°: {error_mm} mm off. Straighten it with a spirit level.",
    ),
    "signal_good": (
        "Goede ontvangst: {margin_db} dB over, {gateways} gateway(s).",
        "Bonne réception : marge de {margin_db} dB, {gateways} passerelle(s).",
        "Good signal: {margin_db} dB to spare, {gateways} gateway(s).",
    ),
    "signal_thin": (
        "Zwakke ontvangst: {margin_db} dB over. Hang de antenne vrij of hoger als dat kan.",
        "Réception faible : marge de {margin_db} dB. Dégagez ou rehaussez l'antenne si possible.",
        "Weak signal: {margin_db} dB to spare. Put the antenna in the clear or higher if you can.",
    ),
    "signal_one_gateway": (
        "Maar één gateway hoort dit toestel ({margin_db} dB over). Valt die uit, dan is het stil.",
        "Une seule passerelle entend cet appareil (marge de {margin_db} dB). Sans elle, c'est le silence.",
        "Only one gateway hears this device ({margin_db} dB to spare). If that one fails, it is silent.",
    ),
    "signal_weak": (
        "Te zwakke ontvangst: {margin_db} dB over. Draai de antenne vast, hang het toestel hoger of elders.",
        "Réception trop faible : marge de {margin_db} dB. Serrez l'antenne, montez ou déplacez l'appareil.",
        "Signal too weak: {margin_db} dB to spare. Tighten the antenna, hang the device higher or elsewhere.",
    ),
    "signal_waiting": (
        "{heard} van {needed} berichten gehoord. Even wachten, of druk kort op reset.",
        "{heard} messages entendus sur {needed}. Patientez, ou appuyez brièvement sur reset.",
        "{heard} of {needed} messages heard. Wait a little, or press reset briefly.",
    ),
    "wifi_good": (
        "Verbonden met wifi: {heard} berichten gehoord.",
        "Connecté au wifi : {heard} messages entendus.",
        "Connected by Wi-Fi: {heard} messages heard.",
    ),
    "sensors_good": (
        "Alle sensoren antwoorden ({count} waarden).",
        "Tous les capteurs répondent ({count} valeurs).",
        "All sensors answer ({count} values).",
    ),
    "sensors_silent": (
        "Geen antwoord van: {names}. Kijk de stekkers na, of wissel het toestel.",
        "Pas de réponse de : {names}. Vérifiez les connecteurs, ou changez l'appareil.",
        "No answer from: {names}. Check the plugs, or swap the device.",
    ),
    "sensors_doubtful": (
        "De sensor twijfelt zelf aan: {names}. Wacht een meting af.",
        "Le capteur doute lui-même de : {names}. Attendez une mesure.",
        "The sensor itself doubts: {names}. Wait for one more measurement.",
    ),
    "sensors_waiting": (
        "Nog geen meting ontvangen.",
        "Aucune mesure reçue pour l'instant.",
        "No measurement received yet.",
    ),
    "value_good": (
        "Past bij de buurt: {value} hier, {around} rondom ({sites} meetpunten).",
        "Cohérent avec le quartier : {value} ici, {around} autour ({sites} points).",
        "Fits the neighbourhood: {value} here, {around} around ({sites} sites).",
    ),
    "value_odd": (
        "Wijkt af van de buurt: {value} hier, {around} rondom. Zon, muur of uitlaat vlakbij?",
        "S'écarte du quartier : {value} ici, {around} autour. Soleil, mur ou échappement tout près ?",
        "Differs from the neighbourhood: {value} here, {around} around. Sun, wall or exhaust close by?",
    ),
    "value_impossible": (
        "Kan niet kloppen: {value} hier, {around} rondom. Kijk de plaatsing na, of wissel de sensor.",
        "Impossible : {value} ici, {around} autour. Vérifiez l'emplacement, ou changez le capteur.",
        "Cannot be right: {value} here, {around} around. Check the placing, or swap the sensor.",
    ),
    "indoors": (
        "Dit lijkt binnen: {warmer} graden warmer en {drier} % droger dan buiten. Hang het toestel buiten.",
        "On dirait l'intérieur : {warmer} degrés de plus et {drier} % plus sec que dehors. Placez-le dehors.",
        "This looks like indoors: {warmer} degrees warmer and {drier} % drier than outside. Hang it outside.",
    ),
    "bin_good": (
        "De afstand past bij de bak: {distance_mm} mm, leeg {empty_mm} mm.",
        "La distance convient au bac : {distance_mm} mm, vide {empty_mm} mm.",
        "The distance fits the bin: {distance_mm} mm, empty {empty_mm} mm.",
    ),
    "bin_too_deep": (
        "Meet dieper dan de bak: {distance_mm} mm, leeg is {empty_mm} mm. Kijkt de sensor recht in de bak?",
        "Plus profond que le bac : {distance_mm} mm, vide {empty_mm} mm. Le capteur regarde-t-il dedans ?",
        "Measures deeper than the bin: {distance_mm} mm, empty is {empty_mm} mm. Does it look into the bin?",
    ),
    "bin_blocked": (
        "Er zit iets vlak voor de sensor: {distance_mm} mm. Haal het weg.",
        "Quelque chose est juste devant le capteur : {distance_mm} mm. Retirez-le.",
        "Something is right before the sensor: {distance_mm} mm. Take it away.",
    ),
    "value_flagged": (
        "Onmogelijke waarde van: {names}. Kijk de sensor na, of wissel het toestel.",
        "Valeur impossible de : {names}. Vérifiez le capteur, ou changez l'appareil.",
        "Impossible value of: {names}. Check the sensor, or swap the device.",
    ),
    "nothing_to_compare": (
        "Geen meetpunten in de buurt om mee te vergelijken.",
        "Aucun point de mesure à proximité pour comparer.",
        "No sites nearby to compare with.",
    ),
    "position_good": (
        "Op de juiste plaats ({away_m} m).",
        "Au bon endroit ({away_m} m).",
        "In the right place ({away_m} m).",
    ),
    "position_off": (
        "{away_m} m van de plaats op de kaart. Pas de plaats aan, of ga na of dit de juiste paal is.",
        "À {away_m} m du point sur la carte. Corrigez le point, ou vérifiez si c'est le bon poteau.",
        "{away_m} m from the place on the map. Correct the place, or check whether this is the right pole.",
    ),
    "position_vague": (
        "De telefoon weet de plaats maar op {accuracy_m} m. Ga in het vrije veld staan en probeer opnieuw.",
        "Le téléphone ne connaît la position qu'à {accuracy_m} m. Dégagez-vous du bâti et réessayez.",
        "The phone knows the place to {accuracy_m} m only. Step into the open and try again.",
    ),
    "position_none": (
        "De telefoon heeft geen plaats gevonden. Zet locatie aan en probeer opnieuw.",
        "Le téléphone n'a pas trouvé de position. Activez la localisation et réessayez.",
        "The phone has found no place. Switch location on and try again.",
    ),
    "position_waiting": (
        "Geef de plaats door met je telefoon.",
        "Donnez la position avec votre téléphone.",
        "Send the place with your phone.",
    ),
    "photo_good": ("Foto bewaard.", "Photo enregistrée.", "Photo kept."),
    "photo_waiting": ("Maak een foto.", "Prenez une photo.", "Take a photo."),
}

KINDS = {
    "air": ("luchtkwaliteit", "la qualité de l'air", "air quality"),
    "noise": ("geluid", "le bruit", "noise"),
    "bin": ("vulgraad", "le remplissage", "bin fill"),
    "garden": ("tuin en weer", "le jardin et la météo", "garden and weather"),
}


def title(name: str, language: str) -> str:
    """Return the name of a check in a language of LANGUAGES."""
    return TITLES[name][LANGUAGES.index(language)]


def sentence(check: Check, language: str) -> str:
    """Return what a check says in a language of LANGUAGES."""
    places = {name: _shown(name, value, language) for name, value in check.figures.items()}
    return REASONS[check.reason][LANGUAGES.index(language)].format(**places)


def _shown(name: str, value: float | int | str, language: str) -> str:
    if isinstance(value, str):
        return KINDS[value][LANGUAGES.index(language)] if name in ("kind", "site_kind") else value
    text = f"{value:g}"
    return text if language == "en" else text.replace(".", ",")
