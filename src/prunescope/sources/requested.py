"""What may be asked of which source, without looking at any file."""

from prunescope.data.splits import check_test_fraction
from prunescope.errors import PrunescopeError

OFFICIAL_TEST: dict[str, bool | None] = {  # whether a source has a test split of its own; None: that depends on its files
    "digits": False,
    "cifar100": True,
    "ham10000": None,  # ISIC 2018's test set, where it is given
    "folder": None,
}


def check_request(source: str, path: str | None, test_fraction: float | None) -> None:
    """Raise PrunescopeError for what no files can make right, before gigabytes are downloaded."""
    if source not in OFFICIAL_TEST:
        raise PrunescopeError(f"found source {source!r}, wanted one of {', '.join(OFFICIAL_TEST)}.")
    if bool(path) != (source == "folder"):
        found = repr("none" if path is None else path)
        raise PrunescopeError(f'source {source}: found path {found}; source "folder" needs one, the others take none.')
    if (official := OFFICIAL_TEST[source]) is not None:
        check_test_fraction(official, test_fraction)
