"""Parts that all sections of the report share: charts and their renderers, numbers, the frame."""
