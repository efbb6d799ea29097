"""Floor 1: generated code, integrators and steady states; arrays in, arrays out."""
