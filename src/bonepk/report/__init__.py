"""Floor 6: tables, figures and pages of what was observed and what was predicted."""

from bonepk.report.figure import trial_figure
from bonepk.report.page import validation_page
from bonepk.report.table import trial_table, trial_text, trials_text, validation_text
from bonepk.report.virtual import virtual_figure, virtual_text

__all__ = [
    "trial_figure",
    "trial_table",
    "trial_text",
    "trials_text",
    "validation_page",
    "validation_text",
    "virtual_figure",
    "virtual_text",
]
