"""A data set looked at before training on it: balance, copies, broken files, doubtful labels."""
