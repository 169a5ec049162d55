"""Mail to people, through a server that the operator names. Nothing is sent when none is named."""

from __future__ import annotations

import logging
import smtplib
import socket
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
        self.fault = ""  # why the last mail was not taken, with the setting to look at; no address, no text

    @property
    def is_set_up(self) -> bool:
        """Tell whether there is a server to send through."""
        return bool(self._settings.host and self._settings.sender)

    def send(self, to: str, subject: str, text: str) -> bool:
        """Send one mail; return whether the server took it. A fault is logged without address or text."""
        settings = self._settings
        if not self.is_set_up:
            self.fault = "mail.host and mail.sender: give both, or no mail is sent"
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
            self.fault = fault_of(error, settings)
            logger.warning("%s", self.fault)
            return False
        self.fault = ""
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


def fault_of(error: OSError | smtplib.SMTPException, settings: MailSettings) -> str:
    """Return in one line which setting to look at for a fault, without address and password."""
    server = f"{settings.host}:{settings.port}"
    name = type(error).__name__
    if isinstance(error, smtplib.SMTPAuthenticationError):
        key, why = (
            "username",
            f"{server} refuses user or password ({error.smtp_code}); see mail.password_file too",
        )
    elif isinstance(error, smtplib.SMTPSenderRefused):
        key, why = "sender", f"{server} sends nothing for this address ({error.smtp_code})"
    elif isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = sorted({code for code, _ in error.recipients.values()})
        key, why = "host", f"{server} refuses the address that a mail is for ({', '.join(map(str, codes))})"
    elif isinstance(error, smtplib.SMTPNotSupportedError):
        key, why = "security", f'{server} has no STARTTLS or sign-in there; try "tls" or "none"'
    elif isinstance(error, ssl.SSLCertVerificationError):
        key, why = "host", f"the certificate of {server} does not hold: {error.verify_message}"
    elif isinstance(error, ssl.SSLError | smtplib.SMTPServerDisconnected | smtplib.SMTPConnectError):
        key, why = "security", f'{server} speaks otherwise ({name}); 465 is for "tls", 587 for "starttls"'
    elif isinstance(error, socket.gaierror):
        key, why = "host", f"the name {settings.host} is not known ({error.strerror})"
    elif isinstance(error, smtplib.SMTPResponseException):
        key, why = "host", f"{server} does not take it now ({error.smtp_code})"
    elif isinstance(error, TimeoutError):
        key, why = "port", f"{server} does not answer within {TIMEOUT_S:g} s; is there a firewall between?"
    else:
        key, why = "port", f"{server} cannot be reached ({getattr(error, 'strerror', None) or name})"
    return f"mail.{key}: {why}"


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
