"""Floor 2½: other tools' formats."""
