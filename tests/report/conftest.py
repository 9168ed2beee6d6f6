"""The report's tests share a fake tree of metrics."""

from report_fakes import tree

__all__ = ["tree"]
