"""Devices, their profiles, and their secrets: keys of the radio, passwords of the broker."""

from __future__ import annotations

from pathlib import Path

from gateway.model import DeviceKeys
from gateway.registry import foreign, rules
from gateway.registry.bounded import Bounded
from gateway.registry.files import RegistryFiles
from gateway.registry.model import Device
from gateway.registry.secrets import matches
from gateway.vault import Vault


class Devices(RegistryFiles):
    """What measures. It is the KeySource of the network server and the judge of MQTT passwords."""

    def __init__(self, directory: Path) -> None:
        """As RegistryFiles."""
        super().__init__(directory)
        self._devices: Bounded[str, Device] = Bounded()
        self._profiles: dict[str, str] | None = None

    def device(self, dev_eui: str) -> Device | None:
        """Return a registered device, or None."""
        with self._lock:
            self._refresh()
            device = self._devices.get(dev_eui)
            if device is None:
                row = self._db.execute(f"{foreign.DEVICES} WHERE d.dev_eui = ?", (dev_eui,)).fetchone()
                if row is None:
                    return None
                device = self._devices[dev_eui] = Device(*row)
            return device

    def devices(self) -> list[Device]:
        """Return all devices, by DevEUI."""
        return [Device(*row) for row in self._whole(f"{foreign.DEVICES} ORDER BY 1")]

    def profile_of(self, dev_eui: str) -> str:
        """Return the profile of a device that is none of ours, "" of all others. Quick; see `refresh`."""
        profiles = self._profiles
        if profiles is None:
            with self._lock:
                profiles = self._profiles = foreign.profiles(self._db)
        return profiles.get(dev_eui, "")

    def named(self, alias: str) -> str | None:
        """Return the DevEUI under which a device is kept that calls itself so, or None."""
        with self._lock:
            return foreign.named(self._db, alias)

    def put_device(
        self, device: Device, app_key: bytes | None = None, mqtt_password: str | None = None
    ) -> bool:
        """Add or change a device and its secrets; return False when nothing changed. Raise RegistryError."""
        rules.check_device(device)
        with self._lock:
            changed = self.device(device.dev_eui) != device
            if changed:
                self._db.execute(
                    "INSERT INTO devices VALUES (?, ?, ?, ?) ON CONFLICT(dev_eui) DO UPDATE SET "
                    "kind=excluded.kind, transport=excluded.transport, join_eui=excluded.join_eui",
                    (device.dev_eui, device.kind, device.transport, device.join_eui),
                )
                foreign.put(self._db, device)
            if app_key is not None and self._secrets.app_key(device.dev_eui) != app_key:
                self._secrets.put_app_key(device.dev_eui, app_key)
                changed = True
            if mqtt_password is not None and not matches(
                mqtt_password, self._secrets.password_of(device.dev_eui)
            ):
                self._secrets.put_password(device.dev_eui, mqtt_password)
                changed = True
            self._forget_cache()
            return changed

    # -- secrets

    def device_keys(self, dev_eui: str) -> DeviceKeys | None:
        """Return the keys of a registered LoRaWAN device, or None."""
        with self._lock:
            device = self.device(dev_eui)
            if device is None or device.join_eui is None:
                return None
            app_key = self._secrets.app_key(dev_eui)
            return None if app_key is None else DeviceKeys(dev_eui, device.join_eui, app_key)

    def check_password(self, dev_eui: str, password: str) -> bool:
        """Tell whether a device may log in at the broker. Takes some 10 ms on purpose."""
        with self._lock:
            known = self._secrets.password_of(dev_eui)
            registered = self.device(dev_eui) is not None
        return matches(password, known) and registered  # hashing holds up nobody else

    def broker_hashes(self) -> dict[str, tuple[str, bytes]]:
        """Return (salt, hash) of the passwords of devices, as brokers of others read them."""
        with self._lock:
            return self._secrets.broker_hashes()

    def revoke(self, dev_eui: str) -> None:
        """Delete key and password of a device: it can neither join nor log in any more."""
        with self._lock:
            self._secrets.forget(dev_eui)

    def seal_secrets(self, vault: Vault) -> int:
        """Keep every application key as a vault keeps it; return how many changed. Raise StoreError."""
        with self._lock:
            return self._secrets.seal_all(vault)

    def _forget_cache(self) -> None:
        super()._forget_cache()
        self._devices.clear()
        self._profiles = None
