"""What a language model costs on an accelerator of our units: a prompt, or token by token."""
