"""A release whose last words are made for a terminal: its title, its screen, the direction of its text."""

import sys

print("x" * 1_500_000)
print("\x1b]0;owned\x07\x1b[2J\x00\x9b31m \u202edesrever, the last words", flush=True)
sys.exit(3)
