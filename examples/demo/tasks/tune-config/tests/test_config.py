import configparser
import unittest

EXPECTED = {
    "server": {"host": "0.0.0.0", "port": "8080", "workers": "8"},
    "tls": {"enabled": "yes", "min_version": "1.3", "certificate": "/etc/shop/cert.pem"},
    "logging": {"level": "info", "keep_days": "30"},
    "limits": {"max_body": "10M", "rate_per_minute": "600"},
}
COMMENTS = (
    "# Front server of the shop. Owner: platform team.",
    "# One worker per core.",
    "# Terminated at the balancer until the certificates are here.",
    "; do not raise this above 30 days, see the privacy note",
)


class Config(unittest.TestCase):
    def test_values(self):
        parser = configparser.ConfigParser()
        with open("server.ini", encoding="utf-8") as file:
            parser.read_file(file)
        self.assertEqual({name: dict(parser[name]) for name in parser.sections()}, EXPECTED)

    def test_comments_are_still_there(self):
        with open("server.ini", encoding="utf-8") as file:
            lines = file.read().splitlines()
        for comment in COMMENTS:
            self.assertIn(comment, lines)


if __name__ == "__main__":
    unittest.main()
