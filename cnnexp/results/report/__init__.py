"""A run, a study or an experiment as one HTML file that opens offline: facts, then views, then a page."""

from cnnexp.results.report.entry import Report, report

__all__ = ["Report", "report"]
