"""Floor 2: plans and event records, runs, labelled results and endpoints."""
