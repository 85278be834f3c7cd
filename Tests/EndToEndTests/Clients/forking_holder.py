"""Acquires the lock "n" and forks a child, which keeps the socket, outlives its parent and tells what it receives."""

import json
import os
import socket
import sys
import time

connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
call = {"jsonrpc": "2.0", "id": 1, "method": "lock.acquire", "params": {"name": "n"}}
connection.sendall((json.dumps(call) + "\n").encode())
lines = connection.makefile()
reply = json.loads(lines.readline())
assert reply["result"]["acquired"], reply
child = os.fork()
if child:
    print("held", child, "", flush=True)
else:
    print(lines.readline(), flush=True)
time.sleep(600)
