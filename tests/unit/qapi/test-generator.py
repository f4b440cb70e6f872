# SPDX-License-Identifier: LGPL-2.1-or-later
"""The QAPI generator: what it accepts, and how it says no.

Each file of schemas/ that is no good says in its first line which error it
must get, as `# error LINE: TEXT`; the others must be accepted.
"""

import glob
import os
import re
import sys
import tempfile
import unittest

SCRIPTS = sys.argv.pop(1)
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, SCRIPTS)

from qapi.common import Cond, c_enum_const, c_name  # noqa: E402
from qapi.gen_docs import DocsGen  # noqa: E402
from qapi.main import main  # noqa: E402
from qapi.schema import load_schema  # noqa: E402
from qapi.source import QAPIError  # noqa: E402


class Names(unittest.TestCase):
    """C names are those of the public interface."""

    def test_enum_constants(self):
        for type_name, value, prefix, expected in (
                ('SocketAddressType', 'vsock', '',
                 'SOCKET_ADDRESS_TYPE_VSOCK'),
                ('OnOffAuto', 'auto', '', 'ON_OFF_AUTO_AUTO'),
                ('JSONType', 'int', '', 'JSON_TYPE_INT'),
                ('X86CPURegister32', 'EAX', '', 'X86_CPU_REGISTER32_EAX'),
                ('QCryptoHashAlgorithm', 'sha256', 'QCRYPTO_HASH_ALG',
                 'QCRYPTO_HASH_ALG_SHA256'),
                ('RunState', 'internal-error', '',
                 'RUN_STATE_INTERNAL_ERROR')):
            self.assertEqual(c_enum_const(type_name, value, prefix), expected)

    def test_identifiers(self):
        self.assertEqual(c_name('keep-alive'), 'keep_alive')
        self.assertEqual(c_name('unix'), 'q_unix')
        self.assertEqual(c_name('3des'), 'q_3des')
        self.assertEqual(c_name('3des', False), '3des')
        self.assertEqual(c_name('default'), 'q_default')

    def test_conditions(self):
        cond = Cond({'all': ['A', {'not': {'any': ['B', 'C']}}]})
        self.assertEqual(cond.c_expr(),
                         'defined(A) && !(defined(B) || defined(C))')
        self.assertEqual(cond.text(), 'A and not (B or C)')
        self.assertFalse(Cond())


class Schemas(unittest.TestCase):
    """One test for all files, so that a new file needs no new code."""

    def test_files(self):
        files = sorted(glob.glob(os.path.join(HERE, 'schemas', '*.json')))
        self.assertGreater(len(files), 60)
        for file in files:
            with self.subTest(file=os.path.basename(file)):
                self.check(file)

    def check(self, file):
        with open(file, encoding='utf-8') as stream:
            first = stream.readline()
        match = re.match(r'# error ([0-9]+): (.*)$', first)
        if not match:
            load_schema(file)
            return
        with self.assertRaises(QAPIError) as caught:
            load_schema(file)
        error = caught.exception
        self.assertIn(match.group(2), error.message)
        self.assertEqual(error.loc.line, int(match.group(1)), error.message)
        self.assertEqual(os.path.basename(error.loc.file),
                         os.path.basename(file))

    def test_missing_file(self):
        with self.assertRaises(QAPIError):
            load_schema(os.path.join(HERE, 'schemas', 'no-such-file.json'))


class Output(unittest.TestCase):
    """What is written. That it compiles and works, the C tests show."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.out = directory.name

    def read(self, name):
        with open(os.path.join(self.out, name), encoding='utf-8') as stream:
            return stream.read()

    def test_module(self):
        schema = os.path.join(HERE, 'test-schema.json')
        dep = os.path.join(self.out, 'dep')
        self.assertEqual(main(['--module', schema, '-o', self.out,
                               '--depfile', dep, '--target', 'x']), 0)
        types = self.read('qapi-types-test-schema.h')
        self.assertIn('#include "qapi/qapi-types-test-base.h"', types)
        self.assertIn('    TEST_COL_DARK_GREEN,\n', types)
        self.assertNotIn('struct TestBase {', types)
        self.assertIn('#if defined(TEST_NEVER_DEFINED)', types)
        self.assertIn('test-base.json', self.read('dep'))
        again = tempfile.mkdtemp(dir=self.out)
        main(['--module', schema, '-o', again])
        for name in os.listdir(again):
            with open(os.path.join(again, name), encoding='utf-8') as stream:
                self.assertEqual(stream.read(), self.read(name), name)

    def test_bad_schema_fails(self):
        with open(os.path.join(self.out, 'bad.json'), 'w',
                  encoding='utf-8') as stream:
            stream.write('{ ]')
        with open(os.devnull, 'w', encoding='utf-8') as null:
            stderr, sys.stderr = sys.stderr, null
            try:
                status = main(['--check',
                               os.path.join(self.out, 'bad.json')])
            finally:
                sys.stderr = stderr
        self.assertEqual(status, 1)

    def test_reference(self):
        file = os.path.join(HERE, 'schemas', 'doc-good.json')
        schema = load_schema(file)
        text = DocsGen().run(schema.modules['doc-good'],
                             schema.of_module('doc-good'))
        self.assertIn('# QMP reference: doc-good\n', text)
        self.assertIn('## A heading\n', text)
        self.assertIn('### `frob` (command)\n', text)
        self.assertIn('- `level` (`int`, optional, deprecated): how much, '
                      'see `Thing`\n', text)
        self.assertIn('Returns array of `Thing`: the things\n', text)
        self.assertIn('```\n-> { "execute": "frob" }\n'
                      '<- { "return": [] }\n```\n', text)
        self.assertIn('- `unstable`: may change\n', text)
        self.assertIn('Only if the build has CONFIG_X and not CONFIG_Y.',
                      text)


if __name__ == '__main__':
    unittest.main(verbosity=0)
