"""What the tests of behaviour cannot see: that the rules stand there once."""

import ast
import inspect
import unittest

import invoice


class Shape(unittest.TestCase):
    def test_countries_are_one_line_calls_of_total(self):
        for name in ("total_de", "total_fr", "total_ch"):
            function = ast.parse(inspect.getsource(getattr(invoice, name))).body[0]
            body = [node for node in function.body if not is_docstring(node)]
            self.assertEqual(len(body), 1, name)
            self.assertIsInstance(body[0], ast.Return, name)
            self.assertEqual(body[0].value.func.id, "total", name)

    def test_the_discount_stands_there_once(self):
        loops = [node for node in ast.walk(ast.parse(inspect.getsource(invoice))) if is_loop(node)]
        self.assertEqual(len(loops), 1)

    def test_rounding_is_the_same_for_every_price(self):
        for price in range(1, 400):
            for count in (1, 9, 10, 11):
                lines = [{"price": price, "count": count}, {"price": 3 * price, "count": 10}]
                for name, country in (("total_de", "de"), ("total_fr", "fr"), ("total_ch", "ch")):
                    self.assertEqual(getattr(invoice, name)(lines), before(lines, country))


def is_docstring(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def is_loop(node):
    return isinstance(node, (ast.For, ast.comprehension))


def before(lines, country):
    tax, limit = {"de": (190, 5000), "fr": (200, 6000), "ch": (81, 10000)}[country]
    net = 0
    for line in lines:
        amount = line["price"] * line["count"]
        net += amount * 95 // 100 if line["count"] >= 10 else amount
    net += 490 if net < limit else 0
    return net + (net * tax + 500) // 1000


if __name__ == "__main__":
    unittest.main()
