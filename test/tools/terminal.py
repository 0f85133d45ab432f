"""A program on a terminal of its own, for those that draw on it: what its
screen shows, and keys for it.

The terminal is a VT52: it has few controls, and all of them are known here.
"""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

LINES, COLUMNS = 24, 80


class Screen:
    """What a VT52 of 24 lines shows."""
    def __init__(self):
        self.rows = [[" "] * COLUMNS for i in range(LINES)]
        self.y = self.x = 0
        self.rest = ""                  # of a control that is not all here

    def put(self, c):
        if self.x < COLUMNS:
            self.rows[self.y][self.x] = c
        self.x = min(self.x + 1, COLUMNS - 1)

    def down(self):
        if self.y < LINES - 1:
            self.y += 1
            return
        self.rows = self.rows[1:] + [[" "] * COLUMNS]

    def up(self):
        if self.y > 0:
            self.y -= 1
            return
        self.rows = [[" "] * COLUMNS] + self.rows[:-1]

    def clear(self, below):
        self.rows[self.y][self.x:] = [" "] * (COLUMNS - self.x)
        if below:
            for i in range(self.y + 1, LINES):
                self.rows[i] = [" "] * COLUMNS

    def control(self, c):
        if c == "\r":
            self.x = 0
        elif c == "\n":
            self.down()
        elif c == "\b":
            self.x = max(self.x - 1, 0)
        elif c == "\t":
            self.x = min(self.x // 8 * 8 + 8, COLUMNS - 1)

    def escape(self, c):
        if c == "A":
            self.y = max(self.y - 1, 0)
        elif c == "B":
            self.y = min(self.y + 1, LINES - 1)
        elif c == "C":
            self.x = min(self.x + 1, COLUMNS - 1)
        elif c == "D":
            self.x = max(self.x - 1, 0)
        elif c == "H":
            self.y = self.x = 0
        elif c == "I":
            self.up()
        elif c in "JK":
            self.clear(c == "J")

    def feed(self, text):
        text, self.rest = self.rest + text, ""
        i = 0
        while i < len(text):
            if text[i] == "\033":
                n = 4 if text[i + 1:i + 2] == "Y" else 2
                if len(text) < i + n:
                    self.rest = text[i:]
                    return
                if n == 4:
                    self.y = min(max(ord(text[i + 2]) - 32, 0), LINES - 1)
                    self.x = min(max(ord(text[i + 3]) - 32, 0), COLUMNS - 1)
                else:
                    self.escape(text[i + 1])
                i += n
                continue
            if text[i] < " ":
                self.control(text[i])
            else:
                self.put(text[i])
            i += 1

    def text(self):
        return "\n".join("".join(r).rstrip() for r in self.rows)


class Ended(Exception):
    pass


class Terminal:
    def __init__(self, *words, env=None, wait=30):
        self.screen, self.said, self.wait = Screen(), "", wait
        self.code = None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(env or {}, TERM="vt52")
            try:
                os.execvp(words[0], words)
            finally:
                os._exit(127)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ,
                    struct.pack("HHHH", LINES, COLUMNS, 0, 0))

    def more(self, seconds):
        """Reads what it says now; False: it has ended."""
        if not select.select([self.fd], [], [], max(seconds, 0))[0]:
            return True
        try:
            got = os.read(self.fd, 65536).decode("latin-1")
        except OSError:
            got = ""
        self.said += got
        self.screen.feed(got)
        return got != ""

    def until(self, good, what):
        end = time.monotonic() + self.wait
        while not good():
            left = end - time.monotonic()
            if left < 0 or not self.more(min(left, 1)):
                raise Ended("waiting for %s; the screen has:\n%s" % (
                    what, self.screen.text()))

    def see(self, *patterns):
        """Waits until the screen has text that matches each of these."""
        for p in patterns:
            self.until(lambda: re.search(p, self.screen.text(), re.M), p)
        return self.screen.text()

    def hear(self, pattern):
        """Waits for it in what was said since the last time."""
        self.until(lambda: re.search(pattern, self.said, re.M), pattern)
        m = re.search(pattern, self.said, re.M)
        got, self.said = self.said[:m.end()], self.said[m.end():]
        return got

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def end(self):
        """Waits for its end; its exit code, less than 0 for a signal."""
        if self.code is None:
            limit = time.monotonic() + self.wait
            while self.more(1) and time.monotonic() < limit:
                pass
            self.close(limit)
        return self.code

    def close(self, limit=0):
        """Ends it, unless it does so by itself until then."""
        while self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
                os.close(self.fd)
            elif time.monotonic() > limit:
                os.kill(self.pid, signal.SIGKILL)
            time.sleep(0.01)
