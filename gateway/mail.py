"""Mail to people, through a server that the operator names. Nothing is sent when none is named."""

from __future__ import annotations

import logging
import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage

from gateway.config import Config

logger = logging.getLogger("meetnet.mail")
TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class MailSettings:
    """security: "starttls", "tls" (from the first byte) or "none" (a server on this machine)."""

    host: str = ""
    port: int = 587
    security: str = "starttls"
    username: str = ""
    password: str = field(default="", repr=False)
    sender: str = ""


class Mailer:
    """Sends plain text. Calls block: run them beside the loop."""

    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings

    @property
    def is_set_up(self) -> bool:
        """Tell whether there is a server to send through."""
        return bool(self._settings.host and self._settings.sender)

    def send(self, to: str, subject: str, text: str) -> bool:
        """Send one mail; return whether the server took it. A fault is logged without address or text."""
        settings = self._settings
        if not self.is_set_up:
            return False
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = settings.sender, to, subject
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
        message.set_content(text)
        try:
            with self._connect() as server:
                if settings.username:
                    server.login(settings.username, settings.password)
                server.send_message(message)
        except (OSError, smtplib.SMTPException) as error:
            logger.warning("mail: %s does not take it (%s)", settings.host, type(error).__name__)
            return False
        return True

    def _connect(self) -> smtplib.SMTP:
        settings = self._settings
        if settings.security == "tls":
            return smtplib.SMTP_SSL(
                settings.host, settings.port, timeout=TIMEOUT_S, context=ssl.create_default_context()
            )
        server = smtplib.SMTP(settings.host, settings.port, timeout=TIMEOUT_S)
        if settings.security == "starttls":
            try:
                server.starttls(context=ssl.create_default_context())
            except BaseException:
                server.close()
                raise
        return server


def mail_settings(config: Config) -> MailSettings:
    """Return how mail is sent."""
    return MailSettings(
        host=config.text("mail.host"),
        port=config.whole("mail.port"),
        security=config.text("mail.security"),
        username=config.text("mail.username"),
        password=config.secret("mail.password_file"),
        sender=config.text("mail.sender"),
    )
