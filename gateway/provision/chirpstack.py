"""Devices with their keys into ChirpStack v4, over its gRPC API.

Each device is brought to what it must be, whatever it was: absent, there without keys because an earlier
run was cut off, or there with other values. So a run may be repeated and resumed. PyPI `chirpstack-api`
brings the messages; it is an extra, because a gateway that only measures needs no gRPC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from gateway.errors import GatewayError
from gateway.provision.devices import Moving
from gateway.registry import RowReport

TIMEOUT_S = 10.0
_GONE = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "UNAUTHENTICATED", "CANCELLED")


class ChirpStackError(GatewayError):
    """ChirpStack cannot be reached or does not let us in; what was done stays done."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where devices go. The profile must be EU868, LoRaWAN 1.0.4, OTAA, Class A."""

    server: str
    application_id: str
    device_profile_id: str
    tls: bool = True
    tls_ca: Path | None = None


class ChirpStackDevices:
    """A connection to the API. Create, use, `close()`."""

    def __init__(self, target: Target, token: str) -> None:
        """ChirpStackError when chirpstack-api is not installed."""
        try:
            self._grpc: Any = import_module("grpc")
            self._api: Any = import_module("chirpstack_api.api")
        except ImportError as error:
            raise ChirpStackError(
                f"the API of ChirpStack is not installed ({error}): pip install 'meetnet[chirpstack]'"
            ) from error
        self._target = target
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._channel: Any = self._open()
        self._stub: Any = self._api.DeviceServiceStub(self._channel)

    def _open(self) -> Any:
        if not self._target.tls:
            return self._grpc.insecure_channel(self._target.server)
        ca = self._target.tls_ca.read_bytes() if self._target.tls_ca else None
        return self._grpc.secure_channel(
            self._target.server, self._grpc.ssl_channel_credentials(root_certificates=ca)
        )

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def put_all(
        self, devices: Iterable[Moving], progress: Callable[[RowReport], None] | None = None
    ) -> list[RowReport]:
        """Put devices; a report for each. ChirpStackError when the server is gone: repeat the run then."""
        reports: list[RowReport] = []
        for number, device in enumerate(devices, 1):
            try:
                outcome, message = self.put(device), ""
            except self._grpc.RpcError as error:
                status = str(error.code().name)
                if status in _GONE:
                    raise ChirpStackError(
                        f"{self._target.server}: {status} {error.details()} after {number - 1} devices:"
                        " correct that and run it again, it goes on where it stopped"
                    ) from error
                outcome, message = "refused", f"{status} {error.details()}"
            reports.append(RowReport(number, device.dev_eui, outcome, message))
            if progress is not None:
                progress(reports[-1])
        return reports

    def put(self, device: Moving) -> str:
        """Put one device with its key; return added, updated or unchanged."""
        outcome = self._put_device(device)
        keys = self._put_keys(device)
        return outcome if outcome == "added" or keys == "unchanged" else "updated"

    def _put_device(self, device: Moving) -> str:
        known = self._get("Get", self._api.GetDeviceRequest(dev_eui=device.dev_eui))
        if known is None:
            made = self._api.Device()
            self._fill(made, device)
            self._call("Create", self._api.CreateDeviceRequest(device=made))
            return "added"
        wanted = self._api.Device()
        wanted.CopyFrom(known.device)  # what others set there (tags, variables) stays
        self._fill(wanted, device)
        if wanted == known.device:
            return "unchanged"
        self._call("Update", self._api.UpdateDeviceRequest(device=wanted))
        return "updated"

    def _fill(self, made: Any, device: Moving) -> None:
        made.dev_eui = device.dev_eui
        made.join_eui = device.join_eui
        made.name = device.name
        made.description = f"Meetnet {device.kind}"
        made.application_id = self._target.application_id
        made.device_profile_id = self._target.device_profile_id

    def _put_keys(self, device: Moving) -> str:
        # ChirpStack keeps the AppKey of LoRaWAN 1.0.x in nwk_key: app_key is the second key of 1.1.
        wanted = self._api.DeviceKeys(dev_eui=device.dev_eui, nwk_key=device.app_key.hex())
        known = self._get("GetKeys", self._api.GetDeviceKeysRequest(dev_eui=device.dev_eui))
        if known is None:
            self._call("CreateKeys", self._api.CreateDeviceKeysRequest(device_keys=wanted))
            return "added"
        if known.device_keys.nwk_key.lower() == wanted.nwk_key:
            return "unchanged"
        self._call("UpdateKeys", self._api.UpdateDeviceKeysRequest(device_keys=wanted))
        return "updated"

    def _get(self, name: str, request: Any) -> Any:
        try:
            return self._call(name, request)
        except self._grpc.RpcError as error:
            if error.code() == self._grpc.StatusCode.NOT_FOUND:
                return None
            raise

    def _call(self, name: str, request: Any) -> Any:
        return getattr(self._stub, name)(request, metadata=self._metadata, timeout=TIMEOUT_S)
