import unittest

from invoice import total_ch, total_de, total_fr

SMALL = [{"price": 999, "count": 1}, {"price": 250, "count": 3}]
LARGE = [{"price": 1999, "count": 12}, {"price": 5, "count": 9}]


class Totals(unittest.TestCase):
    def test_germany(self):
        self.assertEqual(total_de(SMALL), 2664)
        self.assertEqual(total_de(LARGE), 27171)

    def test_france(self):
        self.assertEqual(total_fr(SMALL), 2687)
        self.assertEqual(total_fr(LARGE), 27400)

    def test_switzerland(self):
        self.assertEqual(total_ch(SMALL), 2420)
        self.assertEqual(total_ch(LARGE), 24682)

    def test_shipping_is_free_from_the_limit_on(self):
        self.assertEqual(total_de([{"price": 5000, "count": 1}]), 5950)
        self.assertEqual(total_fr([{"price": 6000, "count": 1}]), 7200)
        self.assertEqual(total_ch([{"price": 10000, "count": 1}]), 10810)


if __name__ == "__main__":
    unittest.main()
