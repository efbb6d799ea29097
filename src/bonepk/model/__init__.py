"""Floor 0: model text, expressions, units, composition and checks."""
