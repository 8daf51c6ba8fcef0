import unittest

from slugs import slugify


class Slugify(unittest.TestCase):
    def test_words_are_joined(self):
        self.assertEqual(slugify("Hello World"), "hello-world")

    def test_punctuation_goes(self):
        self.assertEqual(slugify("What's new, in 3.14?"), "what-s-new-in-3-14")

    def test_accents_go(self):
        self.assertEqual(slugify("Crème brûlée"), "creme-brulee")


if __name__ == "__main__":
    unittest.main()
