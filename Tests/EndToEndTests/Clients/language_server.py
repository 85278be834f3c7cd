"""Calls the agent with the JSON-RPC library of a language server, over Content-Length framing.

Prints "done" where every answer is as it must be. Argument: path of the agent's socket.
"""

import socket
import sys
import threading

from pylsp_jsonrpc.endpoint import Endpoint
from pylsp_jsonrpc.exceptions import JsonRpcException
from pylsp_jsonrpc.streams import JsonRpcStreamReader, JsonRpcStreamWriter

SECONDS = 20


def main(path):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    reader = JsonRpcStreamReader(connection.makefile("rb"))
    writer = JsonRpcStreamWriter(connection.makefile("wb"))
    endpoint = Endpoint({}, writer.write)
    thread = threading.Thread(target=reader.listen, args=(endpoint.consume,), daemon=True)
    thread.start()

    def call(method, **params):
        return endpoint.request(method, params).result(timeout=SECONDS)

    assert call("agent.ping") == {"pong": True}
    value = {"name": "Ada", "tags": ["ä", "😀", "\u0000\n"], "n": 1.5, "none": None}
    assert call("cache.set", key="user:42", value=value, ttl_ms=60_000) == {"stored": True}
    assert call("cache.get", key="user:42")["value"] == value
    assert call("cache.get", key="user:43") == {"hit": False}

    # Many calls under way at once: every reply finds its call.
    calls = {n: endpoint.request("cache.set", {"key": f"k{n}", "value": n}) for n in range(500)}
    assert all(future.result(timeout=SECONDS) == {"stored": True} for future in calls.values())
    calls = {n: endpoint.request("cache.get", {"key": f"k{n}"}) for n in range(500)}
    assert all(future.result(timeout=SECONDS)["value"] == n for n, future in calls.items())

    endpoint.notify("cache.set", {"key": "told", "value": [1, 2]})
    assert call("cache.get", key="told")["value"] == [1, 2]

    try:
        call("cache.get", kee="user:42")
        raise AssertionError("a parameter that does not exist was accepted")
    except JsonRpcException as error:
        assert error.code == -32602, error.code
        assert error.data["param"] == "kee", error.data
    try:
        call("cache.gett", key="user:42")
        raise AssertionError("a method that does not exist was accepted")
    except JsonRpcException as error:
        assert error.code == -32601, error.code

    large = "x" * (1 << 20)
    assert call("cache.set", key="large", value=large) == {"stored": True}
    assert call("cache.get", key="large")["value"] == large
    assert call("agent.ping") == {"pong": True}

    # What a language server does with the connection at the end.
    connection.shutdown(socket.SHUT_WR)
    thread.join(timeout=SECONDS)
    assert not thread.is_alive(), "the agent did not close a connection that was half closed"
    print("done")


main(sys.argv[1])
