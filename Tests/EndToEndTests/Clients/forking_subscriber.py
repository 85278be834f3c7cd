"""Calls a method and forks a child, which keeps the socket, outlives its parent and tells what it receives."""

import json
import os
import socket
import sys
import time

connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
call = {"jsonrpc": "2.0", "id": 1, "method": sys.argv[2], "params": json.loads(sys.argv[3])}
connection.sendall((json.dumps(call) + "\n").encode())
lines = connection.makefile()
reply = json.loads(lines.readline())
assert "result" in reply, reply
child = os.fork()
if child:
    print("subscribed", child, "", flush=True)
else:
    for line in lines:
        print(line, flush=True)
time.sleep(600)
