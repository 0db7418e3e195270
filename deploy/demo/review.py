"""The main job: every source file of a folder is reviewed by a real agent, one task per file.

usage: review.py --programs FOLDER --run FOLDER [--once] [--all] FOLDER

Starts the three daemons, submits, waits, reads every output back from the context store and prints a table. Then it
stays until Ctrl-C, or with --once stops everything. Status 0 when every task ended as it should. All it knows about
the tasks comes from gangerctl --json.
"""

import argparse
import fcntl
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time

from fleet import Fleet, FleetError

FILES_MAX = 1000
FILE_SIZE_MAX = 1024 * 1024
HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.dirname(os.path.dirname(HERE))
LEFT_OUT = {"build", "__pycache__", "node_modules"}
AGENT_TYPES = {".c": "compile", ".h": "lint"}  # all others: count


class Interrupted(Exception):
    """Ctrl-C, or SIGTERM."""


def say(text):
    print(f"==> {text}", flush=True)


def is_text(path):
    with open(path, "rb") as file:
        return b"\0" not in file.read(4096)


def source_files(folder):
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in LEFT_OUT and not name.startswith("."))
        for name in sorted(names):
            path = os.path.join(place, name)
            # A line is a task, so no newlines.
            if name.startswith(".") or "\n" in path or not os.path.isfile(path) or not os.access(path, os.R_OK):
                continue
            if 0 < os.path.getsize(path) <= FILE_SIZE_MAX and is_text(path):
                found.append(path)
    return found


class Job:
    """The tasks of one review, and what became of them."""

    def __init__(self, programs, fleet, folder):
        self._gangerctl = os.path.join(programs, "gangerctl")
        self._fleet = fleet
        self._folder = folder
        self.outputs = os.path.join(fleet.folder, "outputs")
        self.submitted = {}  # task id -> (path, the state that it must end in; None = what its agent finds)
        os.makedirs(self.outputs)

    def _call(self, *words, given=b"", allowed=(0,), stderr=None):
        """What gangerctl prints; its progress and its complaints go where ours go."""
        result = subprocess.run([self._gangerctl, *words], env=self._fleet.environment, input=given,
                                stdout=subprocess.PIPE, stderr=stderr, check=False)
        if result.returncode not in allowed:
            raise FleetError(f"gangerctl {words[0]} ended with status {result.returncode}")
        return result.stdout

    def submit(self, agent_type, paths, wanted):
        """One task per path: the payload is the path."""
        printed = self._call("submit", "--json", "--each", "--type", agent_type, "--title", "{}", "--max-attempts", "2",
                             "--backoff", "500ms", given=b"".join(os.fsencode(path) + b"\n" for path in paths))
        for path, line in zip(paths, printed.splitlines(), strict=True):
            self.submitted[json.loads(line)["task_id"]] = (path, wanted)

    def submit_all(self, paths):
        by_type = {}
        for path in paths:
            by_type.setdefault(AGENT_TYPES.get(os.path.splitext(path)[1], "count"), []).append(path)
        for agent_type, of_type in by_type.items():
            self.submit(agent_type, of_type, None if agent_type == "compile" else "COMPLETED")
        # Two that fail on purpose, so that a retry and a failure are seen whatever the folder holds.
        self.submit("moody", paths[:1], "COMPLETED")
        broken = os.path.join(self._fleet.folder, "broken.c")
        with open(broken, "w", encoding="utf-8") as file:
            file.write("/* Fails on purpose. */\n#include \"a-header-that-nobody-has.h\"\n")
        self.submit("compile", [broken], "FAILED")

    def wait(self):
        """Until all have ended; gangerctl shows progress on a terminal. Every task as it ended, in our order."""
        printed = self._call("wait", "--json", *self.submitted, allowed=(0, 1))  # 1: one of them failed
        ended = {task["task_id"]: task for task in map(json.loads, printed.splitlines())}
        return [self._judged(ended[task_id], path, wanted) for task_id, (path, wanted) in self.submitted.items()]

    def _judged(self, task, path, wanted):
        inside = path.startswith(self._folder + os.sep)
        task["file"] = os.path.relpath(path, self._folder) if inside else os.path.basename(path)
        task["as_it_should"] = task["state"] == wanted if wanted else self._compiled(task)
        return task

    @staticmethod
    def _compiled(task):
        """A compiler may refuse a file that does not compile on its own: with status 1, and no other way."""
        return task["state"] == "COMPLETED" or (task["state"] == "FAILED" and task["outcome"]["exit_status"] == 1)

    def read_outputs(self, tasks):
        """From the context store, each into a file of its own."""
        for task in tasks:
            task["output"] = os.path.join(self.outputs, f"{task['task_id']}.txt")
            with open(task["output"], "wb") as file:
                # -f waits for what is still under way. gangerctl keeps stdout and stderr apart; here both are wanted.
                file.write(self._call("logs", "-f", "-q", task["task_id"], stderr=subprocess.STDOUT))


def result_of(task):
    outcome = task["outcome"] or {}
    text = outcome.get("result") if task["state"] == "COMPLETED" else outcome.get("message")
    return (text or "").strip().split("\n")[-1]


def took(task):
    """The last run, from its start to its end."""
    return f"{(task['ended_ms'] - task['started_ms']) / 1000:.2f}s" if task["started_ms"] else "-"


def print_table(tasks):
    rows = [("TASK", "TYPE", "FILE", "STATE", "TRIES", "TOOK", "OUTPUT", "RESULT")]
    for task in tasks:
        mark = "" if task["as_it_should"] else "!"
        rows.append((task["task_id"], task["spec"]["agent_type"], task["file"], task["state"] + mark,
                     str(task["attempts"]), took(task),
                     f"{os.path.getsize(task['output'])} B", result_of(task)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else 1000
    print()
    for row in rows:
        cells = [cell.rjust(width) if column in (4, 5, 6) else cell.ljust(width)
                 for column, (cell, width) in enumerate(zip(row, widths))]
        print("  ".join(cells).rstrip()[:room])
    print()


def print_summary(tasks, duration_s):
    completed = sum(task["state"] == "COMPLETED" for task in tasks)
    retried = sum(task["attempts"] > 1 for task in tasks)
    wrong = [task for task in tasks if not task["as_it_should"]]
    print(f"{len(tasks)} tasks in {duration_s:.1f} s: {completed} completed, {len(tasks) - completed} failed, "
          f"{retried} tried more than once; {len(wrong)} not as they should")
    for task in wrong:
        print(f"not as it should: {task['task_id']} {task['state']}: {result_of(task)}")
    return not wrong


def stay(fleet, programs):
    say("the daemons go on until Ctrl-C; in another terminal:")
    for name, value in fleet.endpoints.items():
        print(f"    export {name}={shlex.quote(value)}")
    print(f"    {shlex.quote(programs)}/gangerctl status", flush=True)
    while not fleet.failed:
        time.sleep(0.2)
    raise FleetError("a daemon is gone")


def review(arguments, fleet):
    files = source_files(arguments.folder)
    if not files:
        raise FleetError(f"{arguments.folder} has no text files to review")
    if len(files) > FILES_MAX and not arguments.all:
        say(f"{len(files)} files: taking the first {FILES_MAX}; --all takes all")
        files = files[:FILES_MAX]
    say(f"starting the daemons below {fleet.folder}")
    fleet.start()

    job = Job(arguments.programs, fleet, arguments.folder)
    begun = time.monotonic()
    say(f"submitting {len(files)} files of {arguments.folder}, and two tasks that fail on purpose")
    job.submit_all(files)
    tasks = job.wait()
    duration_s = time.monotonic() - begun
    job.read_outputs(tasks)
    print_table(tasks)
    good = print_summary(tasks, duration_s)
    print(f"outputs, as read back from the context store: {job.outputs}", flush=True)
    return good


def make_fleet(arguments):
    # Where the compiler looks for headers: the folder itself, and for our own sources the public and generated ones.
    headers = [arguments.folder]
    if arguments.folder == PROJECT:
        headers += [f"{PROJECT}/client", f"{os.path.dirname(arguments.programs)}/proto"]
    environment = {"CPATH": ":".join(headers), "PATH": f"{HERE}/agents:{os.environ.get('PATH', '/usr/bin:/bin')}"}
    return Fleet(arguments.programs, arguments.run, f"{HERE}/worker.conf", environment, say)


def lock_folder(path):
    """One at a time. The lock lies beside the folder, which is made anew."""
    lock = open(path + ".lock", "w", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"review: {path} is in use: another ./dev run is at work")
    return lock


def raise_interrupted(_number, _frame):
    # Once: what follows is the orderly end, which a second Ctrl-C must not cut short.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Interrupted


def parse_arguments():
    parser = argparse.ArgumentParser(description="Review every source file of a folder with real agents.")
    parser.add_argument("--programs", required=True, help="the folder of the built programs")
    parser.add_argument("--run", required=True, help="everything of this run; made anew")
    parser.add_argument("--once", action="store_true", help="end after the job")
    parser.add_argument("--all", action="store_true", help=f"more than {FILES_MAX} files")
    parser.add_argument("folder")
    arguments = parser.parse_args()
    for name in ("programs", "run", "folder"):
        setattr(arguments, name, os.path.realpath(getattr(arguments, name)))
    if not os.path.isdir(arguments.folder):
        parser.error(f"{arguments.folder} is no folder")
    return arguments


def main():
    sys.stdout.reconfigure(errors="backslashreplace")  # names of files can be any bytes
    arguments = parse_arguments()
    os.makedirs(os.path.dirname(arguments.run), exist_ok=True)
    lock = lock_folder(arguments.run)
    fleet = make_fleet(arguments)
    signal.signal(signal.SIGINT, raise_interrupted)
    signal.signal(signal.SIGTERM, raise_interrupted)

    status = 130
    try:
        status = 0 if review(arguments, fleet) else 1
        if not arguments.once:
            stay(fleet, arguments.programs)
    except Interrupted:
        print()
    except FleetError as error:
        print(f"review: {error}", file=sys.stderr)
        status = 1
    say("stopping the daemons")
    for problem in fleet.stop():
        print(f"review: {problem}", file=sys.stderr)
        status = 1
    lock.close()
    return status


if __name__ == "__main__":
    sys.exit(main())
