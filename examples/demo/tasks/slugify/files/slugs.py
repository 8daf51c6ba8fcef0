"""Titles to URL parts."""


def slugify(title, separator="-"):
    """Lower-case words of ``title``, joined by ``separator``."""
    return title.lower().replace(" ", separator)
