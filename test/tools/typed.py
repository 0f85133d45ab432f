#!/usr/bin/env python3
"""typed.py COMMAND ANSWER...: run a command on a terminal of its own, answer
each of its prompts (a line that ends in ": "), and print what it showed.
The answer ^C is that key.  Exits as the command did, 130 when a signal ended
it, 99 when it left the terminal without echo."""
import os
import pty
import sys
import termios


def main():
    words, answers = sys.argv[1].split(), sys.argv[2:]
    pid, fd = pty.fork()
    if pid == 0:
        os.execvp(words[0], words)
    seen = b""
    while True:
        try:
            new = os.read(fd, 4096)
        except OSError:
            break
        if not new:
            break
        os.write(1, new)
        seen += new
        if seen.endswith(b": ") and answers:
            seen = b""
            a = answers.pop(0)
            os.write(fd, b"\x03" if a == "^C" else a.encode() + b"\n")
    status = os.waitpid(pid, 0)[1]
    if not termios.tcgetattr(fd)[3] & termios.ECHO:
        return 99
    return 130 if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


sys.exit(main())
