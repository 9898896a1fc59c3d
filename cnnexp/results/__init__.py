"""From finished runs to statements, pages and classifiers in use. Nothing here changes a finished run."""
