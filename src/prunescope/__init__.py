"""prunescope: does it matter how a network is pruned, what does it cost, does it still see the same things inside?"""

__version__ = "0.1.0"
