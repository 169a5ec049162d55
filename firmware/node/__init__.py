"""The node: a plain state machine over an injected clock."""
