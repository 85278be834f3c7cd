"""Reads one entry after the other for some seconds and prints the calls a second.

Arguments: squire, redis or glide; the agent's socket, or the Valkey's port or socket; seconds.
"""

import json
import random
import socket
import sys
import time

KEYS = 10_000
VALUE_BYTES = 64


class Squire:
    """The agent, with nothing but the standard library."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)

    def call(self, method, **params):
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        self.socket.sendall(json.dumps(request).encode() + b"\n")
        line = self.socket.recv(65536)
        while not line.endswith(b"\n"):
            line += self.socket.recv(65536)
        reply = json.loads(line)
        if "error" in reply:
            raise RuntimeError(reply["error"]["message"])
        return reply["result"]

    def get(self, key):
        return self.call("cache.get", key=key)["value"]


class Redis:
    """redis-py, over TCP or a Unix socket."""

    def __init__(self, place):
        import redis

        options = {"port": int(place)} if place.isdigit() else {"unix_socket_path": place}
        self.client = redis.Redis(**options)

    def get(self, key):
        return json.loads(self.client.get("cache:" + key))


class Glide:
    """valkey-glide's client for programs that wait."""

    def __init__(self, place):
        from glide_sync import GlideClient, GlideClientConfiguration, NodeAddress

        self.client = GlideClient.create(GlideClientConfiguration([NodeAddress("127.0.0.1", int(place))]))

    def get(self, key):
        return json.loads(self.client.get("cache:" + key))


def main(name, place, seconds):
    client = {"squire": Squire, "redis": Redis, "glide": Glide}[name](place)
    choice = random.Random(1)
    keys = [f"bench:{choice.randrange(KEYS):08}" for _ in range(10_000)]
    for key in keys[:1000]:
        assert len(client.get(key)) == VALUE_BYTES - 2
    get, calls, begin = client.get, 0, time.perf_counter()
    while time.perf_counter() - begin < seconds:
        for key in keys[:100]:
            get(key)
        calls += 100
        keys = keys[100:] + keys[:100]
    print(calls / (time.perf_counter() - begin))


main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
