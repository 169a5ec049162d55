"""The page: sites on a map and in a table, their newest values, a chart of the last day, and open files."""

from gateway.web.app import create_app
from gateway.web.house import House
from gateway.web.settings import WebSettings

__all__ = ["House", "WebSettings", "create_app"]
