"""The servers that a benchmark compares: each is started when it is first asked for, on loopback and Unix sockets in a
directory of the run's own, and ends with the stage that it stands on.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

START_LIMIT = 20.0


class Missing(Exception):
    """A program that a peer needs is not installed."""


@dataclass(frozen=True)
class Programs:
    """Where the programs are; None for those that are not there."""

    squired: Path
    rpc: Path
    line_server: Path
    set_relay: Path
    fanout: Path
    python: Path | None
    envoy: Path | None
    valkey: str | None
    nutcracker: str | None

    @staticmethod
    def find(root: Path) -> "Programs":
        """Looks for the programs that `scripts/bench` builds and installs."""
        release, bench = root / ".build/release", root / ".build/bench"
        envoy = next(iter(sorted(bench.glob("peers/lib/python*/site-packages/envoy/_bin/envoy"))), None)
        python = bench / "peers/bin/python3"
        return Programs(
            squired=release / "squired",
            rpc=release / "rpc",
            line_server=bench / "line_server",
            set_relay=bench / "set_relay",
            fanout=bench / "fanout",
            python=python if python.exists() else None,
            envoy=envoy,
            valkey=shutil.which("valkey-server") or shutil.which("redis-server"),
            nutcracker=shutil.which("nutcracker") or shutil.which("nutcracker", path="/usr/sbin:/usr/local/sbin"),
        )

    def versions(self) -> list[str]:
        """One line for each program that is there."""
        lines = []
        for name, command in [
            ("squired", [str(self.squired), "--version"]),
            ("Valkey", [self.valkey, "--version"]),
            ("twemproxy", [self.nutcracker, "--version"]),
            ("Envoy", [self.envoy and str(self.envoy), "--version"]),
            ("Python clients", [self.python and str(self.python), "-m", "pip", "freeze"]),
        ]:
            if command[0] is None:
                lines.append(f"{name}: not installed")
                continue
            result = subprocess.run(command, capture_output=True, text=True, check=False)
            text = (result.stdout or result.stderr).strip()
            if name == "Python clients":
                kept = [line for line in text.splitlines() if line.startswith(("redis", "valkey-glide", "hiredis"))]
                lines += [line.replace("redis==", "redis-py ").replace("==", " ") for line in kept]
            elif name == "Envoy":
                lines.append("Envoy " + text.split("version:")[-1].strip().split("/")[1])
            elif name == "twemproxy":
                lines.append(text.splitlines()[0].removeprefix("This is ").replace("nutcracker-", "twemproxy "))
            else:
                lines.append(" ".join(text.split()[:3]))
        return lines


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


LINE_ANSWER = json.dumps(
    {"jsonrpc": "2.0", "id": 1000, "result": {"hit": True, "value": "x" * 62, "source": "near"}},
    separators=(",", ":"),
)


class Stage:
    """The servers of one row."""

    # What an agent is started under, and what its environment has beside ours.
    wrapper: list[str] = []
    environment: dict[str, str] = {}

    def __init__(self, programs: Programs, directory: Path):
        self.programs = programs
        self.directory = directory
        self.processes: dict[str, subprocess.Popen] = {}
        self.port = free_port()

    def __enter__(self) -> "Stage":
        self.directory.mkdir(parents=True)
        return self

    def __exit__(self, *_) -> None:
        for process in reversed(self.processes.values()):
            os.kill(self.signalled(process.pid), signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def signalled(self, process: int) -> int:
        """The process that ends a peer when it is told to."""
        return process

    def path(self, name: str) -> Path:
        return self.directory / name

    def load_options(self, subject: str) -> list[str]:
        """Starts a subject's servers and says how `rpc bench` reaches it."""
        if subject == "lines":
            return ["--socket", str(self.line_server()), "--in-order"]
        if subject == "relay":
            return ["--socket", str(self.set_relay())]
        if subject.split("-")[0] in ("near", "pass"):
            return ["--socket", str(self.agent(subject))]
        return ["--direct", self.url(subject)]

    def url(self, subject: str) -> str:
        """Starts a subject that speaks Valkey's protocol and gives its URL."""
        self.valkey()
        match subject:
            case "valkey":
                return f"valkey://127.0.0.1:{self.port}"
            case "valkey-unix":
                return f"unix://{self.path('v.sock')}"
            case "twemproxy":
                return f"valkey://127.0.0.1:{self.twemproxy()}"
            case "twemproxy-unix":
                self.twemproxy()
                return f"unix://{self.path('n.sock')}"
            case "envoy":
                return f"valkey://127.0.0.1:{self.envoy()}"
        raise ValueError(subject)

    def process(self, subject: str) -> int:
        """The process id of a subject that runs."""
        return self.processes[subject].pid

    def start(self, name: str, command: list[str | Path], *, is_up, environment: dict[str, str] | None = None) -> None:
        words = [str(word) for word in command]
        variables = {**os.environ, **(environment or {})}
        with open(self.path(f"{name}.log"), "wb") as log:
            process = subprocess.Popen(words, stdout=log, stderr=log, cwd=self.directory, env=variables)
        self.processes[name] = process
        limit = time.monotonic() + START_LIMIT
        while not is_up():
            if process.poll() is not None or time.monotonic() > limit:
                raise RuntimeError(f"{name} does not start: {self.path(f'{name}.log').read_text()[-2000:]}")
            time.sleep(0.01)

    def valkey(self) -> None:
        if "valkey" in self.processes:
            return
        if self.programs.valkey is None:
            raise Missing("valkey-server")
        options = ["--bind", "127.0.0.1", "--port", self.port, "--unixsocket", self.path("v.sock"), "--save", ""]
        command = [self.programs.valkey, *options, "--appendonly", "no", "--maxclients", "20000"]
        self.start("valkey", command, is_up=lambda: accepts(self.path("v.sock")))

    def line_server(self) -> Path:
        path = self.path("l.sock")
        if "lines" not in self.processes:
            self.start("lines", [self.programs.line_server, path, LINE_ANSWER], is_up=lambda: accepts(path))
        return path

    def set_relay(self) -> Path:
        path = self.path("r.sock")
        if "relay" not in self.processes:
            self.valkey()
            self.start("relay", [self.programs.set_relay, path, self.port], is_up=lambda: accepts(path))
        return path

    def agent(self, name: str) -> Path:
        """An agent in front of the stage's Valkey, over TCP as the other proxies.

        `near` and `idle` are as they come, `near-large` may keep a million entries in its memory, `pass` keeps none
        there.
        """
        path = self.path(f"{name}.sock")
        if name in self.processes:
            return path
        self.valkey()
        cache = {"near": {}, "idle": {}, "near-large": {"near_bytes": 1 << 30}, "pass": {"tier": "valkey"}}[name]
        file = self.path(f"{name}.json")
        file.write_text(json.dumps({"cache": cache, "limits": {"connections_max": 100_000}}))
        command = [self.programs.squired, "--config", file, "--socket", path, "--state-dir", self.path(f"{name}.state")]
        command += ["--valkey", f"valkey://127.0.0.1:{self.port}"]
        self.start(
            name,
            [*self.wrapper, *command],
            is_up=lambda: path.exists() and self.is_healthy(path),
            environment=self.environment,
        )
        return path

    def is_healthy(self, path: Path) -> bool:
        command = [self.programs.rpc, "--socket", path, "agent.health"]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        return result.returncode == 0 and json.loads(result.stdout).get("ready") is True

    def twemproxy(self) -> int:
        if self.programs.nutcracker is None:
            raise Missing("nutcracker")
        if "twemproxy" not in self.processes:
            self.proxy_port = free_port()
            pool = (
                "{name}:\n  listen: {listen}\n  redis: true\n  hash: fnv1a_64\n  distribution: ketama\n"
                "  preconnect: true\n  servers:\n   - 127.0.0.1:{port}:1\n"
            )
            tcp = pool.format(name="tcp", listen=f"127.0.0.1:{self.proxy_port}", port=self.port)
            unix = pool.format(name="unix", listen=f"{self.path('n.sock')} 0600", port=self.port)
            self.path("twemproxy.yml").write_text(tcp + unix)
            command = [self.programs.nutcracker, "-c", self.path("twemproxy.yml"), "-o", self.path("twemproxy.out")]
            command += ["-p", self.path("twemproxy.pid"), "-a", "127.0.0.1", "-s", str(free_port())]
            self.start("twemproxy", command, is_up=lambda: answers(self.proxy_port) and answers(self.path("n.sock")))
        return self.proxy_port

    def envoy(self) -> int:
        if self.programs.envoy is None:
            raise Missing("envoy")
        if "envoy" not in self.processes:
            self.envoy_port = free_port()
            self.path("envoy.json").write_text(json.dumps(envoy_configuration(self.envoy_port, self.port)))
            command = [self.programs.envoy, "-c", self.path("envoy.json"), "--log-level", "error"]
            # One worker: on two cores that load, proxy and server share, it is faster with one than with two.
            command += ["--concurrency", "1", "--disable-hot-restart"]
            self.start("envoy", command, is_up=lambda: answers(self.envoy_port))
        return self.envoy_port


def accepts(path: Path) -> bool:
    """Whether somebody accepts connections at a Unix socket."""
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(path))
            return True
    except OSError:
        return False


def answers(place: int | Path) -> bool:
    """Whether what listens at a port or path passes a command on to Valkey."""
    try:
        with socket.socket(socket.AF_INET if isinstance(place, int) else socket.AF_UNIX) as probe:
            probe.settimeout(1)
            probe.connect(("127.0.0.1", place) if isinstance(place, int) else str(place))
            probe.sendall(b"*2\r\n$3\r\nGET\r\n$4\r\nnone\r\n")
            return probe.recv(64) == b"$-1\r\n"
    except OSError:
        return False


def envoy_configuration(port: int, server_port: int) -> dict:
    """Envoy with its proxy for Valkey's protocol and nothing else."""
    proxy = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProxy",
        "stat_prefix": "bench",
        "settings": {"op_timeout": "5s"},
        "prefix_routes": {"catch_all_route": {"cluster": "valkey"}},
    }

    def address(number: int) -> dict:
        return {"socket_address": {"address": "127.0.0.1", "port_value": number}}

    listener = {
        "name": "valkey",
        "address": address(port),
        "filter_chains": [{"filters": [{"name": "envoy.filters.network.redis_proxy", "typed_config": proxy}]}],
    }
    endpoint = {"endpoint": {"address": address(server_port)}}
    cluster = {
        "name": "valkey",
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": "valkey", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def resident_bytes(process: int) -> int:
    """Memory of a process that is present."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"process {process} has no VmRSS")


def descriptors(process: int) -> int:
    """Open descriptors of a process."""
    return len(os.listdir(f"/proc/{process}/fd"))
