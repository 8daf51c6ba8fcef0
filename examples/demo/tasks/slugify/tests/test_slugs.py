import unittest

from slugs import slugify


class Slugify(unittest.TestCase):
    def test_words_are_joined(self):
        self.assertEqual(slugify("Hello World"), "hello-world")

    def test_punctuation_goes(self):
        self.assertEqual(slugify("What's new, in 3.14?"), "what-s-new-in-3-14")

    def test_accents_go(self):
        self.assertEqual(slugify("Crème brûlée"), "creme-brulee")

    def test_no_separator_at_the_ends(self):
        self.assertEqual(slugify("  (Hello)  "), "hello")

    def test_other_separator(self):
        self.assertEqual(slugify("Été à Paris", separator="_"), "ete_a_paris")

    def test_nothing_left(self):
        self.assertEqual(slugify("!?"), "")


if __name__ == "__main__":
    unittest.main()
