"""Trainers and frameworks, one file each: every one imports the public API and its own library, never another."""
