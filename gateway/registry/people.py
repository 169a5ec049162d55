"""Who may do what: roles of people, scopes of the tokens that programs use in their name."""

from __future__ import annotations

from dataclasses import dataclass

PUBLIC_ROLE = "public"
HOST = "host"  # comes with a site, is not granted
TECHNICIAN, STAFF, OPERATOR = "technician", "staff", "operator"
GRANTED_ROLES = (TECHNICIAN, STAFF, OPERATOR)
ROLES = (PUBLIC_ROLE, HOST, *GRANTED_ROLES)
LANGUAGES = ("nl", "fr", "en")

# What a program may do in the name of its owner, and never more than the owner may.
SCOPES = ("own", "fleet", "waste", "events", "operator")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can sign in. roles: granted ones, and host when there are sites."""

    id: int
    email: str
    name: str
    language: str
    roles: frozenset[str] = frozenset()
    sites: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ApiToken:
    """What is known of a token; its secret is known to its owner alone."""

    id: str
    person_id: int
    name: str
    scopes: tuple[str, ...]
    created_ms: int
    expires_ms: int
    used_ms: int | None = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One act. who: an address, "#number" of somebody who left, or "" for the command line."""

    at_ms: int
    who: str
    action: str
    subject: str
    detail: str
