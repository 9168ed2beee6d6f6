"""prunescope: does it matter how a network is pruned, what does it cost, does it still see the same things inside?"""

__version__ = "0.1.0"


def load(path, *, store=None):
    """A finished network in eval mode with `.classes`, `.preprocess` and `.masks`: see `prunescope.deploy.loading.load`."""
    from prunescope.deploy.loading import load as loaded  # torch is imported by who loads, not by who asks for the version

    return loaded(path, store=store)
