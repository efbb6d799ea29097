"""Floor 6: tables, figures and pages of what was observed and what was predicted."""

from bonepk.report.figure import trial_figure
from bonepk.report.page import validation_page
from bonepk.report.report import Report, gather
from bonepk.report.results import results_summary, results_table
from bonepk.report.table import trial_table, trial_text, trials_text, validation_text
from bonepk.report.virtual import virtual_figure, virtual_text

__all__ = [
    "Report",
    "gather",
    "results_summary",
    "results_table",
    "trial_figure",
    "trial_table",
    "trial_text",
    "trials_text",
    "validation_page",
    "validation_text",
    "virtual_figure",
    "virtual_text",
]
