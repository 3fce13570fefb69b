"""What a language model computes: its matrix products, attentions and passes, with their shapes."""
