import unittest

KNOWN = {1: "I", 4: "IV", 9: "IX", 14: "XIV", 40: "XL", 90: "XC", 400: "CD", 1994: "MCMXCIV", 3999: "MMMCMXCIX"}


class ToRoman(unittest.TestCase):
    def test_known_numbers(self):
        from roman import to_roman

        for number, text in KNOWN.items():
            self.assertEqual(to_roman(number), text)


class FromRoman(unittest.TestCase):
    def test_known_numerals(self):
        from roman import from_roman

        for number, text in KNOWN.items():
            self.assertEqual(from_roman(text), number)


class Refusals(unittest.TestCase):
    def test_numbers_out_of_range(self):
        from roman import to_roman

        for number in (0, -1, 4000):
            with self.assertRaises(ValueError):
                to_roman(number)

    def test_other_forms(self):
        from roman import from_roman

        for text in ("", "IIII", "IC", "iv", "VX", "MMMM", "XIVI", "A"):
            with self.assertRaises(ValueError, msg=text):
                from_roman(text)


class RoundTrip(unittest.TestCase):
    def test_every_number(self):
        from roman import from_roman, to_roman

        for number in range(1, 4000):
            self.assertEqual(from_roman(to_roman(number)), number)


if __name__ == "__main__":
    unittest.main()
