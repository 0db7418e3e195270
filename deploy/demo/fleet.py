"""The three daemons as children of this program, with everything of theirs in one folder.

This is what the systemd units do, for trying and for tests: start, wait for READY=1, start again what dies, stop in
order, and prove that no process is left.
"""

import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

PR_SET_CHILD_SUBREAPER = 36
SOCKET_PATH_MAX = 100  # of 107, the kernel's limit
READY_WITHIN_S = 30
STOP_WITHIN_S = 30
RESTARTS_MAX = 20


class FleetError(Exception):
    """What went wrong, in a sentence for people."""


class Daemon:
    """One daemon, its log and its readiness."""

    def __init__(self, name, arguments, environment, folder, sockets):
        self.name = name
        self.log = os.path.join(folder, f"{name}.log")
        self.process = None
        self.restarts = 0
        self._arguments = arguments
        self._environment = environment
        self._notify_path = os.path.join(sockets, f"{name}.notify")

    def start(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, open(self.log, "ab") as log:
            if os.path.exists(self._notify_path):
                os.unlink(self._notify_path)
            notify.bind(self._notify_path)
            # A session of its own: Ctrl-C is for us, and we stop the daemons in their order. pdeathsig: if we die
            # without stopping them, they go too.
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", "--", *self._arguments],
                env={**self._environment, "NOTIFY_SOCKET": self._notify_path},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
            self._wait_until_ready(notify)

    def _wait_until_ready(self, notify):
        deadline = time.monotonic() + READY_WITHIN_S
        notify.settimeout(0.1)
        while time.monotonic() < deadline:
            try:
                if b"READY=1" in notify.recv(4096).split(b"\n"):
                    return
            except socket.timeout:
                if self.process.poll() is not None:
                    raise FleetError(f"{self.name} did not start:\n{self.last_words()}") from None
        raise FleetError(f"{self.name} was not ready after {READY_WITHIN_S} s; see {self.log}")

    def last_words(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return "".join(file.readlines()[-10:])

    def stop(self):
        """True when it stopped as asked."""
        if self.process is None or self.process.poll() is not None:
            return True
        self.process.terminate()
        try:
            self.process.wait(STOP_WITHIN_S)
            return True
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return False


class Fleet:
    """Broker, context store and worker. programs is a folder with the built programs; folder is made anew; tell takes a
    sentence about what happens meanwhile."""

    def __init__(self, programs, folder, worker_config, worker_environment, tell):
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        # Every descendant that loses its parent becomes our child, so that we can tell whether anything is left.
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

        self.folder = folder
        self.failed = False
        self._tell = tell
        self._stopping = threading.Event()
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._keeper = threading.Thread(target=self._keep_up, daemon=True)
        self._sockets = folder
        # Spaces and commas separate endpoints.
        if len(os.path.join(folder, "ganger-contextd.notify")) > SOCKET_PATH_MAX or re.search(r"[\s,]", folder):
            self._sockets = tempfile.mkdtemp(prefix="ganger-")
        self.endpoints = {
            "GANGER_BROKER": f"ipc://{self._sockets}/broker.sock",
            "GANGER_CONTEXT": f"ipc://{self._sockets}/context.sock",
        }
        self.environment = {**os.environ, **self.endpoints}
        self._daemons = [
            self._daemon("broker", programs, self.environment,
                         "--set", f"broker.listen={self.endpoints['GANGER_BROKER']}",
                         "--set", f"broker.store={folder}/broker"),
            self._daemon("contextd", programs, self.environment,
                         "--set", f"context.listen={self.endpoints['GANGER_CONTEXT']}",
                         "--set", f"context.store={folder}/context"),
            self._daemon("worker", programs, {**self.environment, **worker_environment}, "--config", worker_config,
                         "--set", f"worker.state={folder}/worker", "--set", f"worker.shim={programs}/ganger-shim"),
        ]

    def _daemon(self, name, programs, environment, *arguments):
        program = f"ganger-{name}"
        return Daemon(program, [f"{programs}/{program}", *arguments], environment, self.folder, self._sockets)

    def start(self):
        for daemon in self._daemons:
            daemon.start()
        self._write_pids()
        self._keeper.start()

    def _keep_up(self):
        """Starts again what has died, as the units do."""
        while not self._stopping.wait(0.1):
            with self._lock:
                for daemon in self._daemons:
                    if daemon.process.poll() is not None and not self._stopping.is_set():
                        self._start_again(daemon)
        # The end of this thread would be the pdeathsig of the daemons that it started.
        self._stopped.wait()

    def _start_again(self, daemon):
        status = daemon.process.returncode
        how = signal.Signals(-status).name if status < 0 else f"status {status}"
        daemon.restarts += 1
        try:
            if daemon.restarts > RESTARTS_MAX:
                raise FleetError(f"{daemon.name} does not stay up:\n{daemon.last_words()}")
            daemon.start()
            self._write_pids()
            self._tell(f"{daemon.name} ended with {how} and was started again")
        except FleetError as error:
            self._tell(str(error))
            self.failed = True
            self._stopping.set()

    def _write_pids(self):
        path = os.path.join(self.folder, "pids")
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.writelines(f"{daemon.name} {daemon.process.pid}\n" for daemon in self._daemons if daemon.process)
        os.rename(path + ".new", path)

    def stop(self):
        """Stops everything, the worker first. Returns the sentences about what went wrong; none is good."""
        self._stopping.set()
        with self._lock:
            problems = [f"{daemon.name} did not stop and was killed"
                        for daemon in reversed(self._daemons) if not daemon.stop()]
        self._stopped.set()
        if self._keeper.is_alive():
            self._keeper.join()
        left = self._left_behind()
        if left:
            problems.append(f"processes were left behind: {', '.join(left)}")
        if self._sockets != self.folder:
            shutil.rmtree(self._sockets, ignore_errors=True)
        return problems

    @staticmethod
    def _left_behind():
        """Names of children that do not end by themselves within a few seconds: every one of ours should be gone."""
        deadline = time.monotonic() + 5
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return []
            if pid == 0 and time.monotonic() > deadline:
                break
            if pid == 0:
                time.sleep(0.05)
        with open(f"/proc/self/task/{os.getpid()}/children", encoding="utf-8") as file:
            pids = file.read().split()
        names = []
        for pid in pids:
            try:
                with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
                    names.append(f"{file.read().strip()} ({pid})")
            except FileNotFoundError:
                pass
        return names
