"""Language models and the real traffic they make."""
