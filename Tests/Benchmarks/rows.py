"""The rows of the table, with what each must show."""

from measure import Demand, FanoutRow, HourRow, IdleRow, Load, LoadRow, MemoryRow, OpenLoopRow, PythonRow

PROXIES = ("valkey", "twemproxy", "twemproxy-unix", "envoy")
BEYOND_PROXIES = (
    Demand("pass", ">=", 2.5, "twemproxy"),
    Demand("pass", ">=", 2.5, "envoy"),
    Demand("pass", ">=", 0.7, "valkey"),
)

ROWS = [
    LoadRow(
        "near-50x16",
        "near hit, 50 connections × 16",
        Load(50, 16),
        ("near", "valkey-unix", "lines"),
        (Demand("near", ">=", 1.0, "valkey-unix"), Demand("near", ">=", 0.4, "lines")),
    ),
    LoadRow(
        "near-50x1",
        "near hit, 50 × 1",
        Load(50, 1),
        ("near", "valkey", "lines"),
        (Demand("near", ">=", 1.5, "valkey"),),
    ),
    LoadRow(
        "near-1x1",
        "near hit, 1 × 1: p50",
        Load(1, 1),
        ("near", "lines", "valkey-unix"),
        (Demand("near", "<=", 1.1, "lines"),),
        metric="p50_us",
        unit="µs",
    ),
    LoadRow("pass-get-50x16", "pass-through get, 50 × 16", Load(50, 16), ("pass", *PROXIES), BEYOND_PROXIES),
    LoadRow("pass-set-50x16", "pass-through set, 50 × 16", Load(50, 16, "set"), ("pass", *PROXIES, "relay"), BEYOND_PROXIES),
    LoadRow(
        "pass-50x1",
        "pass-through get, 50 × 1",
        Load(50, 1),
        ("pass", "valkey", "twemproxy", "twemproxy-unix"),
        (Demand("pass", ">=", 1.15, "valkey"), Demand("pass", ">=", 1.6, "twemproxy")),
    ),
    LoadRow(
        "pass-1x1",
        "pass-through get, 1 × 1: p50",
        Load(1, 1),
        ("pass", "valkey", "twemproxy", "twemproxy-unix"),
        (Demand("pass", "<=", 1.0, "twemproxy"),),
        metric="p50_us",
        unit="µs",
    ),
    LoadRow(
        "large-near",
        "near hit, 64 KiB, 10 × 1",
        Load(10, 1, value_bytes=65_536, keys=200),
        ("near", "valkey-unix"),
        (Demand("near", ">=", 0.8, "valkey-unix"),),
    ),
    LoadRow(
        "large-pass",
        "pass-through get, 64 KiB, 10 × 1",
        Load(10, 1, value_bytes=65_536, keys=200),
        ("pass", "valkey", "twemproxy"),
        (Demand("pass", ">=", 1.0, "twemproxy"),),
    ),
    PythonRow(),
    LoadRow(
        "get-many",
        "get_many of 100 near keys, 50 × 1, beside MGET",
        Load(50, 1, "get_many"),
        ("near", "valkey"),
        (Demand("near", ">=", 1.0, "valkey"),),
        scale=100,
        unit="keys/s",
    ),
    OpenLoopRow("open-loop", "near hit on schedule, 50 connections, half the peak of 50 × 16: p99.9", 16),
    OpenLoopRow("open-loop-single", "near hit on schedule, 50 connections, half the peak of 50 × 1: p99.9", 1),
    FanoutRow(),
    IdleRow(),
    MemoryRow(),
    HourRow(),
]
