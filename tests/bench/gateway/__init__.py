"""The gateway under load, between a broker and a platform: `python -m tests.bench.gateway`."""
