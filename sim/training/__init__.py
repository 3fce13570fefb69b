"""Small trainings that show what an arithmetic does to the loss of a model."""
