import unittest

from stats import mean, median


class Median(unittest.TestCase):
    def test_odd(self):
        self.assertEqual(median([5, 1, 3]), 3)

    def test_even(self):
        self.assertEqual(median([4, 1, 3, 2]), 2.5)

    def test_two(self):
        self.assertEqual(median([10, 20]), 15)

    def test_input_keeps_its_order(self):
        values = [3, 1, 2]
        median(values)
        self.assertEqual(values, [3, 1, 2])

    def test_tuple(self):
        self.assertEqual(median((2, 1, 3)), 2)

    def test_empty(self):
        with self.assertRaises(ValueError):
            median([])

    def test_mean_still_works(self):
        self.assertEqual(mean([1, 2, 6]), 3)


if __name__ == "__main__":
    unittest.main()
