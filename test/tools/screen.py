"""A program on a terminal: tmux shows it and types."""
from front import *


class Screen:
    WAIT = 60

    def __init__(self, name, env, *cmd):
        """Ends with its test: its tmux is its own."""
        self.tmux = [find("tmux"), "-S", base + "/" + name + ".tmux", "-f",
                     "/dev/null"]
        self.name = name
        words = ["env"] + ["%s=%s" % x for x in env.items()] + list(cmd)
        r = run(*self.tmux, "new-session", "-d", "-x", "150", "-y", "45",
                *words, env={"TERM": "xterm", "LC_ALL": "C.UTF-8"})
        if r.returncode != 0:
            raise AssertionError(r)

    def text(self):
        return run(*self.tmux, "capture-pane", "-p").stdout.decode(
            errors="replace")

    def keys(self, *keys):
        """Names of keys, as tmux has them, or text."""
        run(*self.tmux, "send-keys", *keys)

    def shows(self, what, name):
        """Waits until the screen has what (a regular expression)."""
        return ok(until(lambda: bool(re.search(what, self.text())) or
                        self.is_over(), self.WAIT) and not self.is_over(),
                  "%s: %s" % (self.name, name), self.text())

    def is_over(self):
        return run(*self.tmux, "has-session").returncode != 0

    def ended(self, name):
        return ok(until(self.is_over, self.WAIT), "%s: %s" % (self.name, name), self.text())

    def close(self):
        run(*self.tmux, "kill-server")
