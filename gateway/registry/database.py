"""The registry: every table of it in one object."""

from __future__ import annotations

from gateway.registry.care import Care
from gateway.registry.consents import Consents
from gateway.registry.deployments import Deployments


class Registry(Deployments, Care, Consents):
    """Organisations, sites, devices, deployments, consents and keys of one data directory.

    Safe to call from several threads. It is the KeySource of the network server and the judge of MQTT
    passwords.
    """
