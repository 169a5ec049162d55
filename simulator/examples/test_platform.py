"""How to test a platform of yours against Meetnet's nodes: copy this file, and put your platform in.

pip install './meetnet[simulator]' pytest    # ./meetnet: a checkout of Meetnet
pytest test_platform.py
"""

from __future__ import annotations

CITY = {
    "title": "A garden and a square",
    "until": "40m",
    "settle": "10m",
    "nodes": [
        {"kind": "garden", "interval_s": 600},
        {"kind": "air", "transport": "mqtt", "interval_s": 600},
    ],
    "faults": [{"do": "power_cut", "nodes": "*-garden", "at": "12m"}],
}


def test_a_platform_behind_the_gateway_gets_each_observation(meetnet_play, meetnet_http):
    """Your platform speaks NGSI-LD: here a server that accepts everything stands for it."""
    played = meetnet_play(CITY, publish={"ngsi_ld": {"url": meetnet_http.url}})
    assert played.result.accounts["stored"] >= 7
    assert played.result.accounts["lost"] == played.result.accounts["twice"] == 0
    entities = [entity for request in meetnet_http.accepted for entity in request.rows()]
    types = {entity["type"] for entity in entities if "type" in entity}
    assert types >= {"WeatherObserved", "AirQualityObserved"}, types


def test_a_broker_of_yours_gets_what_wifi_nodes_send(meetnet_play, meetnet_mqtt):
    """Wi-Fi nodes publish to your broker; what the sensors saw is in the event log."""
    city = CITY | {"nodes": CITY["nodes"][1:], "faults": [], "until": "30m"}
    played = meetnet_play(city | {"gateway": {"house": ""}}, mqtt=meetnet_mqtt.address)
    assert len(meetnet_mqtt.messages) >= 3
    assert any(event["quantity"] == "pm2_5_ug_m3" for event in played.of("sensor"))


def test_a_lorawan_server_of_yours_gets_the_frames(meetnet_play, meetnet_udp):
    """Nodes join through a packet forwarder: here nobody answers, so they try again and again."""
    city = CITY | {"nodes": CITY["nodes"][:1], "faults": [], "until": "20m"}
    played = meetnet_play(city | {"gateway": {"house": ""}}, lorawan=meetnet_udp.address)
    sent = [event["payload"] for event in played.of("radio", "up")]
    assert [frame.hex() for frame in meetnet_udp.frames] == sent
    assert all(frame[0] >> 5 == 0 for frame in meetnet_udp.frames), "JoinRequests: LoRaWAN 1.0.4, 4.2.1"
