"""The report: tables, figures and pages from the JSON and CSV files under metrics/; never torch, never a checkpoint."""
