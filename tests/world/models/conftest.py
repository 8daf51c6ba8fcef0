"""What models' servers, providers and agents really send: one case for each kind of trouble.

A module `test_<kind>.py` holds one kind. Above each case stands where it was seen in public, as a repository and a
number, and what happened there in our own words. Inputs are small and made by hand; nobody's recording is copied.
`server.py` is a model server that says, byte for byte, what it is told to say.
"""

from __future__ import annotations
