"""`meetnet broker`: whether a broker keeps what it acknowledges."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.brokercheck import MESSAGES, check_broker
from gateway.cli.broker_users import users
from gateway.cli.common import config_option, configuration, json_option, print_json
from gateway.networks import mqtt_settings


@click.group("broker")
def broker() -> None:
    """Brokers that the gateway takes messages from."""


broker.add_command(users)


@broker.command("check")
@config_option
@json_option
@click.option(
    "--section", type=click.Choice(["chirpstack", "mqtt"]), help="Only this one of the configuration."
)
@click.option("--messages", type=click.IntRange(1, 1_000_000), default=MESSAGES, help="How many to try with.")
@click.option("--topic", default="", help="A topic that the gateway's user may write and read.")
def check(
    config_file: Path | None, data: Path | None, as_json: bool, section: str | None, messages: int, topic: str
) -> None:
    """Try out whether the configured brokers keep messages while the gateway is away.

    A session of its own is made and left, messages are sent to it, and what is still there is counted: queue
    limits, lost sessions and lowered QoS show. Nothing of the gateway's own session is touched.

    \b
    Example:
      meetnet broker check -c meetnet.toml --messages 20000

    Exit codes: 0 all is kept, 1 something would be lost or nothing is configured.
    """
    found = configuration(config_file, data)
    sections = [section] if section else [s for s in ("chirpstack", "mqtt") if found.flag(f"{s}.enabled")]
    if not sections:
        raise click.ClickException("no broker is configured: set chirpstack.enabled or mqtt.enabled")
    faults = {name: check_broker(mqtt_settings(found, name), messages, topic) for name in sections}
    if as_json:
        print_json(
            {
                name: [{"name": f.name, "text": f.text, "remedy": f.remedy} for f in findings]
                for name, findings in faults.items()
            }
        )
    else:
        for name, findings in faults.items():
            if not findings:
                click.echo(f"{name}: kept {messages} of {messages} messages for a session that was away")
            for one in findings:
                click.echo(f"{name}: {one.name}: {one.text}\n  {one.remedy}")
    if any(faults.values()):
        raise SystemExit(1)
