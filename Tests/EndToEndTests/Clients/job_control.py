"""Plays the shell at a terminal: runs a command, and has it go on when it was stopped.

Arguments: a directory, then the command. Whoever watches puts the file `stop` into the directory to press Ctrl-Z, and
`go` to have the command go on. What the terminal shows goes to standard output.
"""

import os
import pty
import select
import signal
import sys

directory, command = sys.argv[1], sys.argv[2:]


def give_terminal(group):
    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    os.tcsetpgrp(0, group)
    signal.signal(signal.SIGTTOU, before)


def shell():
    job = os.fork()
    if job == 0:
        os.setpgid(0, 0)
        give_terminal(os.getpgrp())
        os.execv(command[0], command)
    while True:
        _, status = os.waitpid(job, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            break
        give_terminal(os.getpgrp())
        print("is-stopped", flush=True)
        sys.stdin.readline()
        give_terminal(job)
        os.killpg(job, signal.SIGCONT)
    give_terminal(os.getpgrp())
    print("is-ended", os.waitstatus_to_exitcode(status), "", flush=True)


child, terminal = pty.fork()
if child == 0:
    shell()
    os._exit(0)
while True:
    for name, typed in (("stop", b"\x1a"), ("go", b"on\n")):
        path = os.path.join(directory, name)
        if os.path.exists(path):
            os.unlink(path)
            os.write(terminal, typed)
    if select.select([terminal], [], [], 0.01)[0]:
        try:
            shown = os.read(terminal, 4096)
        except OSError:
            break
        os.write(1, shown)
