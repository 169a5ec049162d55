"""From facts to incidents: one for each cause, however many devices it silences.

A device that is not heard is explained by the widest cause that fits: our own disk or network connection, a
radio gateway that is away, and only then the device itself: its battery, its link, its place, or unknown.
A device that is heard can have a cause too: a battery that will not last, a weak link, a dead sensor.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from gateway.health.device import ailments, silence
from gateway.health.facts import DeviceFacts, Facts, GatewayFacts
from gateway.health.rules import DAY_MS, Incident, Rules, is_silent
from gateway.health.table import CAUSES, ORDER

_SHARED = ("network", "gateway")  # what silences many devices at once


def incidents(facts: Facts, rules: Rules | None = None) -> list[Incident]:
    """Return what is wrong, the widest causes first. The same facts give the same incidents."""
    rules = rules or Rules()
    found: list[Incident] = []
    if facts.disk:
        found.append(Incident("disk", "disk", "", facts.now_ms, (), {"reason": facts.disk}))
    found += _house(facts, rules)
    silent: dict[str, DeviceFacts] = {}
    heard: dict[str, list[DeviceFacts]] = {}  # by the one radio gateway that hears a device
    for device in facts.devices:
        if is_silent(device, facts, rules):
            silent[device.dev_eui] = device
        else:
            found += [one for one in ailments(device, facts, rules) if CAUSES[one.cause].alert]
        if len(device.heard_by) == 1:
            heard.setdefault(next(iter(device.heard_by)), []).append(device)
    for network in facts.networks:
        since_ms = network.since_ms if network.since_ms is not None else facts.started_ms
        if network.connected or facts.now_ms - since_ms < rules.network_away_ms:
            continue
        touched = [device for device in silent.values() if device.way == network.way]
        found.append(
            Incident(f"network:{network.way}", "network", network.way, since_ms, _take(silent, touched))
        )
    for gateway in facts.gateways:
        touched = _silenced_by(gateway, heard.get(gateway.gateway_id, ()), facts, silent, rules)
        if touched is not None:
            since_ms = gateway.alive_ms if gateway.alive_ms is not None else facts.started_ms
            key = f"gateway:{gateway.gateway_id}"
            found.append(Incident(key, "gateway", gateway.gateway_id, since_ms, _take(silent, touched)))
    for publisher in facts.publishers:
        if publisher.failures >= rules.platform_failures:
            figures = {"reason": publisher.trouble, "behind": publisher.behind}
            found.append(
                Incident(f"platform:{publisher.name}", "platform", publisher.name, facts.now_ms, (), figures)
            )
        elif publisher.rejected:
            key = f"rejected:{publisher.name}"
            figures = {"rows": publisher.rejected}
            found.append(Incident(key, "rejected", publisher.name, facts.now_ms, (), figures))
    found += [silence(device, facts, rules) for device in silent.values()]
    return sorted(found, key=lambda one: (ORDER[one.cause], one.key))


def verdict(
    device: DeviceFacts, facts: Facts, wide: Sequence[Incident] = (), rules: Rules | None = None
) -> Incident:
    """Return the one cause that says most of how a device is, for its host: "fine" when nothing is wrong.

    facts: of this device alone will do. wide: incidents at work, of which those count that silence it.
    """
    rules, eui = rules or Rules(), device.dev_eui
    if device.heard_ms is None:
        return silence(device, facts, rules)
    if is_silent(device, facts, rules):
        explains = (one for one in wide if one.cause in _SHARED and eui in one.devices)
        return next(explains, None) or silence(device, facts, rules)
    found = ailments(device, facts, rules)
    name = "fine" if device.newest else "waiting"
    return found[0] if found else Incident(f"{name}:{eui}", name, device.site_name, facts.now_ms, (eui,))


def _house(facts: Facts, rules: Rules) -> Iterable[Incident]:
    """Yield what will stop us soon, or keeps others out."""
    space = facts.space
    if space is not None and not facts.disk and space.free < rules.disk_low(space.total):
        yield Incident("disk_low", "disk_low", "", facts.now_ms, (), {"free_mb": space.free // 1_000_000})
    for one in facts.certificates:
        left_ms = one.ends_ms - facts.now_ms
        name = "certificate_ended" if left_ms <= 0 else "certificate_ends"
        if left_ms < rules.certificate_days * DAY_MS:
            figures = {"days": left_ms // DAY_MS}
            yield Incident(f"{name}:{one.section}", name, one.section, facts.now_ms, (), figures)


def _take(silent: dict[str, DeviceFacts], touched: Iterable[DeviceFacts]) -> tuple[str, ...]:
    """Return the devices, which have their cause now."""
    names = tuple(sorted(device.dev_eui for device in touched))
    for name in names:
        silent.pop(name, None)
    return names


def _silenced_by(
    gateway: GatewayFacts,
    only: Sequence[DeviceFacts],
    facts: Facts,
    silent: Mapping[str, DeviceFacts],
    rules: Rules,
) -> list[DeviceFacts] | None:
    """Return the devices that a gateway silences, None when it is there. only: those that only it hears.

    It is away when its forwarder says nothing; or when it does, but those whom only it hears fell silent
    together: its antenna, its radio, its way to us.
    """
    quiet = [device for device in only if device.dev_eui in silent]
    alive_ms = gateway.alive_ms if gateway.alive_ms is not None else 0
    if facts.now_ms - max(alive_ms, facts.started_ms) > rules.gateway_away_ms:
        return quiet
    together = len(quiet) >= 3 and len(quiet) >= rules.shared_share * len(only)
    return quiet if together else None
