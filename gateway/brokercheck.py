"""Does this broker keep what it acknowledged? Tried out, with a session and a topic of our own.

Brokers drop by default, and say nothing: Mosquitto keeps 1,000 messages for a session that is away and throws
the others away, although each was acknowledged to its sender. So: a session is made and left, messages are
published to it, and what is still there is counted.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from gateway.ingest.mqtt.connection import MqttSettings

_WAIT_S = 15.0
MESSAGES = 5000


@dataclass(frozen=True, slots=True)
class BrokerFinding:
    """What is wrong with a broker, and what to do. name: session, queue, qos, unreachable."""

    name: str
    text: str
    remedy: str


class _Client:
    """A client of paho's that waits for what it asked."""

    def __init__(self, settings: MqttSettings, client_id: str, *, clean: bool) -> None:
        self.session_present = False
        self.granted: list[int] = []
        self.qos: list[int] = []
        self.count = 0
        self._event = threading.Event()
        self._refused = ""
        self._paho = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=clean, protocol=paho.MQTTv311
        )
        if settings.username:
            self._paho.username_pw_set(settings.username, settings.password)
        if settings.tls:
            self._paho.tls_set(ca_certs=str(settings.tls_ca) if settings.tls_ca else None)
        self._paho.max_queued_messages_set(0)
        self._paho.max_inflight_messages_set(100)
        self._paho.on_connect = self._on_connect
        self._paho.on_subscribe = self._on_subscribe
        self._paho.on_message = self._on_message
        self._paho.connect(settings.host, settings.port, 30)
        self._paho.loop_start()
        self._await("CONNECT")
        if self._refused:
            self.close()
            raise OSError(self._refused)

    def subscribe(self, topic: str) -> None:
        self._event.clear()
        self._paho.subscribe(topic, 1)
        self._await("SUBSCRIBE")

    def publish(self, topic: str, count: int) -> None:
        last: Any = None
        for n in range(count):
            last = self._paho.publish(topic, n.to_bytes(4, "big"), qos=1)
        if last is not None:
            last.wait_for_publish(4 * _WAIT_S)

    def collect(self, most: int) -> int:
        """Wait until so many messages came, or none came for a while; return how many."""
        before = -1
        while self.count < most and self.count != before:
            before = self.count
            self._event.clear()
            self._event.wait(2.0)
        return self.count

    def close(self) -> None:
        self._paho.disconnect()
        self._paho.loop_stop()

    def _await(self, what: str) -> None:
        if not self._event.wait(_WAIT_S):
            self.close()
            raise OSError(f"no answer to {what} within {_WAIT_S:g} s")

    def _on_connect(self, _client: Any, _data: Any, flags: Any, reason: Any, _props: Any) -> None:
        self._refused = str(reason) if reason.is_failure else ""
        self.session_present = bool(flags.session_present)
        self._event.set()

    def _on_subscribe(self, _client: Any, _data: Any, _mid: int, reasons: list[Any], _props: Any) -> None:
        self.granted = [int(reason.value) for reason in reasons]
        self._event.set()

    def _on_message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        self.count += 1
        self.qos.append(message.qos)
        if self.count % 500 == 0:
            self._event.set()


def check_broker(settings: MqttSettings, messages: int = MESSAGES, topic: str = "") -> list[BrokerFinding]:
    """Try a broker; return what would lose messages. topic: one that this user may write and read."""
    name = f"meetnet-check-{secrets.token_hex(4)}"
    topic = topic or f"meetnet/check/{name}"
    try:
        return _try(settings, messages, topic, name)
    except (OSError, ValueError) as error:
        where = f"{settings.host}:{settings.port}"
        return [BrokerFinding("unreachable", f"{where}: {error}", "check address, user, password and TLS")]


def _try(settings: MqttSettings, messages: int, topic: str, name: str) -> list[BrokerFinding]:
    session = _Client(settings, name, clean=False)
    session.subscribe(topic)
    granted = session.granted
    session.close()
    found: list[BrokerFinding] = []
    if any(qos >= 128 for qos in granted):
        return [
            BrokerFinding(
                "qos",
                f"the subscription to {topic} is refused",
                "let this user read and write it, or --topic",
            )
        ]
    if granted != [1]:
        # Such a broker cuts off whoever sends at QoS 1: what it does with many messages cannot be tried.
        return [
            BrokerFinding("qos", f"QoS {granted} is granted where 1 was asked", "allow QoS 1 (max_qos 1)")
        ]
    sender = _Client(settings, f"{name}-sender", clean=True)
    sender.publish(topic, messages)
    sender.close()
    session = _Client(settings, name, clean=False)
    try:
        kept = session.collect(messages)
        if not session.session_present:
            found.append(
                BrokerFinding(
                    "session",
                    "the session was gone after a disconnect: what comes meanwhile is lost",
                    "allow persistent sessions (Mosquitto: persistent_client_expiration, ACL of client ids)",
                )
            )
        elif kept < messages:
            found.append(
                BrokerFinding(
                    "queue",
                    f"{kept} of {messages} messages were kept, all had been acknowledged to their sender",
                    "Mosquitto: max_queued_messages 0 and max_queued_bytes 0; EMQX: max_mqueue_len 0",
                )
            )
        if any(qos == 0 for qos in session.qos):
            found.append(
                BrokerFinding("qos", "messages came at QoS 0", "keep QoS 1 (no upgrade, no downgrade)")
            )
    finally:
        session.close()
        _Client(settings, name, clean=True).close()  # a clean session of this name ends the kept one
    return found
