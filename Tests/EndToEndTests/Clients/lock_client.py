"""Acquires a lock again and again, and writes to a resource that refuses stale fences; logs what it believes.

Arguments: the agent's socket, Valkey's socket, the life of a lease in milliseconds, the log's path. Each line of the log
is a word and numbers: `A fence now` where the lock was had, `W fence accepted now` for a write to the resource, `L fence
now` where the loss was told, `E fence now` where the agent went away, `R fence now` where it is about to be released,
`D fence released now` where that was answered.
"""

import json
import select
import socket
import sys
import time

agent, valkey, life, path = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
log = open(path, "a", buffering=1)

GUARD = """
local seen = redis.call('GET', KEYS[1]) or '0'
if tonumber(ARGV[1]) < tonumber(seen) then return 0 end
redis.call('SET', KEYS[1], ARGV[1])
return 1
"""


def note(word, *numbers):
    log.write(" ".join([word, *map(str, numbers), "%.6f" % time.monotonic()]) + "\n")


def connect(path):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    connection.settimeout(20)
    return connection


class Gone(Exception):
    pass


class Agent:
    def __init__(self):
        self.connection = connect(agent)
        self.buffer = b""
        self.last = 0
        self.lost = set()

    def take(self, line):
        message = json.loads(line)
        if message.get("method") == "lock.lost":
            self.lost.add(message["params"]["fence"])
        return message

    def line(self):
        while b"\n" not in self.buffer:
            received = self.connection.recv(65536)
            if not received:
                raise Gone()
            self.buffer += received
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line

    def call(self, method, **params):
        self.last += 1
        request = {"jsonrpc": "2.0", "id": self.last, "method": method, "params": params}
        self.connection.sendall((json.dumps(request) + "\n").encode())
        while True:
            message = self.take(self.line())
            if message.get("id") == self.last:
                return message

    def look(self):
        while b"\n" in self.buffer or select.select([self.connection], [], [], 0)[0]:
            self.take(self.line())


def guarded_write(fence):
    """Whether the resource took the write; None where it could not be reached."""
    try:
        with connect(valkey) as connection:
            words = [b"EVAL", GUARD.encode(), b"1", b"resource", str(fence).encode()]
            request = b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)
            connection.sendall(request)
            reply = connection.recv(64)
            return {b":1": 1, b":0": 0}.get(reply[:2])
    except OSError:
        return None


def hold(client, result):
    fence = result["fence"]
    note("A", fence)
    for _ in range(2):
        client.look()
        if fence in client.lost:
            return note("L", fence)
        taken = guarded_write(fence)
        if taken is not None:
            note("W", fence, taken)
    lease = result["lease"]
    note("R", fence)
    # From here on it believes in nothing, wherever the answer is lost.
    result.clear()
    reply = client.call("lock.release", lease=lease)
    note("D", fence, int(reply.get("result", {}).get("released", False)))


while True:
    result = {}
    try:
        client = Agent()
        while True:
            result = {}
            reply = client.call("lock.acquire", name="n", ttl_ms=life, wait_ms=2000)
            result = reply.get("result") or {}
            if result.get("acquired"):
                hold(client, result)
            elif "error" in reply:
                time.sleep(0.05)
    except (OSError, Gone):
        if result.get("acquired"):
            note("E", result["fence"])
        time.sleep(0.02)
