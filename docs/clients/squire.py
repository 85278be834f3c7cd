"""A client of Squire for Python 3.8 or newer, with nothing but the standard library."""

import json, os, select, socket, sys, time


class Refusal(Exception):
    """What the agent answered in place of a result: docs/reference/errors.md describes its `error`."""

    def __init__(self, error):
        super().__init__(f"{error['message']} ({error['data']['kind']})")
        self.error = error


class Squire:
    def __init__(self, path=os.environ.get("SQUIRE_SOCKET", "/run/squire/squire.sock"), timeout=5.0):
        self.path, self.timeout, self.socket = path, timeout, None

    def connect(self):
        """Connects where the agent closed the connection, and waits for one that is being restarted."""
        if self.socket and (not select.select([self.socket], [], [], 0)[0] or self.socket.recv(1, socket.MSG_PEEK)):
            return
        end = time.monotonic() + self.timeout
        while True:
            try:
                self.socket = socket.socket(socket.AF_UNIX)
                self.socket.settimeout(self.timeout + 1)  # The agent keeps the time; this is for one that hangs.
                self.socket.connect(self.path)
                self.lines = self.socket.makefile("rb")
                return
            except (FileNotFoundError, ConnectionRefusedError):
                self.socket = None
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def call(self, method, **params):
        """Calls a method. OSError: nobody answered, it may have been done or not, and so it is not repeated."""
        self.connect()
        params["_meta"] = {"deadline_ms": int(self.timeout * 1000)}
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        try:
            self.socket.sendall(json.dumps(request).encode() + b"\n")
            while "id" not in (reply := self.read()):
                pass  # A message of something else on this connection.
        except OSError:
            self.socket = None
            raise
        if "error" in reply:
            raise Refusal(reply["error"])
        return reply["result"]

    def read(self):
        line = self.lines.readline()
        if not line:
            raise ConnectionError("the agent closed the connection")
        return json.loads(line)

    def messages(self, method, **params):
        """Yields what a subscription brings, for ever; None where messages may be missing. Needs its own Squire."""
        while True:
            try:
                self.call(method, **params)
                self.socket.settimeout(None)
                while not (push := self.read())["method"].endswith(".closed"):
                    yield push["params"] if push["method"].endswith(".message") else None
            except OSError:
                pass  # The agent is being restarted.
            except Refusal as refusal:
                if not refusal.error["data"]["retryable"]:
                    raise
            self.socket = None
            time.sleep(0.1)
            yield None


if __name__ == "__main__":
    agent = Squire(timeout=2.0)
    agent.call("cache.set", key="client:python", value={"name": "Ada"}, ttl_ms=60_000)
    print(agent.call("cache.get", key="client:python")["value"]["name"], flush=True)
    for push in Squire().messages("channel.subscribe", channel="news"):
        print(push["message"] if push else "some may be missing", flush=True, file=sys.stdout if push else sys.stderr)
        if push and push["message"] == "end":
            break
    print(agent.call("cache.get", key="client:python")["value"]["name"])  # Over a restart, if there was one.
