"""The form for a node's configuration: what it shows, refuses and sends, and to whom; and what comes back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.config_bench import ConfigBench, over_the_air, trial_minutes
from gateway.downlinks import Downlinks
from gateway.errors import DownlinkError
from gateway.registry.model import NodeAnswer
from tests.gateway.memory_reader import NOW_MS
from tests.gateway.web.real_town import GARDEN, NOISE, RealTown, token_in
from wire import commands, ports

AN = "an@example.org"
GARDENS = ["interval_s", "battery_low_mv", "status_s", "time_s", "drift_ok_s", "codec"]  # on Wi-Fi
HASH = "deadbeef"


@dataclass
class Network:
    """A network that takes what is queued, or is away."""

    sent: list[tuple[str, int, bytes, bool]] = field(default_factory=list)
    is_away: bool = False

    def heard_ms(self, dev_eui: str) -> int | None:
        return None if self.is_away else NOW_MS

    async def enqueue(self, dev_eui: str, f_port: int, payload: bytes, confirmed: bool = False) -> int:
        if self.is_away:
            raise DownlinkError("away")
        self.sent.append((dev_eui, f_port, payload, confirmed))
        return len(self.sent)


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def town(tmp_path: Path, network: Network) -> Iterator[RealTown]:
    found = RealTown(tmp_path)
    downlinks = Downlinks(
        lambda dev_eui: device.transport if (device := found.registry.device(dev_eui)) else None,
        lambda _dev_eui: None,
    )
    downlinks.ways = {"lns": network, "broker": network}
    found.open(ConfigBench(found.registry, downlinks, found.clock))
    yield found
    found.close()


def keys_in(page: str) -> list[str]:
    return re.findall(r'data-key="(\w+)"', page)


def block(page: str, key: str) -> str:
    return page.split(f'data-key="{key}"')[1].split("</fieldset>")[0]


async def test_a_technician_sees_each_key_that_the_node_has_a_use_for(town: RealTown) -> None:
    async with town.staff("technician") as technician:
        garden = (await technician.get(f"/nl/fleet/{GARDEN}/settings")).text
        noise = (await technician.get(f"/fr/fleet/{NOISE}/settings")).text
    device = town.registry.device(town.device(GARDEN))
    assert device is not None
    assert (device.kind, device.transport) == ("garden", "mqtt")
    assert keys_in(garden) == GARDENS
    assert keys_in(noise) == [*GARDENS, "noise_s", "noise_offset_centidb"]
    assert "Tijd tussen twee metingen" in garden
    assert "10–86400; seconden van meting tot meting" in garden
    assert "Temps entre deux mesures" in noise
    assert "secondes de mesure à mesure" in noise


async def test_a_host_changes_what_is_his_and_sees_nothing_of_others(
    town: RealTown, network: Network
) -> None:
    town.host(AN, GARDEN)
    async with town.client(AN) as an:
        page = (await an.get(f"/nl/mine/{GARDEN}/settings")).text
        assert keys_in(page) == ["interval_s", "status_s"]
        assert (await an.get(f"/nl/mine/{NOISE}/settings")).status_code == 403
        assert f"/nl/mine/{GARDEN}/settings" in (await an.get(f"/nl/mine/{GARDEN}")).text
        fields = {"form_token": await token_in(an), "interval_s": "600", "noise_s": "5", "time_s": "700"}
        assert (await an.post(f"/nl/mine/{GARDEN}/settings", data=fields)).status_code == 303
        assert (await an.post(f"/nl/mine/{NOISE}/settings", data=fields)).status_code == 403
    assert len(network.sent) == 1
    assert commands.unpack_set(network.sent[0][2])[2] == [(1, 600)]  # nothing but his key


async def test_what_is_sent_is_shown_until_the_node_has_said_what_it_makes_of_it(
    town: RealTown, network: Network
) -> None:
    dev_eui = town.device(GARDEN)
    path = f"/nl/fleet/{GARDEN}/settings"
    async with town.staff("technician") as technician:
        page = (await technician.get(path)).text
        assert "Het knooppunt heeft het nog niet gezegd." in block(page, "interval_s")
        assert 'value="300"' in block(page, "interval_s")  # the default
        fields = {"form_token": await token_in(technician), "interval_s": "7200", "status_s": "86400"}
        assert (await technician.post(path, data=fields)).status_code == 303
        ((to, f_port, payload, confirmed),) = network.sent
        assert (to, f_port, confirmed) == (dev_eui, ports.COMMANDS, True)
        token, trial_min, pairs = commands.unpack_set(payload)
        assert pairs == [(1, 7200)]  # status_s is as it was
        assert trial_min == 255  # three intervals are six hours: the most that fits

        page = (await technician.get(path)).text
        assert "wacht op het volgende bericht" in block(page, "interval_s")
        assert 'value="7200"' in block(page, "interval_s")
        assert "Er is een wijziging onderweg." in page
        for outcome, words in (("on_trial", "probeert het uit"), ("kept", "het knooppunt houdt het")):
            town.clock.time_ms += 1000
            town.registry.put_node_answer(NodeAnswer(dev_eui, town.clock.time_ms, token, outcome, "", HASH))
            page = (await technician.get(path)).text
            assert words in block(page, "interval_s")
        assert "Het knooppunt zei: 7200" in block(page, "interval_s")
        assert "onderweg" not in page
        audit = town.accounts.audit(10)
    assert any("interval_s=7200" in row.detail for row in audit)


async def test_a_refusal_and_a_return_say_what_to_do(town: RealTown, network: Network) -> None:
    dev_eui, path = town.device(GARDEN), f"/en/fleet/{GARDEN}/settings"
    async with town.staff("technician") as technician:
        token = await token_in(technician)
        for n, (outcome, words) in enumerate(
            (
                ("reverted", "taken back: the node was not heard with it"),
                ("busy", "send it again"),
                ("out_of_range", "update it or choose another value"),
            )
        ):
            town.clock.time_ms += 1000
            fields = {"form_token": token, "interval_s": str(400 + n)}
            await technician.post(path, data=fields)
            asked = commands.unpack_set(network.sent[-1][2])[0]
            answer = NodeAnswer(dev_eui, town.clock.time_ms + 1, asked, outcome, "", HASH)
            town.registry.put_node_answer(answer)
            page = (await technician.get(path)).text
            assert words in block(page, "interval_s")
            assert 'value="300"' in block(page, "interval_s")  # what still runs


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("5", "Dit valt buiten 10 tot 86400. Wat je kunt doen: seconden van meting tot meting."),
        ("vijf", "Dit is geen geheel getal."),
        ("1e3", "Dit is geen geheel getal."),
        ("9" * 12, "Dit valt buiten"),
        ('"><script>', "Dit is geen geheel getal."),
    ],
)
async def test_a_wrong_value_comes_back_with_the_remedy_beside_it_and_nothing_is_sent(
    town: RealTown, network: Network, text: str, fault: str
) -> None:
    async with town.staff("technician") as technician:
        fields = {"form_token": await token_in(technician), "interval_s": text, "status_s": "700"}
        answer = await technician.post(f"/nl/fleet/{GARDEN}/settings", data=fields)
    assert answer.status_code == 400
    assert network.sent == []
    found = block(answer.text, "interval_s")
    assert fault in found
    assert 'aria-invalid="true"' in found
    assert 'aria-describedby="interval_s-hint interval_s-fault"' in found
    assert "<script>" not in found
    assert 'value="700"' in block(answer.text, "status_s")  # what was typed stays
    assert 'aria-invalid="true"' not in block(answer.text, "status_s")


async def test_a_node_that_cannot_be_asked_is_said_and_nothing_is_wanted(
    town: RealTown, network: Network
) -> None:
    network.is_away = True
    path = f"/nl/fleet/{GARDEN}/settings"
    async with town.staff("technician") as technician:
        fields = {"form_token": await token_in(technician), "interval_s": "600"}
        for post in (path, f"{path}/ask"):
            answer = await technician.post(post, data=fields)
            assert answer.status_code == 409
            assert "Het knooppunt is nu niet te bereiken" in answer.text
    assert town.registry.node_orders(town.device(GARDEN)) == []


async def test_a_node_is_asked_for_all_it_runs_with(town: RealTown, network: Network) -> None:
    async with town.staff("technician") as technician:
        fields = {"form_token": await token_in(technician)}
        answer = await technician.post(f"/nl/fleet/{NOISE}/settings/ask", data=fields)
        assert answer.status_code == 303
    asked = [number for _, _, payload, _ in network.sent for number in commands.unpack_get(payload)[1]]
    page_keys = [key.downlink for key in over_the_air().values() if key.is_of("noise", "mqtt")]
    assert asked == page_keys
    tokens = [commands.unpack_get(payload)[0] for _, _, payload, _ in network.sent]
    assert len(set(tokens)) == len(tokens)


def test_keys_of_the_air_are_of_no_use_on_wifi() -> None:
    only = {name for name, key in over_the_air().items() if not key.is_of("noise", "mqtt")}
    assert only == {"confirm_every", "batch", "parity_percent"}
    assert all(key.is_of("noise", "lorawan") for key in over_the_air().values())


def test_a_trial_outlasts_three_intervals_before_and_after() -> None:
    assert trial_minutes({}, 300) == 60
    assert trial_minutes({"interval_s": 3600}, 300) == 180
    assert trial_minutes({"interval_s": 60}, 3600) == 180
    assert trial_minutes({"interval_s": 86400}, 60) == 255
