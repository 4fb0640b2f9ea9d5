"""Child processes: started in a group of their own, so that one signal from us, not the terminal's, ends them."""

import os
import signal
import subprocess
import threading

_running = set()
_lock = threading.Lock()


def start(command, **options):
    """Start a process that `stop_all` knows of."""
    process = subprocess.Popen(list(map(str, command)), start_new_session=True, **options)
    with _lock:
        _running.add(process)
    return process


def stop(process, seconds=30):
    """End a child with its children: ask, wait, then insist."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    with _lock:
        _running.discard(process)


def stop_all():
    """End what is left; for the way out after an interruption."""
    with _lock:
        left = list(_running)
    for process in left:
        stop(process)
