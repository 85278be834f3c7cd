"""Measures the rows of a benchmark: loads by `rpc bench`, memory from /proc."""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from peers import Missing, Programs, Stage, descriptors, resident_bytes


@dataclass(frozen=True)
class Settings:
    """How long and how often to measure."""

    rounds: int
    seconds: float
    warm_up: float
    is_smoke: bool
    hour_seconds: float


@dataclass(frozen=True)
class Demand:
    """What a figure must be beside another one, or beside a fixed number."""

    subject: str
    relation: str
    factor: float
    peer: str | None = None

    def text(self, unit: str) -> str:
        sign = "≥" if self.relation == ">=" else "≤"
        if self.peer is None:
            return f"{sign} {self.factor:,.0f} {unit}".replace(",", " ")
        return f"{sign} {self.factor:g} × {NAMES[self.peer]}"

    def judge(self, figures: dict[str, list[float]]) -> tuple[float, bool] | None:
        """The figure or ratio, and whether it is as it must be; None where one of them was not measured."""
        if self.subject not in figures or (self.peer is not None and self.peer not in figures):
            return None
        value = statistics.median(figures[self.subject])
        if self.peer is not None:
            value /= statistics.median(figures[self.peer])
        return value, value >= self.factor if self.relation == ">=" else value <= self.factor


NAMES = {
    "near": "Squire, near hit",
    "channel": "Squire",
    "pass": "Squire, pass-through",
    "valkey": "Valkey, TCP",
    "valkey-unix": "Valkey, Unix socket",
    "lines": "line server",
    "relay": "relay of sets",
    "twemproxy": "twemproxy",
    "twemproxy-unix": "twemproxy, Unix socket",
    "envoy": "Envoy",
    "glide": "valkey-glide",
    "redis-py": "redis-py",
    "redis-py-unix": "redis-py, Unix socket",
    "alone": "the same without them",
    "idle": "with idle connections",
    "connection": "an idle connection",
    "entry": "an entry beside key and value",
    "memory": "idle",
    "memory slope": "growth of memory",
    "descriptor slope": "growth of descriptors",
    "errors": "errors",
}


@dataclass
class Outcome:
    """What a row turned out to be."""

    row: str
    title: str
    unit: str
    figures: dict[str, list[float]]
    demands: list[Demand]
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def holds(self) -> bool:
        """Whether every demand that could be judged holds."""
        return all(verdict is None or verdict[1] for verdict in (d.judge(self.figures) for d in self.demands))


@dataclass(frozen=True)
class Load:
    """Options of `rpc bench`."""

    connections: int
    pipeline: int
    mix: str = "get"
    value_bytes: int = 64
    keys: int = 10_000
    rate: float | None = None
    idle: int = 0

    def options(self) -> list[str]:
        words = ["--connections", self.connections, "--pipeline", self.pipeline, "--mix", self.mix]
        words += ["--value-bytes", self.value_bytes, "--keys", self.keys, "--idle", self.idle]
        if self.rate is not None:
            words += ["--rate", f"{self.rate:.0f}"]
        return [str(word) for word in words]


def bench(programs: Programs, *words: str | float | Path) -> dict:
    """One run of `rpc bench`; its only server's only round."""
    command = [str(word) for word in (programs.rpc, "bench", "--json", *words)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {result.stdout[-500:]} {result.stderr}")
    return json.loads(result.stdout)["targets"][0]["rounds"][0]


def measure(stage: Stage, settings: Settings, subject: str, load: Load) -> dict:
    """Puts a load on a subject for one round."""
    words = [*stage.load_options(subject), *load.options(), "--keep", "--prepared"]
    words += ["--duration", f"{round(settings.seconds * 1000)}ms", "--warm-up", f"{round(settings.warm_up * 1000)}ms"]
    result = bench(stage.programs, *words)
    if result["misses"] > 0:
        raise RuntimeError(f"{subject}: {result['misses']} entries are missing")
    if subject.startswith("near") and load.mix == "get" and result["memory_hits"] < 0.99 * result["hits"]:
        raise RuntimeError(f"{subject}: only {result['memory_hits']} of {result['hits']} hits came from memory")
    return result


def prepare(stage: Stage, subject: str, load: Load) -> None:
    """Writes a subject's entries, and reads each once."""
    if subject in ("lines", "relay"):
        return
    reads = Load(1, 1, "get_many" if "get_many" in load.mix else "get", load.value_bytes, load.keys)
    words = [*stage.load_options(subject), *reads.options(), "--keep"]
    bench(stage.programs, *words, "--duration", "1ms", "--warm-up", "0")


@dataclass(frozen=True)
class LoadRow:
    """A load on several servers in alternation."""

    name: str
    title: str
    load: Load
    subjects: tuple[str, ...]
    demands: tuple[Demand, ...]
    metric: str = "calls_per_second"
    scale: float = 1.0
    unit: str = "calls/s"

    def run(self, stage: Stage, settings: Settings) -> Outcome:
        outcome = Outcome(self.name, self.title, self.unit, {}, list(self.demands))
        for subject in self.subjects:
            try:
                prepare(stage, subject, self.load)
                outcome.figures[subject] = []
            except Missing as missing:
                outcome.missing.append(str(missing))
        for number in range(settings.rounds):
            order = list(outcome.figures)
            # Who comes first changes, so that a drift of the machine is nobody's advantage.
            for subject in order if number % 2 == 0 else reversed(order):
                result = measure(stage, settings, subject, self.load)
                outcome.figures[subject].append(result[self.metric] * self.scale)
        self.note_ceiling(outcome)
        return outcome

    def note_ceiling(self, outcome: Outcome) -> None:
        """Says where a demand asks for more than Valkey itself does, or than what does nothing but copy."""
        if "pass" not in outcome.figures or self.metric != "calls_per_second":
            return
        for subject, words in {"valkey": "a client straight to Valkey over TCP", "relay": "the relay of sets"}.items():
            for demand in outcome.demands:
                if subject not in outcome.figures or demand.peer not in outcome.figures or demand.peer == "valkey":
                    continue
                ratio = statistics.median(outcome.figures[subject]) / statistics.median(outcome.figures[demand.peer])
                if ratio < demand.factor > 1:
                    outcome.notes.append(f"{words} is {ratio:.2f} × {NAMES[demand.peer]}")


@dataclass(frozen=True)
class OpenLoopRow:
    """The same calls a second on schedule for both: half of what the agent can do at most.

    On schedule each call is sent for itself. The peak is that of calls sent so (`pipeline` 1), or of calls that come in
    batches (16), which no server reaches with calls that come one by one.
    """

    name: str
    title: str
    pipeline: int

    def run(self, stage: Stage, settings: Settings) -> Outcome:
        demand = Demand("near", "<=", 1.5, "lines")
        outcome = Outcome(self.name, self.title, "µs", {"near": [], "lines": []}, [demand])
        load = Load(50, self.pipeline)
        prepare(stage, "near", load)
        peak = statistics.median(measure(stage, settings, "near", load)["calls_per_second"] for _ in range(3))
        load = Load(50, 1024, rate=peak / 2)
        for number in range(settings.rounds):
            for subject in ("near", "lines") if number % 2 == 0 else ("lines", "near"):
                outcome.figures[subject].append(measure(stage, settings, subject, load)["p99_9_us"])
        outcome.notes.append(f"{peak / 2:,.0f} calls/s of a peak of {peak:,.0f}".replace(",", " "))
        return outcome


@dataclass(frozen=True)
class FanoutRow:
    """One publisher, a hundred subscribers: deliveries, all in order, beside subscribers straight at Valkey."""

    name: str = "fan-out"
    title: str = "a channel's deliveries to 100 subscribers, messages of 200 bytes"

    def run(self, stage: Stage, settings: Settings) -> Outcome:
        subjects = ("channel", "valkey", "valkey-unix")
        demands = [Demand("channel", ">=", 1.5, "valkey"), Demand("channel", ">=", 0.8, "valkey-unix")]
        outcome = Outcome(self.name, self.title, "deliveries/s", {subject: [] for subject in subjects}, demands)
        for number in range(settings.rounds):
            for subject in subjects if number % 2 == 0 else reversed(subjects):
                outcome.figures[subject].append(self.deliveries(stage, settings, subject))
        return outcome

    @staticmethod
    def deliveries(stage: Stage, settings: Settings, subject: str) -> float:
        """Deliveries a second of one round."""
        if subject == "channel":
            words = ["calls", str(stage.agent("near"))]
        else:
            words = ["commands", stage.url(subject).removeprefix("unix://").split(":")[-1]]
        command = [str(stage.programs.fanout), *words, "100", f"{settings.seconds:.1f}", "200"]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise RuntimeError(f"{subject}: {result.stderr}")
        return float(result.stdout)


@dataclass(frozen=True)
class IdleRow:
    """Connections that do nothing: what each costs, and whether an active one notices."""

    name: str = "idle-connections"
    title: str = "10 000 idle connections: p99 of an active one"

    def run(self, stage: Stage, settings: Settings) -> Outcome:
        demands = [Demand("idle", "<=", 1.2, "alone"), Demand("connection", "<=", 4096)]
        outcome = Outcome(self.name, self.title, "µs", {"alone": [], "idle": [], "connection": []}, demands)
        count = 500 if settings.is_smoke else 10_000
        alone, idle = Load(1, 1), Load(1, 1, idle=count)
        prepare(stage, "near", alone)
        measure(stage, settings, "near", alone)
        before = resident_bytes(stage.process("near"))
        for number in range(settings.rounds):
            loads = [("alone", alone), ("idle", idle)]
            for key, load in loads if number % 2 == 0 else reversed(loads):
                outcome.figures[key].append(measure(stage, settings, "near", load)["p99_us"])
        outcome.figures["connection"] = [(self.most(stage, settings, idle) - before) / count]
        return outcome

    @staticmethod
    def most(stage: Stage, settings: Settings, load: Load) -> int:
        """The most memory that the agent has while the connections are open."""
        words = [*stage.load_options("near"), *load.options(), "--keep", "--prepared", "--json", "--warm-up", "0"]
        command = [str(stage.programs.rpc), "bench", *words, "--duration", f"{round(settings.seconds * 1000 + 1000)}ms"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as load_process:
            most = 0
            while load_process.poll() is None:
                most = max(most, resident_bytes(stage.process("near")))
                time.sleep(0.05)
        return most


@dataclass(frozen=True)
class MemoryRow:
    """What the agent weighs, empty and with a million entries in its memory."""

    name: str = "memory"
    title: str = "memory: idle, and overhead of 1 000 000 near entries of 64 bytes"

    def run(self, stage: Stage, settings: Settings) -> Outcome:
        demands = [Demand("memory", "<=", 10e6), Demand("entry", "<=", 200)]
        outcome = Outcome(self.name, self.title, "bytes", {}, demands)
        # One that has served nobody.
        stage.agent("idle")
        # A second after its start the agent gives back what only the start needed.
        time.sleep(3)
        outcome.figures["memory"] = [resident_bytes(stage.process("idle"))]
        stage.agent("near-large")
        empty = resident_bytes(stage.process("near-large"))
        keys = 20_000 if settings.is_smoke else 1_000_000
        load = Load(1, 1, keys=keys)
        prepare(stage, "near-large", load)
        measure(stage, settings, "near-large", load)
        full = resident_bytes(stage.process("near-large"))
        # A key is "bench:" and eight digits.
        outcome.figures["entry"] = [(full - empty) / keys - 14 - load.value_bytes]
        return outcome


@dataclass(frozen=True)
class HourRow:
    """Half the peak for an hour: neither memory nor descriptors may grow."""

    name: str = "hour"
    title: str = "one hour at half the peak: growth over the second half"

    def run(self, stage: Stage, settings: Settings) -> Outcome:
        most = {"memory slope": 1 << 20, "descriptor slope": 0, "errors": 0}
        demands = [Demand(subject, "<=", factor) for subject, factor in most.items()]
        outcome = Outcome(self.name, self.title, "an hour", {}, demands)
        load = Load(50, 16, mix="get:9,set:1")
        prepare(stage, "near", load)
        peak = measure(stage, settings, "near", load)["calls_per_second"]
        # No more calls in flight than the agent takes commands, however long the machine stands still.
        load = Load(50, 256, mix="get:9,set:1", rate=peak / 2)
        words = [*stage.load_options("near"), *load.options(), "--keep", "--prepared", "--json"]
        seconds = 3.0 if settings.is_smoke else settings.hour_seconds
        command = [str(stage.programs.rpc), "bench", *words, "--duration", f"{round(seconds * 1000)}ms"]
        samples: list[tuple[float, int, int]] = []
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            begin = time.monotonic()
            while process.poll() is None:
                agent = stage.process("near")
                samples.append((time.monotonic() - begin, resident_bytes(agent), descriptors(agent)))
                time.sleep(min(5.0, seconds / 20))
            result = json.loads(process.stdout.read())["targets"][0]["rounds"][0]
        # Before the half the caches fill; after the load has ended the connections go.
        kept = [sample for sample in samples if seconds / 2 < sample[0] < seconds]
        for key, index in [("memory slope", 1), ("descriptor slope", 2)]:
            slope = statistics.linear_regression([s[0] for s in kept], [s[index] for s in kept]).slope
            outcome.figures[key] = [round(slope * 3600)]
        outcome.figures["errors"] = [result["errors"]]
        outcome.notes.append(f"{result['calls']:,} calls, p99.9 {result['p99_9_us']:.0f} µs".replace(",", " "))
        return outcome


@dataclass(frozen=True)
class PythonRow:
    """One Python process that makes one call after the other."""

    name: str = "python"
    title: str = "calls from Python, one process, one after the other"

    def run(self, stage: Stage, settings: Settings) -> Outcome:
        peers = ("glide", "redis-py", "redis-py-unix")
        outcome = Outcome(self.name, self.title, "calls/s", {}, [Demand("near", ">=", 1.0, peer) for peer in peers])
        python = stage.programs.python
        if python is None:
            outcome.missing.append("the Python clients")
            return outcome
        prepare(stage, "near", Load(1, 1))
        prepare(stage, "pass", Load(1, 1))
        places = {
            "near": str(stage.agent("near")),
            "pass": str(stage.agent("pass")),
            "glide": str(stage.port),
            "redis-py": str(stage.port),
            "redis-py-unix": str(stage.path("v.sock")),
        }
        script = Path(__file__).with_name("python_clients.py")
        for number in range(settings.rounds):
            for subject in places if number % 2 == 0 else reversed(places):
                client = {"near": "squire", "pass": "squire", "glide": "glide"}.get(subject, "redis")
                command = [str(python), str(script), client, places[subject], str(settings.seconds)]
                result = subprocess.run(command, capture_output=True, text=True, check=False)
                if result.returncode == 0:
                    outcome.figures.setdefault(subject, []).append(float(result.stdout))
                elif "ModuleNotFoundError" in result.stderr:
                    outcome.missing.append(NAMES[subject])
                else:
                    raise RuntimeError(result.stderr)
        outcome.missing = sorted(set(outcome.missing))
        return outcome
