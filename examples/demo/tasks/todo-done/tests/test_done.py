import json
import os
import unittest

import test_todo


class Done(test_todo.Todo):
    def setUp(self):
        super().setUp()
        with open(os.path.join(self.box, "todo.json"), "w", encoding="utf-8") as file:
            json.dump([{"text": "buy milk"}, {"text": "sleep"}, {"text": "rise"}], file)

    def test_add_and_list(self):
        self.run_todo("add", "work")
        self.assertIn("4. [ ] work\n", self.run_todo("list").stdout)

    def test_empty_list(self):
        os.remove(os.path.join(self.box, "todo.json"))
        super().test_empty_list()

    def test_done_is_marked_and_numbers_stay(self):
        self.assertEqual(self.run_todo("done", "2").returncode, 0)
        self.assertEqual(self.run_todo("list").stdout, "1. [ ] buy milk\n2. [x] sleep\n3. [ ] rise\n")

    def test_done_twice(self):
        self.run_todo("done", "1")
        self.assertEqual(self.run_todo("done", "1").returncode, 0)
        self.assertIn("1. [x] buy milk\n", self.run_todo("list").stdout)

    def test_number_that_is_not_there(self):
        for number in ("0", "4", "-1"):
            ended = self.run_todo("done", "--", number)
            self.assertEqual((ended.returncode, ended.stderr), (1, f"no entry {number}\n"))
        self.assertNotIn("[x]", self.run_todo("list").stdout)


if __name__ == "__main__":
    unittest.main()
