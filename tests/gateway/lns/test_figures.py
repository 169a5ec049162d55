"""The figure that the network server is built for: 500 durable uplinks a second on one core."""

from tests.bench.lns import measure


def test_500_uplinks_a_second_with_durable_state():
    figures = measure(devices=200, rounds=3)
    assert figures["uplinks"] == 600
    assert figures["uplinks_per_s"] >= 500, figures
