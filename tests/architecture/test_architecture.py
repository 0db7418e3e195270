#!/usr/bin/python3
"""The checks of architecture.py on trees that are wrong in one way each."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

import architecture

MARK = 'TO' 'DO'
HEADERS = ['common/base/bytes.h', 'common/store/store.h', 'common/store/store_lmdb.h', 'common/store/backend.h',
           'common/rpc/server.h', 'common/rpc/client.h', 'common/daemon/daemon.h', 'common/serve/serve.h',
           'broker/shell.h', 'broker/core/core.h', 'contextd/shell.h', 'contextd/core/core.h', 'worker/slots.h',
           'worker/core/core.h', 'worker/shim/shim.h', 'client/ganger.h', 'cli/cli.h', 'tests/support/process.h']


class Case(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.root = os.path.join(os.path.realpath(self.directory.name), 'source')
        self.build = os.path.join(os.path.realpath(self.directory.name), 'build')
        os.makedirs(self.build)
        for header in HEADERS:
            self.write(header, '#pragma once\n')
        self.compiled({})

    def write(self, path, text):
        path = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text)

    def compiled(self, flags_of_files):
        entries = [{'directory': self.build, 'file': os.path.join(self.root, path),
                    'command': f'cc {flags.replace("ROOT", self.root)} -c {path}'}
                   for path, flags in flags_of_files.items()]
        with open(os.path.join(self.build, 'compile_commands.json'), 'w', encoding='utf-8') as file:
            json.dump(entries, file)

    def offences(self):
        tree = architecture.Tree(self.root, self.build)
        return [line for rule in architecture.RULES for line in rule(tree)]

    def refused(self, path, text, *expected):
        """What is wrong with a tree that has this file too: each expected text in its own offence, in this order."""
        self.write(path, text)
        found = self.offences()
        self.assertEqual(len(found), len(expected), found)
        for line, part in zip(found, expected):
            self.assertIn(part, line)
        os.remove(os.path.join(self.root, path))

    def accepted(self, path, text):
        self.refused(path, text)


class Arrows(Case):
    def arrow(self, path, header):
        include = f'#include "{header}"\n' if '.pb-c' not in header else f'#include <{header}>\n'
        return path, include + ('#pragma once\n' if path.endswith('.h') else '')

    def test_the_arrows_of_the_design_are_accepted(self):
        for path, header in [
                ('common/store/a.c', 'common/base/bytes.h'), ('common/rpc/a.c', 'ganger/v1/tasks.pb-c.h'),
                ('common/serve/a.c', 'common/store/store.h'), ('common/serve/a.c', 'common/rpc/server.h'),
                ('broker/core/a.h', 'common/store/store.h'), ('broker/a.c', 'broker/core/core.h'),
                ('broker/a.c', 'common/store/store_lmdb.h'), ('broker/a.c', 'common/rpc/server.h'),
                ('contextd/a.c', 'common/daemon/daemon.h'), ('contextd/a.c', 'ganger/v1/context.pb-c.h'),
                ('worker/a.c', 'client/ganger.h'), ('worker/a.c', 'worker/shim/shim.h'),
                ('client/a.c', 'common/rpc/client.h'), ('cli/a.c', 'client/ganger.h'),
                ('tests/broker/a.c', 'broker/core/core.h'), ('tests/broker/a.c', 'contextd/core/core.h')]:
            with self.subTest(path=path, header=header):
                self.accepted(*self.arrow(path, header))

    def test_every_other_arrow_is_refused(self):
        for path, header in [
                ('common/base/a.c', 'common/store/store.h'), ('common/base/a.c', 'ganger/v1/tasks.pb-c.h'),
                ('common/store/a.c', 'common/rpc/server.h'), ('common/store/a.c', 'ganger/v1/tasks.pb-c.h'),
                ('common/rpc/a.c', 'common/store/store.h'), ('common/daemon/a.c', 'common/rpc/server.h'),
                ('common/serve/a.c', 'common/store/store_lmdb.h'), ('common/base/a.h', 'broker/shell.h'),
                ('broker/core/a.h', 'common/rpc/server.h'), ('broker/core/a.h', 'common/store/store_lmdb.h'),
                ('broker/core/a.h', 'broker/shell.h'), ('broker/core/a.h', 'common/daemon/daemon.h'),
                ('broker/a.c', 'contextd/core/core.h'), ('broker/a.c', 'contextd/shell.h'),
                ('broker/a.c', 'worker/slots.h'), ('broker/a.c', 'client/ganger.h'),
                ('broker/a.c', 'common/store/backend.h'), ('contextd/a.c', 'broker/core/core.h'),
                ('worker/a.c', 'common/store/store.h'), ('worker/a.c', 'common/store/store_lmdb.h'),
                ('worker/a.c', 'common/rpc/client.h'), ('worker/a.c', 'broker/core/core.h'),
                ('worker/core/a.h', 'common/store/store.h'), ('worker/shim/a.c', 'worker/slots.h'),
                ('client/a.c', 'common/store/store.h'), ('client/a.c', 'broker/core/core.h'),
                ('cli/a.c', 'common/rpc/client.h'), ('cli/a.c', 'common/store/store.h'),
                ('cli/a.c', 'broker/shell.h'), ('cli/a.c', 'tests/support/process.h')]:
            with self.subTest(path=path, header=header):
                self.refused(*self.arrow(path, header), f'{path}:1: {os.path.dirname(path)} must not include {header}')

    def test_messages_do_not_reach_a_core(self):
        self.refused('broker/core/a.h', '#pragma once\n#include <ganger/v1/tasks.pb-c.h>\n',
                     'broker/core must not include', 'a core must not include')

    def test_a_new_folder_needs_a_place_in_the_table(self):
        self.refused('common/extra/a.c', 'int a;\n', 'common/extra/a.c:1: a folder that the table')

    def test_headers_are_included_from_the_root(self):
        self.refused('broker/a.c', '#include "shell.h"\n', 'is not the path of a file from the root',
                     'must not include shell.h')
        self.refused('broker/a.c', '#include <broker/shell.h>\n', 'is ours')


class External(Case):
    def test_each_dependency_stays_where_it_belongs(self):
        for path, header in [('common/store/store_lmdb_a.c', 'lmdb.h'), ('common/rpc/a.c', 'zmq.h'),
                             ('common/daemon/a.c', 'ini.h'), ('common/daemon/a.c', 'systemd/sd-event.h'),
                             ('cli/a.c', 'jansson.h'), ('tests/rpc/a.c', 'zmq.h'), ('tests/rpc/a.c', 'lmdb.h')]:
            with self.subTest(path=path, header=header):
                self.accepted(path, f'#include <{header}>\n')

    def test_and_nowhere_else(self):
        for path, header in [('common/store/store_mem.c', 'lmdb.h'), ('common/store/store.c', 'lmdb.h'),
                             ('broker/a.c', 'lmdb.h'), ('broker/a.c', 'zmq.h'), ('client/a.c', 'zmq.h'),
                             ('cli/a.c', 'zmq.h'), ('common/rpc/a.c', 'czmq.h'), ('broker/a.c', 'ini.h'),
                             ('broker/a.c', 'jansson.h'), ('client/a.c', 'systemd/sd-event.h')]:
            with self.subTest(path=path, header=header):
                self.refused(path, f'#include <{header}>\n', f'{path}:1: {header} is for ')


class Sizes(Case):
    def test_a_file_may_have_600_lines(self):
        self.accepted('cli/a.c', 'int a;\n' * 600)
        self.refused('cli/a.c', 'int a;\n' * 601, '601 lines')

    def test_a_function_may_have_70_lines(self):
        self.accepted('cli/a.c', 'int f(void)\n{\n' + '    g();\n' * 70 + '}\n')
        self.refused('cli/a.c', 'int f(void)\n{\n' + '    g();\n' * 71 + '}\n', 'cli/a.c:2: a function of 71 lines')

    def test_every_function_is_measured(self):
        short = 'int f(void)\n{\n    return 0;\n}\n\n'
        table = 'static const int t[] = {\n' + '    1,\n' * 80 + '};\n\n'
        self.accepted('cli/a.c', short + table + short)
        self.refused('cli/a.c', short + table + 'Test(a, b)\n{\n' + '\n' * 71 + '}\n', 'a function of 71 lines')

    def test_a_function_may_have_6_parameters(self):
        six = 'int f(int a, int b, int c,\n      int (*d)(int x, int y), int e, int g)\n{\n}\n'
        self.accepted('cli/a.c', 'int before(void);\n' + six)
        self.refused('cli/a.c', 'int before(void);\n' + six.replace('int g', 'int g, int h'), '7 parameters')


class Cores(Case):
    def test_a_core_is_compiled_pure(self):
        self.compiled({'broker/core/a.c': '-O1 -include ROOT/cmake/pure.h'})
        self.accepted('broker/core/a.c', 'int a;\n')

    def test_a_core_without_the_header_is_refused(self):
        for flags in ['-O1', '-include ROOT/cmake/impure.h', '-include ROOT/elsewhere/cmake/pure.h']:
            with self.subTest(flags=flags):
                self.compiled({'contextd/core/a.c': flags})
                self.refused('contextd/core/a.c', 'int a;\n', 'not compiled PURE')

    def test_a_core_that_nobody_compiles_is_refused(self):
        self.refused('worker/core/a.c', 'int a;\n', 'is not compiled')

    def test_the_tests_of_a_core_are_free(self):
        self.accepted('tests/broker/core/a.c', 'int a;\n')


class Marks(Case):
    def test_unfinished_work_is_refused_everywhere(self):
        for path in ['cli/a.c', 'docs/a.md', 'deploy/a.conf', 'README.md', 'tests/system/a.py', 'proto/ganger/v1/a.proto']:
            with self.subTest(path=path):
                self.refused(path, f'one\n{MARK}: two\n', f'{path}:2: a mark')

    def test_words_that_only_look_like_marks_are_accepted(self):
        self.accepted('docs/a.md', 'mkdtemp("/tmp/a-' + 'X' * 6 + f'") {MARK}S {MARK.lower()}\n')

    def test_headers_are_read_once(self):
        self.refused('cli/a.h', 'int a;\n', 'without #pragma once')


class Program(Case):
    def exit_status(self, *arguments):
        program = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'architecture.py')
        return subprocess.run([sys.executable, '-B', program, *arguments], capture_output=True, check=False).returncode

    def test_its_exit_status_says_what_it_found(self):
        self.write('cli/a.c', '#include "client/ganger.h"\n')
        self.assertEqual(self.exit_status(self.root, self.build), 0)
        self.write('cli/b.c', '#include "broker/shell.h"\n')
        self.assertEqual(self.exit_status(self.root, self.build), 1)
        self.assertEqual(self.exit_status(self.build, self.build), 2, 'nothing to check is no success')
        self.assertEqual(self.exit_status(self.root), 2)


if __name__ == '__main__':
    unittest.main()
