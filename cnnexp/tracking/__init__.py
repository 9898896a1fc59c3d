"""The only package that imports mlflow: stores, runs, logged models, saved views, MLflow's UI.

Importing a module of this package is cheap; mlflow is imported when a store is opened.
"""
