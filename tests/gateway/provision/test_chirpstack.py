"""Devices into ChirpStack over gRPC, against a server built from the official stubs (PyPI chirpstack-api).

The server answers as chirpstack/src/api/device.rs does: NOT_FOUND for what is absent, ALREADY_EXISTS for
what is there, UNAUTHENTICATED without a token.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

grpc = pytest.importorskip("grpc", reason="chirpstack-api is not installed")
api = pytest.importorskip("chirpstack_api.api", reason="chirpstack-api is not installed")

from gateway.provision import Moving  # noqa: E402
from gateway.provision.chirpstack import ChirpStackDevices, ChirpStackError, Target  # noqa: E402

from .test_files import EUI, KEY, meetnet, street  # noqa: E402

TOKEN, APPLICATION, PROFILE = "a token", "11111111-app", "22222222-profile"


class Server(api.DeviceServiceServicer):
    def __init__(self) -> None:
        self.devices: dict[str, api.Device] = {}
        self.keys: dict[str, api.DeviceKeys] = {}
        self.calls: list[str] = []
        self.fails_after: int | None = None
        self.refused: set[str] = set()

    def _enter(self, name, context):
        if dict(context.invocation_metadata()).get("authorization") != f"Bearer {TOKEN}":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "no valid token")
        if self.fails_after is not None and len(self.calls) >= self.fails_after:
            context.abort(grpc.StatusCode.UNAVAILABLE, "going down")
        self.calls.append(name)

    def Get(self, request, context):
        self._enter("Get", context)
        if request.dev_eui not in self.devices:
            context.abort(grpc.StatusCode.NOT_FOUND, "Object does not exist")
        return api.GetDeviceResponse(device=self.devices[request.dev_eui])

    def Create(self, request, context):
        self._enter("Create", context)
        if request.device.dev_eui in self.refused:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "Max number of devices exceeded")
        if request.device.dev_eui in self.devices:
            context.abort(grpc.StatusCode.ALREADY_EXISTS, "Object already exists")
        self.devices[request.device.dev_eui] = request.device
        return _empty()

    def Update(self, request, context):
        self._enter("Update", context)
        self.devices[request.device.dev_eui] = request.device
        return _empty()

    def GetKeys(self, request, context):
        self._enter("GetKeys", context)
        if request.dev_eui not in self.keys:
            context.abort(grpc.StatusCode.NOT_FOUND, "Object does not exist")
        return api.GetDeviceKeysResponse(device_keys=self.keys[request.dev_eui])

    def CreateKeys(self, request, context):
        self._enter("CreateKeys", context)
        if request.device_keys.dev_eui in self.keys:
            context.abort(grpc.StatusCode.ALREADY_EXISTS, "Object already exists")
        self.keys[request.device_keys.dev_eui] = request.device_keys
        return _empty()

    def UpdateKeys(self, request, context):
        self._enter("UpdateKeys", context)
        self.keys[request.device_keys.dev_eui] = request.device_keys
        return _empty()


def _empty():
    from google.protobuf.empty_pb2 import Empty

    return Empty()


def serving():
    servicer = Server()
    server = grpc.server(ThreadPoolExecutor(2))
    api.add_DeviceServiceServicer_to_server(servicer, server)
    servicer.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield servicer
    server.stop(None).wait()


@pytest.fixture
def chirpstack():
    yield from serving()


def client(server: Server, token: str = TOKEN) -> ChirpStackDevices:
    return ChirpStackDevices(Target(server.address, APPLICATION, PROFILE, tls=False), token)


def devices(count: int) -> list[Moving]:
    return [
        Moving(f"70b3d57ed005{n:04x}", "70b3d57ed0000000", f"Plein {n}", "air", bytes([n % 256]) * 16)
        for n in range(count)
    ]


def outcomes(reports) -> set[str]:
    return {report.outcome for report in reports}


def test_150_devices_with_their_keys_and_a_second_run_changes_nothing(chirpstack):
    made = client(chirpstack)
    assert outcomes(made.put_all(devices(150))) == {"added"}
    assert len(chirpstack.devices) == len(chirpstack.keys) == 150
    device, keys = chirpstack.devices["70b3d57ed0050007"], chirpstack.keys["70b3d57ed0050007"]
    assert (device.join_eui, device.name, device.application_id, device.device_profile_id) == (
        "70b3d57ed0000000", "Plein 7", APPLICATION, PROFILE,
    )  # fmt: skip
    assert (keys.nwk_key, keys.app_key) == ("07" * 16, "")  # 1.0.x: its AppKey lives in nwk_key
    chirpstack.calls.clear()
    assert outcomes(made.put_all(devices(150))) == {"unchanged"}
    assert set(chirpstack.calls) == {"Get", "GetKeys"}
    made.close()


@pytest.mark.parametrize("calls", [0, 1, 2, 3, 4, 5, 301])
def test_a_run_that_was_cut_off_anywhere_goes_on(chirpstack, calls):
    made = client(chirpstack)
    chirpstack.fails_after = calls
    with pytest.raises(ChirpStackError, match="run it again"):
        made.put_all(devices(150))
    chirpstack.fails_after = None
    made.put_all(devices(150))
    assert len(chirpstack.devices) == len(chirpstack.keys) == 150
    assert all(chirpstack.calls.count(name) == 150 for name in ("Create", "CreateKeys"))
    made.close()


def test_what_is_different_is_put_right_and_what_others_set_stays(chirpstack):
    made = client(chirpstack)
    made.put_all(devices(2))
    known = chirpstack.devices["70b3d57ed0050001"]
    known.name, known.tags["street"] = "renamed", "Plein"
    chirpstack.keys["70b3d57ed0050001"].nwk_key = "ff" * 16
    assert [report.outcome for report in made.put_all(devices(2))] == ["unchanged", "updated"]
    assert chirpstack.devices["70b3d57ed0050001"].name == "Plein 1"
    assert chirpstack.devices["70b3d57ed0050001"].tags["street"] == "Plein"
    assert chirpstack.keys["70b3d57ed0050001"].nwk_key == "01" * 16
    made.close()


def test_a_device_that_is_refused_does_not_stop_the_others(chirpstack):
    chirpstack.refused = {"70b3d57ed0050001"}
    made = client(chirpstack)
    reports = made.put_all(devices(3))
    assert [report.outcome for report in reports] == ["added", "refused", "added"]
    assert "PERMISSION_DENIED" in reports[1].message
    made.close()


def test_a_wrong_token_is_told(chirpstack):
    made = client(chirpstack, "another")
    with pytest.raises(ChirpStackError, match="UNAUTHENTICATED"):
        made.put_all(devices(1))
    made.close()


def test_by_the_command_line(chirpstack, tmp_path: Path):
    (tmp_path / "token").write_text(TOKEN + "\n")
    words = ["device", "export", "--data", street(tmp_path), "--format", "chirpstack-grpc", "--server",
             chirpstack.address, "--token-file", tmp_path / "token", "--application", APPLICATION,
             "--device-profile", PROFILE]  # fmt: skip
    result = meetnet(*words)
    assert (result.exit_code, result.output) == (0, "2 added\n")
    assert chirpstack.keys[EUI].nwk_key == KEY
    assert meetnet(*words).output == "2 unchanged\n"
    chirpstack.devices.clear()
    chirpstack.refused = {EUI}
    assert meetnet(*words).exit_code == 4
    assert meetnet(*words[:-4]).exit_code == 2
