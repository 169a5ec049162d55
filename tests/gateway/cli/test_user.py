"""`meetnet user`: people, roles, links, tokens."""

from __future__ import annotations

import json
import time
from pathlib import Path

from click.testing import CliRunner, Result

from gateway.cli import main
from gateway.registry.accounts import Accounts


def run(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["user", *arguments, "--data", str(path)])


def test_from_adding_to_removing(tmp_path: Path) -> None:
    done = run(tmp_path, "add", "An@example.org", "--role", "technician", "--role", "staff", "--name", "An")
    assert (done.exit_code, done.output) == (0, "an@example.org: staff, technician\n")
    (person,) = json.loads(run(tmp_path, "list", "--json").output)
    assert person["roles"] == ["staff", "technician"]
    link = run(tmp_path, "link", "an@example.org").output.strip()
    assert link.startswith("http://localhost:8080/nl/sign-in/")
    token = run(tmp_path, "token", "an@example.org", "--scope", "waste", "--name", "route").output.strip()
    accounts = Accounts(tmp_path)
    now_ms = time.time_ns() // 1_000_000
    assert accounts.use_link(link.rpartition("/")[2], now_ms).email == "an@example.org"  # type: ignore[union-attr]
    assert accounts.token(token, now_ms)[1] == {"waste"}  # type: ignore[index]
    token_id = accounts.tokens(1)[0].id
    assert run(tmp_path, "revoke", "an@example.org", token_id).exit_code == 0
    assert accounts.token(token, now_ms) is None
    assert run(tmp_path, "remove", "an@example.org").exit_code == 0
    assert accounts.people() == []
    assert {entry.action for entry in accounts.audit()} >= {"roles set", "link printed", "person removed"}
    assert token not in str(accounts.audit())
    accounts.close()


def test_faults_name_the_remedy(tmp_path: Path) -> None:
    failed = run(tmp_path, "link", "nobody@example.org")
    assert failed.exit_code == 1
    assert "meetnet user list" in failed.output
    assert "no mail address" in run(tmp_path, "add", "an").output
    assert run(tmp_path, "add", "an@example.org", "--role", "king").exit_code == 2
