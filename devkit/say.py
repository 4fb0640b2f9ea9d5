"""Progress lines, and problems told as a sentence that says what to do."""

import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

_START = time.monotonic()
_TICK_SECONDS = 10
_lock = threading.Lock()


class Problem(Exception):
    """Something is missing or went wrong; the text says what to do about it."""


def say(text, stream=None):
    """Print one line with the seconds since the program started."""
    stream = stream or sys.stderr
    with _lock:
        print(f"[{time.monotonic() - _START:6.1f} s] {text}", file=stream, flush=True)


@contextmanager
def step(text):
    """Announce a long step, remind every few seconds that it is alive, and tell how long it took.

    Yields a function that sets the detail shown in the reminders.
    """
    started = time.monotonic()
    finished = threading.Event()
    detail = [""]

    def remind():
        while not finished.wait(_TICK_SECONDS):
            say(f"{text} ... {time.monotonic() - started:.0f} s{detail[0]}")

    def set_detail(value):
        detail[0] = f" ({value})" if value else ""

    say(f"{text} ...")
    reminder = threading.Thread(target=remind, daemon=True)
    reminder.start()
    try:
        yield set_detail
    finally:
        finished.set()
        reminder.join()
    say(f"{text}: done in {time.monotonic() - started:.1f} s")


def run_quietly(command, *, log, advice, timeout=1800, **options):
    """Run a command with its output in a log file.

    :param log: Path of the log; it is appended to
    :param advice: sentence for the person when the command fails
    :raise Problem: with the advice and the end of the log
    """
    log = Path(log)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        start = output.tell()
        try:
            done = subprocess.run(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                timeout=timeout, check=False, **options,
            )
        except FileNotFoundError as error:
            raise Problem(f"The program {command[0]} is not there. {advice}") from error
        except subprocess.TimeoutExpired as error:
            raise Problem(f"{command[0]} did not end within {timeout} s (log: {log}). {advice}") from error
    if done.returncode:
        with log.open("rb") as output:
            output.seek(start)
            text = output.read().decode(errors="replace")
        tail = "\n".join("    " + line for line in text.splitlines()[-25:])
        raise Problem(f"{advice}\n  {Path(str(command[0])).name} ended with {done.returncode}; "
                      f"the whole log is {log}, its end:\n{tail}")
