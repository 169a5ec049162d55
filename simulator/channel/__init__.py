"""The radio channel between simulated nodes and simulated LoRa gateways."""
