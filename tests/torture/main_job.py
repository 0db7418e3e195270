#!/usr/bin/python3
"""The main job with every daemon killed in the middle of it: main_job.py BIN [SEED].

Real agents write numbered lines while supervisor, context store and broker get SIGKILL again and again, each at a
moment that the seed chooses, and are started anew. Afterwards every task must be COMPLETED, the output of each must be
whole to the byte, and no process and no run folder may be left. Exit status 0, or 1 with the first thing that is wrong.
"""
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TASKS = 24
KILLS_EACH = 3  # of every daemon
END_LIMIT_S = 120
GONE_LIMIT_S = 30
ERRORS = 3  # lines on stderr

# Writes so many lines, and leaves a process behind that has left its session: the supervisor has to find it.
AGENT = '''
setsid sleep 1000 </dev/null >/dev/null 2>&1 &
line=1
while [ $line -le "$1" ]; do
    echo "line $line of $1 with some more text so that it is not short"
    [ $line -gt {errors} ] || echo "error $line" >&2
    line=$((line + 1))
    sleep 0.02
done
'''.replace('{errors}', str(ERRORS))


def fail(text):
    print(f'main_job: {text}', flush=True)
    sys.exit(1)


def wait_for(what, limit_s, condition):
    """Until condition() gives something true, which is returned."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    return fail(f'not in {limit_s} s: {what}')


class House:
    """Three daemons on sockets and stores of their own. What they start has the marker in its environment."""

    def __init__(self, programs, folder):
        self.programs = programs
        self.folder = folder
        self.marker = 'TORTURE_HOUSE=' + os.path.basename(folder)
        self.processes = {}
        self.kills = dict.fromkeys(['broker', 'context', 'worker'], 0)
        self.broker = f'ipc://{folder}/broker.sock'
        self.context = f'ipc://{folder}/context.sock'
        self.write('agent.sh', AGENT)
        self.write('broker.conf', f'[broker]\nlisten = {self.broker}\nstore = {folder}/broker\nlease = 3s\nheartbeat = 500ms\n')
        self.write('context.conf', f'[context]\nlisten = {self.context}\nstore = {folder}/context\n')
        self.write('worker.conf', f'[worker]\nname = torture\nslots = 4\nbroker = {self.broker}\ncontext = {self.context}\n'
                                  f'state = {folder}/worker\n\n[agent counter]\ncommand = /bin/sh {folder}/agent.sh\n'
                                  f'environment = PATH {self.marker}\n')

    def write(self, name, text):
        with open(os.path.join(self.folder, name), 'w', encoding='utf-8') as file:
            file.write(text)

    def start(self, name):
        program = {'broker': 'ganger-broker', 'context': 'ganger-contextd', 'worker': 'ganger-worker'}[name]
        key, value = self.marker.split('=')
        with open(os.path.join(self.folder, name + '.log'), 'ab') as log:
            self.processes[name] = subprocess.Popen(
                [os.path.join(self.programs, program), '--config', os.path.join(self.folder, name + '.conf')],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, key: value})

    def look(self):
        """A daemon that ends by itself is a fault."""
        for name, process in self.processes.items():
            if process.poll() is not None:
                fail(f'the {name} ended with {process.returncode}: see {self.folder}/{name}.log')

    def kill(self, name):
        self.look()
        process = self.processes[name]
        process.kill()
        process.wait()
        self.kills[name] += 1

    def stop(self, name):
        process = self.processes[name]
        process.terminate()
        if process.wait(GONE_LIMIT_S) != 0:
            fail(f'the {name} stopped with {process.returncode}: see {self.folder}/{name}.log')
        del self.processes[name]

    def control(self, *words, text=None):
        """The output of gangerctl, None when it failed."""
        done = subprocess.run([os.path.join(self.programs, 'gangerctl'), '--broker', self.broker, '--context', self.context,
                               *words], input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False)
        return done.stdout if done.returncode == 0 else None

    def marked(self):
        """Every living process that was started from here, by its pid; the daemons themselves too."""
        found = {}
        for pid in filter(str.isdigit, os.listdir('/proc')):
            try:
                with open(f'/proc/{pid}/environ', 'rb') as file:
                    if self.marker.encode() in file.read().split(b'\0'):
                        with open(f'/proc/{pid}/cmdline', 'rb') as command:
                            found[int(pid)] = command.read().replace(b'\0', b' ').decode(errors='replace')
            except OSError:
                continue  # it has just gone
        return found

    def end(self):
        """Nothing that was started here stays, whatever went wrong."""
        for pid in self.marked():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def submit(house, lines):
    ids = house.control('submit', '--type', 'counter', '--each', '--quiet', '--max-attempts', '50', '--backoff', '100ms',
                        '--backoff-max', '200ms', text=''.join(f'{line}\n' for line in lines).encode())
    ids = (ids or b'').decode().split()
    if len(ids) != len(lines):
        fail(f'{len(ids)} tasks were submitted instead of {len(lines)}')
    return ids


def states(house):
    """How many tasks are in each state; nothing when the broker is away."""
    house.look()
    listed = house.control('list', '--json', '--limit', str(TASKS * 2))
    counts = {}
    for line in (listed or b'').decode().splitlines():
        state = json.loads(line)['state']
        counts[state] = counts.get(state, 0) + 1
    return counts


def kill_in_the_middle(house, chance):
    """Each daemon several times, in an order and at moments of chance; always while agents run."""
    order = list(house.kills) * KILLS_EACH
    chance.shuffle(order)
    for name in order:
        if states(house).get('COMPLETED') == TASKS:
            fail(f'the job was over after {sum(house.kills.values())} kills: it is too short for this machine')
        time.sleep(chance.uniform(0.2, 0.6))
        house.kill(name)
        del house.processes[name]
        time.sleep(chance.uniform(0, 0.3))
        house.start(name)


def expect_output(house, task, count):
    out = ''.join(f'line {line} of {count} with some more text so that it is not short\n' for line in range(1, count + 1))
    errors = ''.join(f'error {line}\n' for line in range(1, ERRORS + 1))
    for option, expected in [('--stdout', out), ('--stderr', errors)]:
        # It may still be on its way from the supervisor's files to the context store.
        wait_for(f'the whole {option[2:]} of task {task}', GONE_LIMIT_S,
                 lambda option=option, expected=expected: house.control('logs', option, task) == expected.encode())


def run_folders(house):
    top = os.path.join(house.folder, 'worker', 'runs')
    return os.listdir(top) if os.path.isdir(top) else []


def job(house, chance):
    for name in house.kills:
        house.start(name)
    wait_for('an answer of the broker', GONE_LIMIT_S, lambda: house.control('status') is not None)
    lines = [chance.randint(20, 60) for _ in range(TASKS)]
    ids = submit(house, lines)
    wait_for('agents at work', GONE_LIMIT_S, lambda: states(house).get('RUNNING'))
    kill_in_the_middle(house, chance)
    wait_for('the end of all tasks', END_LIMIT_S, lambda: states(house).get('COMPLETED') == TASKS)
    for task, count in zip(ids, lines):
        expect_output(house, task, count)
    wait_for(f'run folders that are gone: {run_folders(house)}', GONE_LIMIT_S, lambda: not run_folders(house))
    for name in ['worker', 'context', 'broker']:
        house.stop(name)
    wait_for(f'the end of all processes: {house.marked()}', GONE_LIMIT_S, lambda: not house.marked())


def main():
    if len(sys.argv) not in (2, 3):
        print('usage: main_job.py BIN [SEED]', file=sys.stderr)
        return 2
    seed = int(sys.argv[2] if len(sys.argv) == 3 else os.environ.get('GANGER_SEED') or random.SystemRandom().randrange(10**9))
    print(f'GANGER_SEED={seed}', flush=True)
    folder = tempfile.mkdtemp(prefix='ganger-')
    house = House(os.path.abspath(sys.argv[1]), folder)
    begin = time.monotonic()
    try:
        job(house, random.Random(seed))
    except SystemExit:
        print(f'kept: {folder}')
        raise
    finally:
        house.end()
    shutil.rmtree(folder)
    kills = ', '.join(f'{name} {count}' for name, count in house.kills.items())
    print(f'{TASKS} tasks completed with whole outputs in {time.monotonic() - begin:.1f} s; killed: {kills}; nothing left')
    return 0


if __name__ == '__main__':
    sys.exit(main())
