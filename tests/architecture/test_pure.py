#!/usr/bin/python3
"""Compiles cores that are innocent and such that are not: test_pure.py SOURCE COMPILER."""
import os
import re
import subprocess
import sys
import tempfile
import unittest

SOURCE, COMPILER = sys.argv[1:3]
FLAGS = ['-std=gnu17', '-D_GNU_SOURCE', f'-I{SOURCE}', '-fsyntax-only', '-include', os.path.join(SOURCE, 'cmake/pure.h')]

# What no core may do, whatever cmake/pure.h says.
WORLD = {
    'clocks': ['time', 'clock_gettime', 'gettimeofday', 'nanosleep', 'usleep', 'sleep'],
    'sockets': ['socket', 'connect', 'accept', 'sendmsg', 'recvmsg', 'poll', 'select', 'pipe2'],
    'processes': ['fork', 'vfork', 'execve', 'posix_spawn', 'system', 'kill', 'waitpid', 'getpid'],
    'files': ['fopen', 'openat', 'printf', 'fwrite', 'mmap'],
    'chance and surroundings': ['rand', 'random', 'getrandom', 'getenv', 'setenv'],
    'threads': ['pthread_create', 'pthread_mutex_lock'],
}


def compile_text(text):
    """Its exit status, and the numbers of the lines on which it was poisoned."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, 'core.c')
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text)
        run = subprocess.run([COMPILER, *FLAGS, path], capture_output=True, text=True, check=False,
                             env={**os.environ, 'LC_ALL': 'C'})
    return run.returncode, {int(line) for line in re.findall(r'core\.c:(\d+):\d+: error: .*poisoned', run.stderr)}


class Pure(unittest.TestCase):
    def test_an_innocent_core_compiles(self):
        text = ('#include "common/store/store.h"\n'
                'enum status core_step(struct store_txn *txn, uint64_t now_ms);\n'
                'enum status core_step(struct store_txn *txn, uint64_t now_ms)\n'
                '{\n'
                '    uint8_t key[8];\n'
                '    store_u64(key, now_ms);\n'
                '    store_put(txn, 0, (struct bytes){.data = key, .size = sizeof key}, bytes_of_text("due"));\n'
                '    return STATUS_OK;\n'
                '}\n')
        self.assertEqual(compile_text(text), (0, set()))

    def test_a_core_that_reads_the_clock_does_not_compile(self):
        text = ('#include <time.h>\n'
                'long now(void);\n'
                'long now(void)\n'
                '{\n'
                '    struct timespec now = {0};\n'
                '    (void)clock_gettime(CLOCK_MONOTONIC, &now);\n'
                '    return now.tv_sec;\n'
                '}\n')
        status, lines = compile_text(text)
        self.assertNotEqual(status, 0)
        self.assertEqual(lines, {6})

    def test_nothing_of_the_world_can_be_called(self):
        for kind, names in WORLD.items():
            with self.subTest(kind=kind):
                text = ''.join(f'void *use_{index}(void) {{ return (void *){name}; }}\n'
                               for index, name in enumerate(names))
                status, lines = compile_text(text)
                self.assertNotEqual(status, 0)
                missing = [name for index, name in enumerate(names) if index + 1 not in lines]
                self.assertEqual(missing, [])


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1])
