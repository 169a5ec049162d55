"""Webhooks: observations as signed JSON to any address (Standard Webhooks)."""

from gateway.publish.webhook.publisher import WebhookPublisher, WebhookSettings

__all__ = ["WebhookPublisher", "WebhookSettings"]
