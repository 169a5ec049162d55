"""What the node's own web server answers: its page in Dutch, French and English, REST and OpenMetrics."""

import json

from wire import causes
from wire.measurements import by_id
from wire.record import FIRST_ERROR, STATE_NAMES

from .status import fields
from .version import VERSION
from .web import escape

_LANGUAGES = causes.LANGUAGES
_RECORDS_MOST = 100
_STYLE = (
    "<style>body{font:1.1rem sans-serif;margin:1rem auto;max-width:34rem;padding:0 1rem;color:#111;"
    "background:#fff}table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.4rem;"
    "border-bottom:1px solid #bbb}p.bad{border-left:.4rem solid #b00;padding:.4rem .8rem;"
    "background:#fee}p.good{border-left:.4rem solid #070;"
    "padding:.4rem .8rem}input,select,button{font:inherit;padding:.6rem;width:100%;box-sizing:border-box;"
    "margin:.2rem 0 1rem}button{background:#036;color:#fff;border:0}</style>"
)
_TEXTS = {
    "title": ("Je sensor", "Votre capteur", "Your sensor"),
    "well": ("Alles werkt.", "Tout fonctionne.", "Everything works."),
    "measured": ("Laatste meting", "Dernière mesure", "Newest reading"),
    "none": ("Er is nog niets gemeten.", "Rien n'a encore été mesuré.", "Nothing has been measured yet."),
    "waiting": (
        "metingen wachten tot ze verstuurd kunnen worden",
        "mesures attendent d'être envoyées",
        "readings wait to be sent",
    ),
    "wifi": ("Wifi instellen", "Configurer le Wi-Fi", "Set up Wi-Fi"),
    "network": ("Netwerk", "Réseau", "Network"),
    "other": ("een ander netwerk", "un autre réseau", "another network"),
    "name": ("Naam, als het er niet bij staat", "Nom, s'il n'est pas dans la liste", "Name, if not listed"),
    "password": ("Wachtwoord", "Mot de passe", "Password"),
    "connect": ("Verbinden", "Connecter", "Connect"),
    "again": ("Terug", "Retour", "Back"),
    "joined": (
        "Gelukt. De sensor start opnieuw en is dan hier te vinden:",
        "Réussi. Le capteur redémarre et se trouve ensuite ici :",
        "Done. The sensor starts again and is then found here:",
    ),
    "closed": (
        "Instellen kan in de eerste drie minuten nadat de sensor stroom kreeg.",
        "La configuration est possible pendant trois minutes après la mise sous tension.",
        "Set-up is possible in the first three minutes after the sensor got power.",
    ),
}
_QUANTITIES = {
    "temperature": ("Temperatuur", "Température", "Temperature"),
    "relative_humidity": ("Luchtvochtigheid", "Humidité", "Humidity"),
    "pm1": ("Fijn stof PM1", "Particules PM1", "Particles PM1"),
    "pm2_5": ("Fijn stof PM2,5", "Particules PM2,5", "Particles PM2.5"),
    "pm10": ("Fijn stof PM10", "Particules PM10", "Particles PM10"),
    "laeq": ("Geluid, gemiddeld", "Bruit moyen", "Noise, average"),
    "lafmax": ("Geluid, hoogste", "Bruit maximal", "Noise, highest"),
    "distance": ("Afstand", "Distance", "Distance"),
    "rain_tips": ("Regen, kantelingen", "Pluie, bascules", "Rain, tips"),
    "battery": ("Batterij", "Pile", "Battery"),
    "soil_moisture": ("Bodemvocht", "Humidité du sol", "Soil moisture"),
    "co2": ("CO2", "CO2", "CO2"),
}


def decimal(raw, decimals):
    """Return a scaled whole number as text: 2345 with 2 decimals is 23.45."""
    if not decimals:
        return str(raw)
    sign = "-" if raw < 0 else ""
    whole, part = divmod(abs(raw), 10**decimals)
    text = str(part)
    return sign + str(whole) + "." + "0" * (decimals - len(text)) + text


class Pages:
    """node: node.core.Node. desk: node.desk.Desk. may_set_up(): whether the form is taken now."""

    def __init__(self, node, desk, may_set_up, language="nl"):
        self._node = node
        self._desk = desk
        self._may_set_up = may_set_up
        self._language = language

    def answer(self, request):
        """Answer a request; see node.web."""
        path = request.path
        if request.method == "POST" and path == "/wifi":
            return self._join(request)
        if request.method not in ("GET", "HEAD"):
            return 405, "text", ["GET\n"], ()
        if path == "/":
            return 200, "html", self._front(self._choose(request)), ()
        if path == "/wifi":
            return 200, "html", self._form(self._choose(request)), ()
        if path == "/api/status":
            return 200, "json", [json.dumps(self._status())], ()
        if path == "/api/records":
            return self._records(request)
        if path == "/metrics":
            kind = "application/openmetrics-text; version=1.0.0; charset=utf-8"
            return 200, kind, self._metrics(), ()
        # Phones ask for an address of their maker's to see whether there is a login page: there is, here.
        return 302, "text", ["\n"], ("Location: " + (self._desk.portal_url() or "/"),)

    def _choose(self, request):
        """Return which text: of the language asked for, else the browser's, else the configured one."""
        wanted = request.query.get("lang") or request.headers.get("accept-language", "")[:2]
        if wanted not in _LANGUAGES:
            wanted = self._language
        return _LANGUAGES.index(wanted) if wanted in _LANGUAGES else 0

    # -- pages -----------------------------------------------------------------------------------------

    def _head(self, i, title):
        languages = "".join(
            ' <a href="?lang=' + name + '">' + name + "</a>" for name in _LANGUAGES if name != _LANGUAGES[i]
        )
        return (
            '<!doctype html><html lang="' + _LANGUAGES[i] + '"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width,initial-scale=1"><title>'
            + escape(title)
            + "</title>"
            + _STYLE
            + "</head><body><p>"
            + languages
            + "</p><h1>"
            + escape(title)
            + "</h1>"
        )

    def _codes(self):
        """Return what is wrong now: what the status would say, and why nothing gets out."""
        status = fields(self._node)
        if not self._node.failing:
            status.last_failure = 0
        elif not status.waiting:
            status.waiting = 1
        return causes.of_status(status)

    def _front(self, i):
        yield self._head(i, _TEXTS["title"][i])
        codes = self._codes()
        for code in codes:
            yield '<p class="bad">' + escape(causes.sentence(code, _LANGUAGES[i])) + "</p>"
        if not codes:
            yield '<p class="good">' + _TEXTS["well"][i] + "</p>"
        waiting = self._node.outbox.waiting
        if waiting:
            yield "<p>" + str(waiting) + " " + _TEXTS["waiting"][i] + ".</p>"
        yield "<h2>" + _TEXTS["measured"][i] + "</h2>"
        record = self._newest()
        if record is None:
            yield "<p>" + _TEXTS["none"][i] + "</p>"
        else:
            yield "<table>"
            for number, raw, state in record.readings:
                row = by_id(number)
                if row is None or state >= FIRST_ERROR:
                    continue
                name = _QUANTITIES.get(row[1])
                value = decimal(raw, row[3])
                if i < 2:
                    value = value.replace(".", ",")
                unit = row[2].replace("ug/", "µg/").replace("m3", "m³").replace("Cel", "°C")
                yield (
                    "<tr><th scope=row>" + (name[i] if name else row[1]) + "</th><td>" + value + " " + unit
                ) + "</td></tr>"
            yield "</table>"
        yield '<p><a href="/wifi?lang=' + _LANGUAGES[i] + '">' + _TEXTS["wifi"][i] + "</a></p></body></html>"

    def _form(self, i, cause=0):
        yield self._head(i, _TEXTS["wifi"][i])
        if cause:
            yield '<p class="bad" role=alert>' + escape(causes.sentence(cause, _LANGUAGES[i])) + "</p>"
        if not self._may_set_up():
            yield "<p>" + _TEXTS["closed"][i] + "</p></body></html>"
            return
        yield '<form method="post" action="/wifi?lang=' + _LANGUAGES[i] + '"><label>' + _TEXTS["network"][i]
        yield '<select name="ssid">'
        for name, rssi, locked in self._desk.scan()[:20]:
            yield '<option value="' + escape(name) + '">' + escape(name) + " (" + str(rssi) + " dBm)"
            yield "" if locked else " *"
            yield "</option>"
        yield '<option value="">' + _TEXTS["other"][i] + "</option></select></label><label>"
        yield _TEXTS["name"][i]
        yield '<input name="other" maxlength=32 autocapitalize=none></label><label>' + _TEXTS["password"][i]
        yield '<input name="password" type="password" maxlength=63></label><button>' + _TEXTS["connect"][i]
        yield '</button></form><p><a href="/">' + _TEXTS["again"][i] + "</a></p></body></html>"

    def _join(self, request):
        i = self._choose(request)
        origin = request.headers.get("origin")
        if origin not in (None, "http://" + request.headers.get("host", "")):
            return 403, "text", ["from another page\n"], ()
        if not self._may_set_up():
            return 403, "html", self._form(i), ()
        ssid = request.form.get("ssid") or request.form.get("other", "")
        password = request.form.get("password", "")
        if not 0 < len(ssid.encode()) <= 32 or len(password) > 63:
            return 400, "html", self._form(i, 4), ()
        cause = self._desk.try_wifi(ssid, password)
        if cause:
            return 200, "html", self._form(i, cause), ()
        url = self._desk.url()
        return (
            200,
            "html",
            [
                self._head(i, _TEXTS["wifi"][i]),
                '<p class="good">'
                + _TEXTS["joined"][i]
                + ' <a href="'
                + url
                + '">'
                + url
                + "</a></p></body></html>",
            ],
            (),
        )

    # -- for programs ------------------------------------------------------------------------------------

    def _newest(self):
        return self._node.log.newest

    def _status(self):
        status = fields(self._node)
        return {
            "firmware": ".".join([str(n) for n in VERSION]),
            "uptime_s": status.uptime_s,
            "boots": status.boots,
            "waiting": status.waiting,
            "dropped": status.dropped,
            "failures": status.failures,
            "battery_mv": status.battery_mv,
            "time_age_h": status.time_age_h,
            "config_hash": status.config_hash.hex(),
            "rssi_dbm": self._desk.wifi.rssi(),
            "causes": [[code, causes.row(code)[1]] for code in self._codes() if causes.row(code)],
            "first_seq": self._node.log.first_seq,
            "newest_seq": self._node.newest_seq,
        }

    def _records(self, request):
        try:
            first = int(request.query.get("from", "0"))
            n = min(int(request.query.get("n", "20")), _RECORDS_MOST)
        except ValueError:
            return 400, "json", ['{"error": "from and n are whole numbers"}'], ()
        if first < 0 or n < 1:
            return 400, "json", ['{"error": "from is 0 or more, n 1 or more"}'], ()
        return 200, "json", self._record_rows(self._node.log.read(first, n)), ()

    def _record_rows(self, records):
        yield "["
        comma = ""
        for record in records:
            readings = []
            for number, raw, state in record.readings:
                row = by_id(number)
                if row is not None:
                    value = None if state >= FIRST_ERROR else decimal(raw, row[3])
                    readings.append([row[1], value, row[2], STATE_NAMES[state]])
            yield comma + json.dumps(
                {
                    "seq": record.seq,
                    "time_s": record.time_s,
                    "time_quality": record.time_quality,
                    "readings": readings,
                }
            )
            comma = ","
        yield "]"

    def _metrics(self):
        record = self._newest()
        for number, raw, state in record.readings if record is not None else ():
            row = by_id(number)
            if row is not None and state < FIRST_ERROR:
                name = "meetnet_" + row[1]
                yield "# TYPE " + name + " gauge\n" + name + " " + decimal(raw, row[3]) + "\n"
        status = fields(self._node)
        for name, kind, value in (
            ("uptime_seconds", "gauge", status.uptime_s),
            ("records_waiting", "gauge", status.waiting),
            ("records_dropped", "counter", status.dropped),
            ("network_failures", "counter", status.failures),
            ("boots", "counter", status.boots),
        ):
            name = "meetnet_node_" + name
            yield "# TYPE " + name + " " + kind + "\n"
            yield name + ("_total " if kind == "counter" else " ") + str(value) + "\n"
        yield "# EOF\n"
