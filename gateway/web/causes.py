"""What a host reads for each cause of gateway.insight.wellbeing: a sentence, one next step, no code words."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.web.languages import N_


@dataclass(frozen=True, slots=True)
class Cause:
    """sentence: what is. step: the one thing to do, "" for nothing. grade: how bad, as in freshness."""

    sentence: str
    step: str
    grade: str


CAUSES: dict[str, Cause] = {
    "fine": Cause(N_("Your sensor is doing well."), "", "fresh"),
    "waiting": Cause(N_("Your sensor is awake, and its first value is on its way."), "", "stale"),
    "never_heard": Cause(
        N_("We have not heard your sensor yet."),
        N_("Switch it on and give it ten minutes near a window or outside."),
        "stale",
    ),
    "gateway_down": Cause(
        N_("The receiver in your neighbourhood is silent, so we miss all sensors there, not only yours."),
        N_("You need to do nothing: your sensor keeps its values and sends them later."),
        "stale",
    ),
    "network_down": Cause(
        N_("We miss nearly all sensors on Wi-Fi, not only yours: the fault is on our side."),
        N_("You need to do nothing: your sensor keeps its values and sends them later."),
        "stale",
    ),
    "silent_radio": Cause(
        N_("Your sensor has gone silent while those around it are heard."),
        N_("Look whether it still hangs upright with its antenna up, then switch it off and on once."),
        "missing",
    ),
    "silent_wifi": Cause(
        N_("Your sensor does not reach the internet any more."),
        N_("Look whether your Wi-Fi works, then switch the sensor off and on once."),
        "missing",
    ),
    "battery_empty": Cause(
        N_("The battery was nearly empty when we last heard your sensor."),
        N_("Charge or change the battery; the sensor starts by itself."),
        "missing",
    ),
    "wifi_password": Cause(
        N_("Your Wi-Fi has another password than the sensor knows."),
        N_("Hold the button for three seconds and give the sensor the new password."),
        "missing",
    ),
    "wifi_gone": Cause(
        N_("The sensor cannot find your Wi-Fi: its name changed, or it is on 5 GHz only."),
        N_("Switch on 2.4 GHz in your router, or give the sensor the new name."),
        "missing",
    ),
    "wifi_router": Cause(
        N_("Your router lets the sensor in but gives it no address."),
        N_("Start the router again and wait five minutes."),
        "missing",
    ),
    "no_internet": Cause(
        N_("The sensor is on your Wi-Fi, but your Wi-Fi has no internet."),
        N_("Look whether other devices get online; start the router again if they do not."),
        "missing",
    ),
    "account": Cause(
        N_("The sensor is online, but our side does not accept its key."),
        N_("Tell the people of the network: they give it a new key."),
        "missing",
    ),
    "sensor_silent": Cause(
        N_("Your sensor is heard, but one of its parts does not answer."),
        N_("Switch it off and on once; if this stays, ask for a visit."),
        "missing",
    ),
    "dirty": Cause(
        N_("One of the sensor's parts says that it is dirty or worn."),
        N_("Brush the openings clean with a dry brush; no water, no spray."),
        "suspect",
    ),
    "overload": Cause(
        N_("More comes in than the sensor can measure."),
        N_("Look for a source right beside it: smoke, a vent, a loudspeaker."),
        "suspect",
    ),
    "clock": Cause(
        N_("Your sensor does not know the time, so its values are put aside."),
        N_("Switch it off and on once; it asks for the time itself."),
        "suspect",
    ),
    "stuck": Cause(
        N_("A value has not moved for hours, which real air does not do."),
        N_("Look for water or a cobweb in the openings, then switch it off and on once."),
        "suspect",
    ),
    "odd": Cause(
        N_("A value is outside of what can be true."),
        N_("Look whether the sensor hangs as it should: in the shade, outside, upright."),
        "suspect",
    ),
    "fog": Cause(
        N_("It is foggy: droplets look like dust, so the value is not used."),
        N_("You need to do nothing: it passes with the fog."),
        "suspect",
    ),
    "battery_low": Cause(
        N_("The battery is getting empty; your sensor still works."),
        N_("Charge or change the battery within a week."),
        "suspect",
    ),
    "settings_lost": Cause(
        N_("Your sensor lost its settings and measures with standard ones."),
        N_("Tell the people of the network: they send the settings again."),
        "suspect",
    ),
}
