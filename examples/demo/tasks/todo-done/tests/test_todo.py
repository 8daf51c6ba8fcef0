import os
import subprocess
import sys
import tempfile
import unittest

TODO = os.path.abspath("todo.py")


class Todo(unittest.TestCase):
    def run_todo(self, *args):
        return subprocess.run(
            [sys.executable, TODO, *args], cwd=self.box, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.box = directory.name

    def test_add_and_list(self):
        self.assertEqual(self.run_todo("add", "buy milk").returncode, 0)
        self.assertEqual(self.run_todo("add", "sleep").returncode, 0)
        self.assertEqual(self.run_todo("list").stdout, "1. [ ] buy milk\n2. [ ] sleep\n")

    def test_empty_list(self):
        self.assertEqual(self.run_todo("list").stdout, "")


if __name__ == "__main__":
    unittest.main()
