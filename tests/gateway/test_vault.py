"""Keys at rest: nothing in the data directory opens them, nothing of them moves, and no run loses one."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.main import main
from gateway.errors import StoreError
from gateway.lns.session import Session
from gateway.lns.store import SessionStore, insert_session
from gateway.registry import Device, Registry
from gateway.vault import Vault, key_id, open_vault, read_keys, remember, write_key

EUI, OTHER = "70b3d57ed0000001", "70b3d57ed0000002"
APP_KEY, NWK, APP = (bytes([n] * 16) for n in (0xA1, 0xB2, 0xC3))


def cli(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["secrets", *words, "--data", str(folder / "data")])


def fill(folder: Path) -> None:
    registry = Registry(folder / "data")
    for dev_eui in (EUI, OTHER):
        registry.put_device(Device(dev_eui, "air", "lorawan", "0" * 16), APP_KEY)
    registry.close()

    async def joined() -> None:
        store = SessionStore(folder / "data" / "lns.db")
        await store.commit(insert_session(Session(EUI, 1, 0x26011234, NWK, APP, 1, 0, 0, 7), store.vault))
        await store.close()

    asyncio.run(joined())


def keys_of(folder: Path) -> tuple[bytes | None, bytes, bytes]:
    registry = Registry(folder / "data")
    found = registry.device_keys(EUI)
    registry.close()

    async def sessions() -> Session:
        store = SessionStore(folder / "data" / "lns.db")
        (session,) = store.load().sessions
        await store.close()
        return session

    session = asyncio.run(sessions())
    return None if found is None else found.app_key, session.nwk_s_key, session.app_s_key


def bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in (folder / "data").rglob("*") if path.is_file())


def test_a_copy_of_the_data_directory_has_no_keys(tmp_path: Path) -> None:
    fill(tmp_path)
    assert all(key in bytes_of(tmp_path) for key in (APP_KEY, NWK, APP))
    key_file = tmp_path / "elsewhere"
    write_key(key_file)
    done = cli(tmp_path, "seal", "--key-file", str(key_file))
    assert done.exit_code == 0, done.output
    assert "2 application keys, 1 sessions" in done.output
    assert keys_of(tmp_path) == (APP_KEY, NWK, APP)
    assert not any(key in bytes_of(tmp_path) for key in (APP_KEY, NWK, APP, read_keys(key_file)[0]))
    assert json.loads(cli(tmp_path, "status", "--json").output) == {"sealed": True}


def test_without_the_key_nothing_opens_and_everybody_is_told_why(tmp_path: Path) -> None:
    fill(tmp_path)
    key_file = tmp_path / "key"
    write_key(key_file)
    cli(tmp_path, "seal", "--key-file", str(key_file))
    key_file.rename(tmp_path / "gone")
    with pytest.raises(StoreError, match=r"key file .* cannot be read"):
        keys_of(tmp_path)
    registry = Registry(tmp_path / "data")
    with pytest.raises(StoreError, match="cannot be read"):  # and nothing new is kept in clear
        registry.put_device(Device("70b3d57ed0000009", "air", "lorawan", "0" * 16), bytes(16))
    registry.close()
    told = cli(tmp_path, "status")
    assert told.exit_code == 1
    assert "cannot be read" in told.output


def test_a_key_is_changed_and_the_old_one_may_go(tmp_path: Path) -> None:
    fill(tmp_path)
    key_file, newer = tmp_path / "key", tmp_path / "newer"
    write_key(key_file)
    cli(tmp_path, "seal", "--key-file", str(key_file))
    write_key(newer)
    old = key_file.read_text()
    key_file.write_text(newer.read_text() + old)
    told = json.loads(cli(tmp_path, "seal", "--key-file", str(key_file), "--json").output)
    assert (told["app_keys"], told["sessions"]) == (2, 1)
    key_file.write_text(newer.read_text())
    assert keys_of(tmp_path) == (APP_KEY, NWK, APP)
    again = json.loads(cli(tmp_path, "seal", "--key-file", str(key_file), "--json").output)
    assert (again["app_keys"], again["sessions"]) == (0, 0)
    key_file.write_text(old)
    with pytest.raises(StoreError, match="holds another key"):
        keys_of(tmp_path)


def test_a_run_that_was_cut_short_loses_nothing(tmp_path: Path) -> None:
    """Killed after vault.json and the registry, before the sessions: what is in clear still opens."""
    fill(tmp_path)
    write_key(tmp_path / "key")
    registry = Registry(tmp_path / "data")
    remember(tmp_path / "data", tmp_path / "key", read_keys(tmp_path / "key")[0])
    registry.seal_secrets(Vault(read_keys(tmp_path / "key")))
    registry.close()
    assert keys_of(tmp_path) == (APP_KEY, NWK, APP)


def test_a_sealed_value_fits_no_other_place() -> None:
    vault = Vault((bytes(32),))
    kept = vault.seal(APP_KEY, "app_key a")
    assert vault.unseal(kept, "app_key a") == APP_KEY
    with pytest.raises(StoreError, match="put there from elsewhere"):
        vault.unseal(kept, "app_key b")


def test_the_form_is_the_one_that_is_written_down() -> None:
    """Opened by the library alone, from the layout in the module's text (SP 800-38D)."""
    key = bytes(range(32))
    kept = Vault((key,)).seal(APP_KEY, "app_key a")
    assert (kept[0], kept[1:9], len(kept)) == (1, key_id(key), 1 + 8 + 12 + 16 + 16)
    assert AESGCM(key).decrypt(kept[9:21], kept[21:], b"app_key a") == APP_KEY


@given(st.binary(max_size=80))
def test_any_bytes_open_or_say_why(kept: bytes) -> None:
    try:
        found = Vault((bytes(32),)).unseal(kept, "x")
    except StoreError:
        return
    assert found == kept
    assert len(kept) <= 16


@pytest.mark.parametrize(
    ("text", "mode", "reason"),
    [
        ("", 0o600, "holds no key"),
        ("abc\n", 0o600, "line 1 of .* is no key"),
        ("AAAA\n", 0o600, "line 1 of .* is no key"),
        ("A" * 43 + "=\n", 0o644, "can be read by others: chmod 600"),
    ],
)
def test_a_bad_key_file_is_named(tmp_path: Path, text: str, mode: int, reason: str) -> None:
    path = tmp_path / "key"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(StoreError, match=reason):
        read_keys(path)


def test_a_key_file_is_never_written_over_nor_kept_beside_the_data(tmp_path: Path) -> None:
    write_key(tmp_path / "key")
    with pytest.raises(StoreError, match="never written over"):
        write_key(tmp_path / "key")
    (tmp_path / "data").mkdir()
    write_key(tmp_path / "data" / "key")
    refused = cli(tmp_path, "seal", "--key-file", str(tmp_path / "data" / "key"))
    assert refused.exit_code == 1
    assert "keep it elsewhere" in refused.output


def test_a_damaged_vault_file_opens_nothing_silently(tmp_path: Path) -> None:
    (tmp_path / "vault.json").write_text("{")
    vault = open_vault(tmp_path)
    with pytest.raises(StoreError, match=r"vault.json cannot be read"):
        vault.seal(APP_KEY, "x")
