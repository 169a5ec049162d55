"""Home Assistant: sites as devices by MQTT discovery, their newest values as one retained state."""

from gateway.publish.home_assistant.publisher import HomeAssistantPublisher, HomeAssistantSettings

__all__ = ["HomeAssistantPublisher", "HomeAssistantSettings"]
