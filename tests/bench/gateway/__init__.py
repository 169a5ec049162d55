"""The gateway under load, between a broker and a platform.

python -m tests.bench.gateway             messages a second, CPU a message, memory, latency, start-up
python -m tests.bench.gateway.stages      CPU microseconds a message by stage
python -m tests.bench.gateway.floors      what receiving alone costs: a bare socket, paho, gmqtt, aiomqtt
python -m tests.bench.gateway.peers       Node-RED with the same load and platform, and the ratios to it
python -m tests.bench.gateway.workers     gateways that share a broker and a PostgreSQL
python -m tests.bench.gateway.backlog     how fast a backlog is caught up while live messages pass
python -m tests.bench.gateway.faults      kill -9 of gateway, broker, platform, database; full disks
"""
