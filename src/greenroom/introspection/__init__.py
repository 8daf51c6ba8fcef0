"""Looking at a live engine: the console it serves, the client that asks, and the text people read.

Nothing is imported here, so that ``greenroom ps`` loads the client and never the console's side.
"""
