"""Studies: the only package that imports optuna."""
