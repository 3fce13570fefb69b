"""Work of a language model: its matrix products, attentions and passes, with their shapes."""
