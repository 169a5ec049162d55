"""Updates of nodes: signed bundles, and rolling them out in stages that stop by themselves."""

from gateway.update.book import UpdateBook
from gateway.update.bundle import Bundle, build_application, build_base, build_config, build_files, read
from gateway.update.desk import RolloutDesk
from gateway.update.keys import generate, load_private, public_hex
from gateway.update.serve import bundles_app
from gateway.update.service import UpdateService

__all__ = (
    "Bundle",
    "RolloutDesk",
    "UpdateBook",
    "UpdateService",
    "build_application",
    "build_base",
    "build_config",
    "build_files",
    "bundles_app",
    "generate",
    "load_private",
    "public_hex",
    "read",
)
